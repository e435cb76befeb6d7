"""Turns on one thing that serves one task at a time, as they lie in shared memory: who comes first goes first.

An agent that wakes up late asks late for a turn that was due earlier. Idle time that has passed since then is given to
it all the same, where it is long enough; otherwise each late wake-up would cost capacity that a real device has.
"""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass
from typing import ClassVar

MAX_SPANS = 32
"""Turns remembered; idle time before the ones forgotten is not given out again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A stretch of time, reserved: no two overlap. Seconds of the monotonic clock."""

    start: float
    end: float


class Span(ctypes.Structure):
    """A turn in shared memory; both zero = none."""

    _fields_: ClassVar = [("start", ctypes.c_double), ("end", ctypes.c_double)]
    start: float
    end: float


class Turns(ctypes.Structure):
    """The latest turns in any order, the end of the last one forgotten, and the seconds of all turns ever taken."""

    _fields_: ClassVar = [
        ("spans", Span * MAX_SPANS),
        ("forgotten", ctypes.c_double),
        ("total", ctypes.c_double),
    ]
    spans: ctypes.Array[Span]
    forgotten: float
    total: float


_TIMES = struct.Struct("=" + "dd" * MAX_SPANS)
"""The start and end of each span, read at once: ctypes takes half a microsecond for every one of them."""


def take(turns: Turns, arrival: float, seconds: float) -> Turn:
    """The first stretch of so many seconds that is free from `arrival` on, which is not in the future; now taken."""
    if seconds <= 0:
        return Turn(start=arrival, end=arrival)
    start = max(arrival, turns.forgotten)
    for span in sorted(turns.spans, key=lambda span: span.start):
        if start + seconds <= span.start:
            break
        start = max(start, span.end)
    oldest = min(turns.spans, key=lambda span: span.end)
    turns.forgotten = max(turns.forgotten, oldest.end)
    oldest.start, oldest.end = start, start + seconds
    turns.total += seconds
    return Turn(start=start, end=start + seconds)


def passed(turns: Turns, now: float) -> float:
    """Of the seconds of all turns, those that are over."""
    times = _TIMES.unpack_from(turns)
    spans = zip(times[::2], times[1::2], strict=True)
    return turns.total - sum((end - max(start, now) for start, end in spans if end > now), 0.0)


def cut(turns: Turns, now: float) -> None:
    """Let no turn last beyond `now`."""
    turns.total = passed(turns, now)
    turns.forgotten = min(turns.forgotten, now)
    for span in turns.spans:
        span.start, span.end = min(span.start, now), min(span.end, now)
