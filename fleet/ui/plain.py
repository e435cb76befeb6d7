"""The observer for pipes, files and terminals that can do nothing: one plain line an event, no escape sequences."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from fleet.model.hostevent import StepDone
from fleet.model.playbook import StepState
from fleet.ports import Observer
from fleet.report.lines import Span, in_ascii, line
from fleet.ui.streams import can_show_unicode

if TYPE_CHECKING:
    from fleet.model.event import Event
    from fleet.ui.state import State

PROGRESS_SECONDS = 10.0
"""Within a trial, progress is said at most this often."""

QUIET_SECONDS = 3.0
"""So much silence after a trial is explained: what comes next is chosen by replays, and a busy machine takes long."""


def plain(stream: TextIO, *, clock: Callable[[], float] = time.monotonic, quiet: float = QUIET_SECONDS) -> Observer:
    """An observer that writes to the stream, each line with the time since the start. Any thread may call it."""
    lock = threading.Lock()
    started = clock()
    said = started
    seen: State | None = None
    unicode = can_show_unicode(stream)
    waiting = threading.Timer(0.0, lambda: None)

    def write(now: float, said: Span | str) -> None:
        from fleet.ui.words import stamp  # noqa: PLC0415 (as said below)

        text = line(said)
        stream.write(f"{stamp(now - started)}  {(text if unicode else in_ascii(text)).text}\n")
        stream.flush()

    def explain() -> None:
        with lock:
            if waiting is threading.current_thread():
                write(clock(), "choosing what comes next, by replays of what was measured …")

    def observe(event: Event) -> None:
        nonlocal said, seen, waiting
        if isinstance(event, StepDone) and event.report.state is StepState.RIGHT:
            return  # it changes nothing; the end of its stage counts it, and nothing more is loaded for it
        from fleet.model.event import Estimated, TrialProgress, TrialStarted  # noqa: PLC0415 (as said above)
        from fleet.ui.state import EMPTY, apply, progress  # noqa: PLC0415 (likewise)
        from fleet.ui.words import describe  # noqa: PLC0415 (likewise)

        now = clock()
        with lock:
            seen = apply(seen or EMPTY, event, now)
            waiting.cancel()
            waiting = threading.Timer(quiet, explain)
            waiting.daemon = True
            if isinstance(event, Estimated):
                waiting.start()
            if isinstance(event, Estimated) and not event.rates:
                return
            if isinstance(event, TrialProgress) and now - said < PROGRESS_SECONDS:
                return
            if isinstance(event, TrialProgress | TrialStarted):
                said = now
            write(now, progress(seen, now) if isinstance(event, TrialProgress) else describe(event))

    return observe
