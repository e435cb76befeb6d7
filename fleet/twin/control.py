"""The control plane as values: how agents learn of work, and the chance in it.

Push: an agent that is free gets the oldest task at once. Polling is the legacy stack: agents ask every now and then,
see work only through a counter that is refreshed every now and then, and claim one at a time under the stream's lock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SHORTEST = 1e-3
"""Seconds of the shortest timer but 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """How the legacy task database hands out work, in seconds.

    `poll`: an agent that got nothing sleeps so long; 0 = it asks again at once. `refresh`: the counter of ready tasks
    that agents see is set every so often; 0 = it is always right. `lock`: a request that sees a counter above 0 holds
    the stream's row so long; an agent that meets the row taken gets nothing, and a refresh leaves the counter as it
    was. `refreshers`: how many timers set the counter, `helpers`: how many of the head's agents take the tasks that are
    not the agents'; both are the aux agents.
    """

    poll: float = 1.0
    refresh: float = 5.0
    lock: float = 0.002
    refreshers: int = 1
    helpers: int = 1

    def __post_init__(self) -> None:
        """Timers that run backwards, that nobody keeps, or too fast to play one by one, must not be built."""
        if self.lock < 0 or any(0 != period < SHORTEST for period in (self.poll, self.refresh)):
            raise ValueError(f"a lock takes 0 s or more, and a timer 0 s or at least {SHORTEST} s")
        if min(self.refreshers, self.helpers) < 1:
            raise ValueError("polling needs a refresher and a helper")


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """When each timer first fires, in seconds from the job's start: refreshers, the head's helpers, agents."""

    refreshers: tuple[float, ...]
    helpers: tuple[float, ...]
    workers: tuple[float, ...]


def phase_count(polling: Polling | None, workers: int) -> int:
    """How many shares `phases_of` needs."""
    return polling.refreshers + polling.helpers + workers if polling else 0


def phases_of(polling: Polling, shares: Sequence[float]) -> Phases:
    """Phases from shares of a period in [0, 1): those of the refreshers, then the helpers, then the agents."""
    agents = polling.refreshers + polling.helpers
    return Phases(
        refreshers=tuple(polling.refresh * share for share in shares[: polling.refreshers]),
        helpers=tuple(polling.poll * share for share in shares[polling.refreshers : agents]),
        workers=tuple(polling.poll * share for share in shares[agents:]),
    )


def period_of(polling: Polling, claim: float) -> float:
    """Seconds from one request that gets nothing to the next; 0 where the agent never sleeps."""
    return polling.poll + claim if polling.poll > 0 else 0.0


def next_poll(first: float, period: float, earliest: float) -> float:
    """The first of `first`, `first` + `period`, … that is not before `earliest`; any time will do with a period of 0.

    The compiled engine has the same function, so that both replays round alike.
    """
    if period <= 0 or earliest <= first:
        return max(first, earliest)
    return max(earliest, first + period * math.ceil((earliest - first) / period))
