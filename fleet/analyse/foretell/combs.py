"""Which idle agent took which task, if agents that got nothing ask again after a period: for many periods at once.

Records name no agents. An agent asks when its task ends, and then a period later, and so on; so whoever takes a task
late has been idle for a whole number of periods, and of all that are idle it is the one that fits best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fleet.analyse.evidence.identity import ready_times
from fleet.analyse.stats import Draws
from fleet.model.rates import by_agent, span
from fleet.model.record import JobRecord

AT_ONCE = 0.025
"""Seconds within which an agent that has ended a task has the next one, if there is any."""

JITTER = (0.002, 0.008, 0.03)
"""Seconds by which a request may be late for each period waited: an idle machine, a busy one, a far one."""

STRAY = 0.05
"""The share of late starts that no comb explains."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """One job's agent tasks as moments in order of time: of each its task, and whether that starts then or ends.

    `ready`: from when on how many tasks are ready, as (times, counts).
    """

    times: Draws
    tasks: Places
    starts: npt.NDArray[np.bool_]
    ready: tuple[Draws, Places]
    begin: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comb:
    """What a job says of each period: the log of how much better it explains the late starts than chance does.

    `late`: how many of them there are of agents that had worked before, `hits`: how many of those lie on the comb.
    `since`: by (period, task), since when its agent had been idle; NaN where that had done nothing before. `idle`: by
    (period, agent), since when each is idle at the job's end.
    """

    scores: Draws
    late: Places
    hits: Places
    since: Draws
    idle: Draws


def moments_of(job: JobRecord, most: int) -> Moments:
    """The job's moments, of so many tasks at most. ValueError where nothing was timed."""
    begin, end = span(job.tasks)
    tasks = sorted(
        (t for t in job.tasks if by_agent(t) and t.started is not None and t.updated is not None),
        key=lambda task: task.started or 0.0,
    )
    if len(tasks) > most:
        tasks, end = tasks[:most], tasks[most].started or end
    started = np.array([t.started for t in tasks], dtype=np.float64)
    ended = np.array([t.updated for t in tasks], dtype=np.float64)
    known = ready_times(job)
    ready = np.minimum(np.array([known[t.id] for t in tasks], dtype=np.float64), started)
    numbers = np.arange(len(tasks))
    # Of one time an end is before a start: the agent may be the same.
    order = np.lexsort((np.repeat([1, 0], len(tasks)), np.concatenate([started, ended])))
    changes = np.concatenate([ready, started])
    step = np.argsort(changes, kind="stable")
    return Moments(
        times=np.concatenate([started, ended])[order],
        tasks=np.concatenate([numbers, numbers])[order],
        starts=np.repeat([True, False], len(tasks))[order],
        ready=(changes[step], np.cumsum(np.repeat([1, -1], len(tasks))[step])),
        begin=begin,
        end=end,
    )


def combed(job: Moments, workers: int, periods: Draws) -> Comb:
    """Follow the job's agents under each period."""
    rows = np.arange(len(periods))
    idle = np.full((len(periods), workers), np.nan)
    since = np.full((len(periods), len(job.times) // 2), np.nan)
    agent = np.zeros(since.shape, dtype=np.int64)
    scores, late, hits = np.zeros((3, len(periods)))
    before = np.full(len(periods), -np.inf)
    for time, task, starts in zip(job.times.tolist(), job.tasks.tolist(), job.starts.tolist(), strict=True):
        if not starts:
            idle[rows, agent[:, task]] = time
            continue
        taker, gain, ratio = _takers(idle, time, periods)
        # Agents that start together were woken together: they are no two proofs of a comb.
        apart = (gain != 0) & (time - before > AT_ONCE)
        scores += np.where(apart, gain, 0.0)
        counted = apart & ~np.isnan(idle).any(axis=1)
        late += counted
        hits += counted & (ratio > 1)
        before = np.where(gain != 0, time, before)
        agent[:, task] = taker
        since[:, task] = idle[rows, taker]
        idle[rows, taker] = np.inf
    return Comb(scores=scores, late=late.astype(np.int64), hits=hits.astype(np.int64), since=since, idle=idle)


def _takers(idle: Draws, time: float, periods: Draws) -> tuple[Places, Draws, Draws]:
    """Who starts a task now under each period, and what that says for the period."""
    waited = time - idle
    at_once = np.where((waited >= 0) & (waited <= AT_ONCE), waited, np.inf)
    column = periods[:, None]
    turns = np.round(waited / column)
    with np.errstate(invalid="ignore"):
        off = np.where((turns >= 1) & np.isfinite(waited), np.abs(waited - turns * column), np.inf)
    best = np.argmin(off, axis=1)
    rows = np.arange(len(periods))
    miss, turn = off[rows, best], np.maximum(turns[rows, best], 1.0)
    rivals = np.isfinite(off).sum(axis=1)
    fresh = np.isnan(idle)
    newcomers = fresh.sum(axis=1)
    ratio = np.where(rivals > 0, _against_chance(miss, turn, rivals, periods), 0.0)
    share = newcomers / np.maximum(newcomers + rivals, 1)
    explained = share + (1 - share) * ((1 - STRAY) * ratio + STRAY)
    prompt = np.isfinite(at_once).any(axis=1)
    gain = np.where(prompt, 0.0, np.log(np.maximum(explained, STRAY)))
    taker = np.where((newcomers > 0) & (ratio < 1), np.argmax(fresh, axis=1), best)
    return np.where(prompt, np.argmin(at_once, axis=1), taker), gain, ratio


def _against_chance(miss: Draws, turn: Draws, rivals: Places, periods: Draws) -> Draws:
    """How much likelier so near a hit is for an agent on the comb than for the nearest of so many anywhere."""
    half = periods / 2
    widths = np.array(JITTER)[:, None] * np.sqrt(turn)
    with np.errstate(invalid="ignore", over="ignore"):
        hit = np.mean(np.exp(-0.5 * (miss / widths) ** 2) / widths, axis=0) * np.sqrt(2 / np.pi)
        chance = rivals / half * np.maximum(1 - miss / half, 1e-9) ** (rivals - 1)
        ratio: Draws = hit / chance
    return np.nan_to_num(ratio, nan=0.0, posinf=1e9)
