"""What is typed while a screen is drawn is not shown: a `^C` or an Enter would move what stands there."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def unechoed() -> Iterator[None]:
    """Without echo on the terminal that the program was started from, where it is one; as it was at the end."""
    terminal = _own_terminal()
    if terminal is None:
        yield
        return
    before = termios.tcgetattr(terminal)
    _set(terminal, [*before[:3], before[3] & ~termios.ECHO, *before[4:]])
    try:
        yield
    finally:
        _set(terminal, before)


def _own_terminal() -> int | None:
    """Standard input where it is a terminal in whose foreground the program is: another would be stopped for asking."""
    with suppress(OSError, ValueError, AttributeError):
        found = sys.stdin.fileno()
        if os.isatty(found) and os.tcgetpgrp(found) == os.getpgrp():
            return found
    return None


def _set(terminal: int, attributes: list[int | list[bytes | int]]) -> None:
    """A terminal that has been closed meanwhile needs nothing."""
    with suppress(termios.error):
        termios.tcsetattr(terminal, termios.TCSADRAIN, attributes)
