"""The live screen of a run on a terminal: redrawn in place, gone at the end but for a summary."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console  # noqa: TID251 (its home)
from rich.live import Live  # noqa: TID251 (its home)
from rich.text import Text  # noqa: TID251 (its home)

from fleet.model.event import Event
from fleet.ports import Observer
from fleet.ui.echo import unechoed
from fleet.ui.paint import paint, put
from fleet.ui.signals import noticed
from fleet.ui.state import EMPTY, apply
from fleet.ui.streams import can_show_unicode
from fleet.ui.view import summary, view
from fleet.units import speak, spoken

_FRAMES_PER_SECOND = 6


@contextmanager
def live(console: Console, *, clock: Callable[[], float] = time.monotonic) -> Iterator[Observer]:
    """An observer that feeds the screen, from any thread. The cursor comes back whatever ends the run."""
    lock = threading.Lock()
    state = EMPTY
    stopping: float | None = None
    size = console.size
    idiom = spoken()

    def observe(event: Event) -> None:
        nonlocal state
        with lock:
            state = apply(state, event, clock())

    def stop() -> None:
        nonlocal stopping
        stopping = clock()  # no lock is taken: a signal may come while it is held

    def draw() -> Text:
        nonlocal size
        speak(idiom)  # it is drawn by a thread of its own
        with lock:
            seen = replace(state, stopping=stopping)
        if console.size != size:
            size = console.size
            _turn_page(console)
        lines = view(seen, clock(), size.width, size.height)
        return paint(lines, unicode=can_show_unicode(console.file))

    try:
        with noticed(stop), unechoed(), _drawn(console, draw):
            yield observe
    finally:
        put(summary(state, clock(), console.width), console)


def _drawn(console: Console, draw: Callable[[], Text]) -> Live:
    return Live(
        console=console,
        get_renderable=draw,
        refresh_per_second=_FRAMES_PER_SECOND,
        transient=True,
        redirect_stdout=False,
    )


def _turn_page(console: Console) -> None:
    """Scroll all that is on the screen out of it and begin at its top.

    A terminal that is resized wraps and moves what it shows, so the last frame is no longer where it was drawn.
    """
    console.file.write("\n" * console.height + "\x1b[H\x1b[2J")
    console.file.flush()
