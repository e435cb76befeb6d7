"""How free agents get tasks, reference implementation: the two control planes behind one small interface.

A plane is told when an agent becomes free and when an instant is over (all that is due at that time is done); it takes
the first of the ready tasks and puts down when it begins.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from fleet.twin.agenda import Agenda
from fleet.twin.control import Phases, Polling, next_poll, period_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a plane works with. `ready` is a heap of (rank, task); `begin(task, agent)` starts one; `claim` seconds."""

    agenda: Agenda
    claim: float
    begin: Callable[[int, int], None]
    ready: list[tuple[bool, int]] = field(default_factory=list)

    def give(self, worker: int) -> None:
        """The first ready task begins on this agent when the claim is through."""
        _, number = heapq.heappop(self.ready)
        self.agenda.at(self.agenda.now + self.claim, partial(self.begin, number, worker))


class Plane(Protocol):
    """A control plane."""

    def free(self, worker: int) -> None:
        """An agent has nothing to do."""

    def settle(self) -> None:
        """The instant is over."""

    def head_start(self) -> float:
        """When a task of the head that becomes ready now begins."""


class Push:
    """The agent that has been free for longest gets the first ready task at once."""

    def __init__(self, desk: Desk, workers: int) -> None:
        self._desk = desk
        self._idle = deque(range(workers))

    def free(self, worker: int) -> None:
        """It joins the queue of idle agents."""
        self._idle.append(worker)

    def settle(self) -> None:
        """Bring tasks and agents together while there are both."""
        while self._desk.ready and self._idle:
            self._desk.give(self._idle.popleft())

    def head_start(self) -> float:
        """At once."""
        return self._desk.agenda.now


class Polled:
    """Every agent asks for itself, and sees work only through the counter and past the lock.

    Requests that the counter turns away are not played one by one: the agent sleeps through to its first request after
    the next refresh. Where the counter is always right, and with `poll` 0, an agent that found nothing is parked until
    something is ready, as its requests in between would change nothing.

    So a replay comes to its end whatever the timers: a request that gets nothing is put down after the lock's end, at
    the next refresh or a period later, each later than now or behind an event of this instant that moves it there; or
    it is parked, and only a ready task wakes it.
    """

    def __init__(self, desk: Desk, polling: Polling, phases: Phases) -> None:
        self._desk, self._polling, self._phases = desk, polling, phases
        self._period = period_of(polling, desk.claim)
        self._counter = 0
        self._unlocked = 0.0
        self._parked: list[tuple[int, float]] = []
        self._ticks = list(phases.refreshers)
        if polling.refresh > 0:
            for number, first in enumerate(phases.refreshers):
                desk.agenda.at(first, partial(self._tick, number, 0))
        for worker, first in enumerate(phases.workers):
            desk.agenda.at(first, partial(self._ask, worker))

    def free(self, worker: int) -> None:
        """It asks at once."""
        self._desk.agenda.at(self._desk.agenda.now, partial(self._ask, worker))

    def settle(self) -> None:
        """Wake the parked agents where something is ready."""
        if self._desk.ready:
            for worker, asks in self._parked:
                self._desk.agenda.at(next_poll(asks, self._period, self._desk.agenda.now), partial(self._ask, worker))
            self._parked.clear()

    def head_start(self) -> float:
        """When a helper asks for the first time after the head's counter was refreshed."""
        seen = min(self._ticks) if self._polling.refresh > 0 else self._desk.agenda.now
        return min(next_poll(first, self._period, seen) for first in self._phases.helpers)

    def _tick(self, number: int, turn: int) -> None:
        if self._desk.agenda.now >= self._unlocked:
            self._counter = len(self._desk.ready)
        self._ticks[number] = self._phases.refreshers[number] + self._polling.refresh * (turn + 1)
        self._desk.agenda.at(self._ticks[number], partial(self._tick, number, turn + 1))

    def _ask(self, worker: int) -> None:
        now, ready = self._desk.agenda.now, self._desk.ready
        seen = self._counter if self._polling.refresh > 0 else len(ready)
        if seen and now >= self._unlocked:
            self._unlocked = now + self._polling.lock
            if ready:
                self._desk.give(worker)
                return
        hidden = self._polling.refresh > 0 and not seen
        if not ready and (self._polling.refresh == 0 or (self._period == 0 and not hidden)):
            self._parked.append((worker, now + self._period))
            return
        until = min(self._ticks) if hidden else self._unlocked
        wake = next_poll(now + self._period, self._period, until)
        self._desk.agenda.at(wake, partial(self._ask, worker))
