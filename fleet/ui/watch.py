"""`fleet watch` on a terminal: redrawn in place, steered by keys; on anything else plain lines at every interval."""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

from rich.console import Console  # noqa: TID251 (its home)
from rich.live import Live  # noqa: TID251 (its home)
from rich.text import Text  # noqa: TID251 (its home)

from fleet.codec import dump_line
from fleet.model.inventory import Host
from fleet.model.watch import Frame, HostLost, Look
from fleet.ui.paint import console_of, paint
from fleet.ui.streams import can_redraw, can_show_unicode
from fleet.ui.watchboard import DOWN, PAGE_DOWN, PAGE_UP, UP, Board, Row, Wish, chosen, pressed
from fleet.ui.watchview import plain_line, scrolled, watch_lines

_FRAME_SECONDS = 0.25
_POLL = 0.05
_ESCAPE = "\x1b"
_SEQUENCE = re.compile(r"\x1b(?:\[|O)?([0-9;]*[ -~]?)")
_MOVES = {"A": UP, "B": DOWN, "5~": PAGE_UP, "6~": PAGE_DOWN}
"""What terminals send for arrows and page keys, after their escape sequence's beginning."""


class Watch:
    """What is heard, and the screen that shows it; `hear` may be called from any thread."""

    def __init__(self, hosts: Sequence[Host], title: str, interval: float) -> None:
        self._board = Board(hosts)
        self._title = title
        self._interval = interval
        self._lock = threading.Lock()

    def hear(self, what: Look | HostLost, host: str) -> None:
        """Take in a host's look, or its loss."""
        with self._lock:
            self._board.hear(what, host)

    def rows(self) -> tuple[Row, ...]:
        """Every row that there is now."""
        with self._lock:
            return self._board.rows()

    def frame(self) -> Frame:
        """All hosts as they are known now."""
        with self._lock:
            return self._board.frame(time.time())

    def wait(self, patience: float) -> Frame:
        """Wait until every host has said something or is lost, so many seconds at most; what is known then."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            with self._lock:
                if self._board.heard:
                    break
            time.sleep(_POLL)
        return self.frame()

    def show(self, stream: TextIO, wish: Wish) -> None:
        """Show it until the operator has seen enough: live where the stream can redraw, plain lines elsewhere."""
        if can_redraw(stream) and sys.stdin.isatty():
            self._live(stream, wish)
        else:
            self._repeat(lambda: self.print_plain(stream, wish))

    def print_plain(self, stream: TextIO, wish: Wish) -> None:
        """One line a row, now."""
        now = time.time()
        stream.writelines(f"{plain_line(row, now)}\n" for row in chosen(self.rows(), wish))
        stream.flush()

    def print_json(self, stream: TextIO, *, once: bool) -> None:
        """Frames as JSON, one a line and an interval; or one now."""
        if once:
            stream.write(f"{dump_line(self.frame())}\n")
            return
        self._repeat(lambda: (stream.write(f"{dump_line(self.frame())}\n"), stream.flush()))

    def _repeat(self, say: Callable[[], object]) -> None:
        """Say it at every interval, for ever, without drift."""
        self.wait(self._interval * 2)
        start, ticks = time.monotonic(), 0
        while True:
            say()
            ticks = max(ticks + 1, int((time.monotonic() - start) // self._interval))
            time.sleep(max(0.0, start + ticks * self._interval - time.monotonic()))

    def _live(self, stream: TextIO, wish: Wish) -> None:
        console = console_of(stream)
        still = self.rows()

        def draw() -> Text:
            return self._painted(console, wish, still)

        with (
            _keys() as next_keys,
            Live(
                console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
            ) as live,
        ):
            size = console.size
            drawn = 0.0
            while not wish.quit:
                keys = next_keys(_POLL)
                for key in keys:
                    wish = pressed(wish, key, size.height // 2)
                resized = console.size != size
                size = console.size
                if keys or resized or time.monotonic() - drawn >= _FRAME_SECONDS:
                    still = still if wish.paused else self.rows()
                    wish = scrolled(wish, len(chosen(still, wish)), size.height)
                    live.update(draw(), refresh=True)
                    drawn = time.monotonic()

    def _painted(self, console: Console, wish: Wish, rows: Sequence[Row]) -> Text:
        unicode = can_show_unicode(console.file)
        width, height = console.size
        lines = watch_lines(rows, wish, time.time(), width, height, title=f"{self._title} ", ascii_only=not unicode)
        return paint(lines, unicode=unicode)


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """A function that gives the keys pressed within so many seconds; the terminal is as it was afterwards.

    An arrow or function key is a sequence that begins with escape: those that scroll have a character of ours, others
    count as nothing, a lone escape as itself.
    """
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)

    def pressed_within(seconds: float) -> str:
        if not select.select([descriptor], [], [], seconds)[0]:
            return ""
        text = os.read(descriptor, 64).decode("utf-8", "replace")
        if not text:
            return "q"
        return text if text == _ESCAPE else _SEQUENCE.sub(lambda found: _MOVES.get(found[1], ""), text)

    try:
        yield pressed_within
    finally:
        with suppress(termios.error):  # the terminal has been closed
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
