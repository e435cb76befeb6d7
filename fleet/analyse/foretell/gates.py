"""When a counter that agents see was set, from which of their requests found work: for many refresh intervals at once.

A request that finds nothing although tasks are ready shows a counter of 0, one that is served shows a counter above 0.
The counter is what was ready when it was last set. So an interval and the phases of its timers foretell every request.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fleet.analyse.foretell.combs import AT_ONCE, Comb, Moments
from fleet.analyse.stats import Draws

PHASES = 24
"""Of each of two timers."""

WINDOW, TURNS, REQUESTS = 30.0, 5.0, 200
"""Timers are taken to keep their phases for so many seconds, or so many intervals, and for so many requests at most."""

WRONG = 0.05
"""The share of requests that miss for another reason: the stream's row was locked, or it was another agent's."""

_PAIRS = np.triu_indices(PHASES)
_JUST = 1e-3
"""Seconds by which a request comes after what it goes by."""

_Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A job's requests that tell the counter, in order of time, and whether it was above 0."""

    job: Moments
    times: Draws
    seen: _Bools


def asked(job: Moments, comb: Comb, period: float) -> Asked:
    """The requests of a job's agents if they ask with the period that the comb was made for."""
    served, since = job.times[job.starts], comb.since[0, job.tasks[job.starts]]
    spells = [*zip(since.tolist(), served.tolist(), strict=True)]
    spells += [(idle, np.nan) for idle in comb.idle[0].tolist() if np.isfinite(idle)]
    vain = np.array([moment for idle, until in spells for moment in _in_vain(job, idle, until, period)])
    vain = vain[_something_ready(job, vain + _JUST)]
    times = np.concatenate([served, vain])
    order = np.argsort(times, kind="stable")
    return Asked(job=job, times=times[order], seen=np.repeat([True, False], [len(served), len(vain)])[order])


def _in_vain(job: Moments, idle: float, until: float, period: float) -> Iterator[float]:
    """When an agent asked and got nothing: as its task ended, and every period until it was served, or all was over.

    NaN: it had done nothing before, or it was never served again.
    """
    if np.isnan(idle):
        yield from (until - turn * period for turn in range(1, int((until - job.begin) / period) + 1))
    elif np.isnan(until):
        yield from (idle + turn * period for turn in range(int((job.end - idle) / period) + 1))
    elif until - idle > AT_ONCE:
        turns = max(1, round((until - idle) / period))
        yield from (idle + turn * (until - idle) / turns for turn in range(turns))


def _something_ready(job: Moments, times: Draws) -> _Bools:
    steps, counts = job.ready
    place = np.searchsorted(steps, times, side="right") - 1
    above: _Bools = (place >= 0) & (counts[np.maximum(place, 0)] > 0)
    return above


def gated(requests: Asked, intervals: Draws) -> Draws:
    """The log of how much better each refresh interval explains a job's requests than chance does, phases averaged."""
    share = (requests.seen.sum() + 0.5) / (len(requests.seen) + 1)
    by_chance = np.where(requests.seen, np.log(share), np.log(1 - share))
    scores = [
        sum(_explained(requests, window, interval) for window in _windows(requests, interval))
        for interval in intervals.tolist()
    ]
    return np.array(scores, dtype=np.float64) - float(by_chance.sum())


def _windows(requests: Asked, interval: float) -> Iterator[slice]:
    """The requests in spells over which the timers keep their phases."""
    length, first = max(WINDOW, TURNS * interval), 0
    while first < len(requests.times):
        last = int(np.searchsorted(requests.times, requests.times[first] + length))
        last = min(last, first + REQUESTS)
        yield slice(first, last)
        first = last


def _explained(requests: Asked, window: slice, interval: float) -> float:
    """The log likelihood of what the window's requests saw, averaged over the phases of two timers."""
    times, seen = requests.times[window], requests.seen[window]
    first = times[0] + interval * np.arange(PHASES)[:, None] / PHASES
    ticks = first + interval * np.floor((times - _JUST - first) / interval)
    above = _something_ready(requests.job, ticks)
    one, other = _PAIRS
    counter = np.where(ticks[one] >= ticks[other], above[one], above[other])
    right = np.count_nonzero(counter == seen, axis=1)
    logs = right * np.log(1 - WRONG) + (len(seen) - right) * np.log(WRONG)
    return float(logs.max() + np.log(np.exp(logs - logs.max()).mean()))
