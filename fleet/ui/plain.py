"""The observer for pipes, files and terminals that can do nothing: one plain line an event, no escape sequences."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from fleet.model.hostevent import StepDone
from fleet.model.playbook import StepState
from fleet.ports import Observer
from fleet.report.lines import Line, in_ascii
from fleet.ui.streams import can_show_unicode

if TYPE_CHECKING:
    from fleet.model.event import Event

PROGRESS_SECONDS = 10.0
"""Within a trial, progress is said at most this often."""


def plain(stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> Observer:
    """An observer that writes to the stream, each line with the time since the start. Any thread may call it."""
    lock = threading.Lock()
    started = clock()
    said = started
    unicode = can_show_unicode(stream)

    def observe(event: Event) -> None:
        nonlocal said
        if _silent(event):
            return
        from fleet.model.event import TrialProgress, TrialStarted  # noqa: PLC0415 (where all is right nothing is said)
        from fleet.ui.words import describe  # noqa: PLC0415 (likewise)

        now = clock()
        with lock:
            if isinstance(event, TrialProgress) and now - said < PROGRESS_SECONDS:
                return
            if isinstance(event, TrialProgress | TrialStarted):
                said = now
            text = Line((describe(event),))
            stream.write(f"{_stamp(now - started)}  {(text if unicode else in_ascii(text)).text}\n")
            stream.flush()

    return observe


def _silent(event: Event) -> bool:
    """A step that found all right changes nothing; the end of its stage counts it."""
    return isinstance(event, StepDone) and event.report.state is StepState.RIGHT


def _stamp(seconds: float) -> str:
    """`01:05` after a minute and five seconds, `1:02:05` after an hour."""
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes:02}:{left:02}"
