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
    from fleet.ui.state import State

PROGRESS_SECONDS = 10.0
"""Within a trial, progress is said at most this often."""


def plain(stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> Observer:
    """An observer that writes to the stream, each line with the time since the start. Any thread may call it."""
    lock = threading.Lock()
    started = clock()
    said = started
    seen: State | None = None
    unicode = can_show_unicode(stream)

    def observe(event: Event) -> None:
        nonlocal said, seen
        if isinstance(event, StepDone) and event.report.state is StepState.RIGHT:
            return  # it changes nothing; the end of its stage counts it, and nothing more is loaded for it
        from fleet.model.event import Estimated, TrialProgress, TrialStarted  # noqa: PLC0415 (as said above)
        from fleet.ui.state import EMPTY, apply, progress  # noqa: PLC0415 (likewise)
        from fleet.ui.words import describe, stamp  # noqa: PLC0415 (likewise)

        now = clock()
        with lock:
            seen = apply(seen or EMPTY, event, now)
            if isinstance(event, Estimated) and not event.rates:
                return
            if isinstance(event, TrialProgress) and now - said < PROGRESS_SECONDS:
                return
            if isinstance(event, TrialProgress | TrialStarted):
                said = now
            text = Line((progress(seen, now) if isinstance(event, TrialProgress) else describe(event),))
            stream.write(f"{stamp(now - started)}  {(text if unicode else in_ascii(text)).text}\n")
            stream.flush()

    return observe
