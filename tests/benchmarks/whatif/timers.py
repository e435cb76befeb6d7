"""Timers read off records on clusters that nobody tuned a threshold on: how often they are told, and rightly.

The clusters are drawn from a wide range and played by the planted generator (`planted_timers`), which is not the twin.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median

from planted_timers import Cluster, planted

from fleet.analyse.foretell.timers import timers
from fleet.model.estimate import Estimate
from fleet.model.history import Plane

TIMERS = ("POLL_TIME", "STREAM_REFRESH_INTERVAL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One timer of one cluster: what is said of it, if anything, and what is true."""

    seed: int
    timer: str
    said: Estimate | None
    truth: float

    @property
    def held(self) -> bool:
        """Whether the truth lies in what is said."""
        return self.said is not None and self.said.low <= self.truth <= self.said.high


def cluster_of(chance: Random) -> Cluster:
    """2 to 12 agents, poll intervals of 0.2 to 5 s, refresh intervals of 1 to 20 s, sleeps 1 to 20 ms late."""
    return Cluster(
        agents=chance.choice((2, 3, 4, 6, 8, 12)),
        poll=_between(chance, 0.2, 5.0),
        refresh=_between(chance, 1.0, 20.0),
        segments=chance.choice((9, 17, 33, 65)),
        late=_between(chance, 0.001, 0.02),
        noise=_between(chance, 0.005, 0.05),
    )


def _between(chance: Random, low: float, high: float) -> float:
    """Log-uniform."""
    return math.exp(chance.uniform(math.log(low), math.log(high)))


def told(seed: int) -> tuple[Told, ...]:
    """Both timers of the cluster of a seed, read off 3 to 20 of its jobs."""
    chance = Random(f"timers {seed}")  # noqa: S311 (a planted truth, not a secret)
    cluster = cluster_of(chance)
    jobs = [planted(cluster, seed * 1000 + number) for number in range(chance.choice((3, 5, 10, 20)))]
    found = timers(jobs, Plane.GATED, cluster.agents)
    said = (found.poll, found.refresh) if found else (None, None)
    truths = (cluster.poll, cluster.refresh)
    return tuple(
        Told(seed=seed, timer=timer, said=one, truth=truth)
        for timer, one, truth in zip(TIMERS, said, truths, strict=True)
    )


def lines(answers: Sequence[Told]) -> Iterator[str]:
    """A row for each timer."""
    yield "TIMERS READ OFF RECORDS (planted clusters; the truth is what was set)"
    yield f"  {'':24} {'asked':>5} {'told':>5} {'held':>7} {'error':>7}"
    for timer in TIMERS:
        asked = [answer for answer in answers if answer.timer == timer]
        said = [answer for answer in asked if answer.said is not None]
        error = median([abs(one.said.value / one.truth - 1) for one in said if one.said] or [math.nan])
        yield f"  {timer:24} {len(asked):5} {len(said):5} {share_held(said):7.1%} {error:7.1%}"
    for one in answers:
        if one.said is not None and not one.held:
            yield f"  seed {one.seed}: {one.timer} {one.truth:.2f} s, said {one.said.low:.2f} to {one.said.high:.2f} s"


def share_held(answers: Sequence[Told]) -> float:
    """Of the timers that are told, the share that is told rightly; NaN where none is."""
    said = [answer for answer in answers if answer.said is not None]
    return sum(answer.held for answer in said) / len(said) if said else math.nan
