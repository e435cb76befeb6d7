"""The polite signals: the first is obeyed and noticed at once, and one more does not disturb what it has begun."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_POLITE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_INSISTS = 3
"""Who asks this often is not made to wait until everything is taken down."""


@contextmanager
def noticed(say: Callable[[], None]) -> Iterator[None]:
    """Call `say` when the operator asks to stop, before what was started is taken down.

    Taking it down takes seconds, and who sees nothing happen asks again: the second time changes nothing, the third
    leaves at once. Without handlers of Python's, or outside the main thread, signals are left as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _POLITE}
    asked = 0

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        say()
        then = before[signal.Signals(number)]
        if callable(then) and (asked == 1 or asked >= _INSISTS):
            then(number, frame)

    for number, then in before.items():
        if callable(then):
            signal.signal(number, ask)
    try:
        yield
    finally:
        for number, then in before.items():
            if callable(then):
                signal.signal(number, then)
