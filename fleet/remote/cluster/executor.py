"""The executor on the head: cuts a job's execution into segments at its own rate, while proving has begun."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fleet.model.inventory import SyntheticSettings
from fleet.plan.trials.segments import Segment, segments
from fleet.remote.prover.trace import make_trace

OUTSTANDING = 96 * 2**20
"""Bytes of segments cut but not proved yet, of all jobs together: half of the object store. Beyond, executors pause."""
_PART = 0.5


def room_limit(object_store: int) -> int:
    """Of the smallest object store that a trial's traces pass through, what they may take of it."""
    return max(OUTSTANDING, int(_PART * object_store))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The next segment of job `job`; its trace of `size` bytes lies at `stored`; `at` on the monotonic clock."""

    job: int
    segment: Segment
    stored: Any
    size: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CutAll:
    """The last segment of the job has been cut."""

    job: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CutFailed:
    """The executor cannot go on."""

    job: int
    message: str


Event = Cut | CutAll | CutFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutting:
    """What to cut: as many iterations, in segments of 2^`po2` cycles whose traces have 2^`trace_po2` rows.

    `trace_po2` None: as many rows as the segment has cycles. `time_scale`: emulated seconds per real second.
    """

    iterations: int
    po2: int
    trace_po2: int | None
    time_scale: float
    settings: SyntheticSettings

    def rows_po2(self, segment: Segment) -> int:
        """The po2 of a segment's trace."""
        return segment.po2 if self.trace_po2 is None else self.trace_po2

    def plan(self) -> tuple[Segment, ...]:
        """All segments."""
        return tuple(segments(self.iterations, self.po2))


class Room:
    """Bytes that may lie in the object store at once. One trace always may, however large it is."""

    def __init__(self, limit: int = OUTSTANDING) -> None:
        self._limit = limit
        self._taken = 0
        self._stopped = False
        self._changed = threading.Condition()

    def take(self, size: int) -> bool:
        """Wait until there is room. False where it is no use any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or not self._taken or self._taken + size <= self._limit)
            self._taken += size
            return not self._stopped

    def give_back(self, size: int) -> None:
        """The trace has been proved."""
        with self._changed:
            self._taken -= size
            self._changed.notify_all()

    def stop(self) -> None:
        """Nobody needs to wait any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


def cut_job(
    job: int,
    cutting: Cutting,
    store: Callable[[bytes], Any],
    room: Room,
    stop: threading.Event,
    post: Callable[[Event], None],
) -> None:
    """Post the job's segments one by one, then `CutAll`; the thread of one executor. `store` keeps a trace.

    The trace of job n is made from seed n, so that no two jobs of a trial have the same digest.
    """
    try:
        _cut_job(job, cutting, store, room, stop, post)
    except Exception as error:  # noqa: BLE001 (a thread's error must reach the trial)
        post(CutFailed(job=job, message=f"the executor failed: {type(error).__name__}: {error}"))


def _cut_job(
    job: int,
    cutting: Cutting,
    store: Callable[[bytes], Any],
    room: Room,
    stop: threading.Event,
    post: Callable[[Event], None],
) -> None:
    settings = cutting.settings
    started, cycles = time.monotonic(), 0
    for segment in segments(cutting.iterations, cutting.po2):
        trace = make_trace(job, segment.index, cutting.rows_po2(segment), settings.columns)
        if not room.take(len(trace)):
            return
        stored = store(trace)
        cycles += segment.cycles
        due = started + cycles / settings.executor_rate / cutting.time_scale
        if stop.wait(max(0.0, due - time.monotonic())):
            return
        post(Cut(job=job, segment=segment, stored=stored, size=len(trace), at=time.monotonic()))
    post(CutAll(job=job, at=time.monotonic()))
