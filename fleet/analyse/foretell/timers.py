"""How often agents ask for work and how often counters are refreshed, read off the jobs' own records.

All late starts lie on the comb of the poll interval (`combs`), which tells when every idle agent asked;
who then asked in vain, although something was ready, tells the refresh interval (`gates`). Both are read
as posteriors over a grid, flat in the logarithm. Nothing is said where chance explains the records about as well, or
where several intervals do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from fleet.analyse.foretell.combs import Comb, Moments, Places, combed, moments_of
from fleet.analyse.foretell.gates import asked, gated
from fleet.analyse.foretell.polling import CLAIM
from fleet.analyse.stats import HIGH, LOW, Draws
from fleet.model.estimate import Estimate
from fleet.model.history import Plane, Timers
from fleet.model.record import JobRecord

POLLS = np.geomspace(0.1, 30.0, 1500)
REFRESHES = np.geomspace(0.5, 60.0, 240)
"""Seconds that are looked at."""

SURE = math.log(100)
"""So much likelier must a timer be than none (as logarithms), and …"""

NARROW = 1.25
"""… its interval's ends no further apart than this ratio, for it to be told."""

FEWEST = 3
"""So many jobs at least: waits of one job have ticks in common, and are not as many proofs as they are waits."""

ON_COMB = 0.85
"""The share of late starts that must lie on a comb: where agents never sleep, chance puts up to three of four there."""

UNLIKE_PARTS = math.log(20)
"""So much likelier must an interval be than its half and its third, which all its waits are multiples of, too."""

MOST_TASKS = 1000
"""Tasks looked at, over all jobs: more would only make sharp sharper."""

STRAY = 0.02
"""No timer is told closer than this: sleeps end late, and requests take their time."""

_CLOSER = np.linspace(0.99, 1.01, 101)


def timers(jobs: Sequence[JobRecord], plane: Plane, workers: int, poll: float | None = None) -> Timers | None:
    """What the newest of the jobs tell (they come newest first); None where their agents do not poll.

    `poll`: the interval where it is known, so that only the refresh interval is asked for.
    """
    if plane in (Plane.PUSH, Plane.UNKNOWN):
        return None
    looked = list(_moments(jobs))
    if len(looked) < FEWEST:
        return Timers(jobs=len(looked))
    period = _period(looked, workers) if poll is None else _known(poll + CLAIM)
    refresh = None
    if plane is Plane.GATED and period is not None and period.value > CLAIM:
        seen = [asked(job, combed(job, workers, np.array([period.value])), period.value) for job in looked]
        refresh = _read(REFRESHES, np.sum([gated(requests, REFRESHES) for requests in seen], axis=0), len(looked))
    if poll is not None:
        period = _period(looked, workers)
    return Timers(jobs=len(looked), poll=_without_claim(period) if period else None, refresh=refresh)


def _known(period: float) -> Estimate:
    return Estimate(value=period, low=period, high=period, n=0, unit="s")


def _period(looked: Sequence[Moments], workers: int) -> Estimate | None:
    """Seconds from one request in vain to the next."""
    scores = _summed(looked, workers, POLLS)
    best = float(POLLS[scores.argmax()])
    parts = np.interp([best / 2, best / 3], POLLS, scores, left=0.0)
    if scores.max() - parts.max() < UNLIKE_PARTS or _read(POLLS, scores, len(looked)) is None:
        return None
    grid = best * _CLOSER
    combs = [combed(job, workers, grid) for job in looked]
    scores = np.sum([comb.scores for comb in combs], axis=0)
    hits, late = (int(sum(column[scores.argmax()] for column in columns)) for columns in _counts(combs))
    return _read(grid, scores, len(looked)) if hits >= ON_COMB * late else None


def _counts(combs: Sequence[Comb]) -> tuple[list[Places], list[Places]]:
    return [comb.hits for comb in combs], [comb.late for comb in combs]


def _moments(jobs: Sequence[JobRecord]) -> Iterator[Moments]:
    room = MOST_TASKS
    for job in jobs:
        yield moments_of(job, room)
        room -= len(job.tasks)
        if room <= 0:
            return


def _summed(looked: Sequence[Moments], workers: int, periods: Draws) -> Draws:
    scores: Draws = np.sum([combed(job, workers, periods).scores for job in looked], axis=0)
    return scores


def _read(grid: Draws, scores: Draws, jobs: int) -> Estimate | None:
    """The posterior's median and 95 % interval, no narrower than grid and timers are; None where it tells nothing."""
    weights = np.exp(scores - scores.max())
    if scores.max() + math.log(weights.mean()) < SURE:
        return None
    share = weights.cumsum() / weights.sum()
    low, middle, high = (min(int(np.searchsorted(share, p / 100)), len(grid) - 1) for p in (LOW, 50.0, HIGH))
    value = float(grid[middle])
    stray = STRAY + float(grid[1] / grid[0]) - 1
    least, most = min(float(grid[low]), value * (1 - stray)), max(float(grid[high]), value * (1 + stray))
    return Estimate(value=value, low=least, high=most, n=jobs, unit="s") if most <= NARROW * least else None


def _without_claim(period: Estimate) -> Estimate:
    """The interval that is set: the request itself takes a part of the period."""
    return replace(period, value=period.value - CLAIM, low=period.low - CLAIM, high=period.high - CLAIM)
