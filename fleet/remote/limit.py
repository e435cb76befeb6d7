"""A limit on the time that a regular expression may take: one that backtracks on hostile text may look for ever."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


@contextmanager
def limited(seconds: float, what: str) -> Iterator[None]:
    """TimeoutError after so many seconds. In the main thread only; Python's matcher looks at signals now and then."""

    def late(_number: int, _frame: FrameType | None) -> NoReturn:
        raise TimeoutError(f"{what} within {seconds:g} s: the pattern backtracks, make it simpler")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
