"""Jobs of the past replayed under other polling: what they would have taken, and whether the replay can be believed.

The twin learns service times and the executor's pace from each job itself and plays it again, many times, as nobody
knows where the timers stood. A gain is that of the mean over all their phases. Its interval is as wide as the twin was
wrong elsewhere, and as it is wrong here beyond what the phases explain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fleet.analyse.evidence.identity import worker_time
from fleet.analyse.stats import Draws, central, generator_for
from fleet.model.estimate import Estimate
from fleet.model.history import Knobs, Plane, Replayed
from fleet.model.rates import job_seconds
from fleet.model.record import JobRecord
from fleet.twin.calibrate import Pools, whole_pools
from fleet.twin.control import Polling, phase_count
from fleet.twin.fast import Scenario, compiled_engine, draws_of, replay_many
from fleet.twin.graph import graph_of
from fleet.twin.replay import Control, Worker

CLAIM = 0.002
"""Seconds that a request takes in the database, its lock held (decision.md, measured on its own SQL)."""

WORTH = 0.05
"""A gain below this is not worth a change (decision.md, step 7)."""

TWIN_ERROR = 0.023
"""By so much replays missed a real control plane (decision.md); they are not taken to be better than that."""

AT_ONCE = "no wait for dispatch at all"
"""The change that nobody can make, which shows what waiting for dispatch costs."""

_DRAWS, _DRAWS_UNCOMPILED = 200, 20
_TASKS, _TASKS_UNCOMPILED = 20_000_000, 200_000
"""Tasks that are replayed at most, over all jobs, draws and changes."""
_MOST_JOBS = 12
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A change: how it is said, what to set, and the agents and timers it means. `bound`: only an upper bound.

    `claim`: seconds from an agent's asking for a task to its start.
    """

    change: str
    settings: tuple[str, ...]
    workers: int
    polling: Polling | None
    bound: bool = False
    claim: float = CLAIM


@dataclass(frozen=True, slots=True, kw_only=True)
class Replays:
    """What the replays gave, and by what share that of the settings as they are misses what the jobs took.

    `luck`: the standard deviation of that, as a share, if nothing but the phases of the timers differed.
    """

    missed: float
    luck: float
    jobs: int
    changes: tuple[Replayed, ...]


def polling_of(plane: Plane, knobs: Knobs) -> Polling | None:
    """The timers of a plane: a counter that is always right needs no refresh; work that is pushed, no timer at all."""
    if plane is Plane.PUSH:
        return None
    refresh, aux = knobs.refresh if plane is Plane.GATED else 0.0, knobs.refreshers
    return Polling(poll=knobs.poll, refresh=refresh, lock=CLAIM, refreshers=aux, helpers=aux)


def cases(plane: Plane, knobs: Knobs, workers: int) -> tuple[Case, ...]:
    """As it is, then what can be changed where work is handed out this way."""
    now = polling_of(plane, knobs)
    found = [Case(change="as it is", settings=(), workers=workers, polling=now)]
    if now is not None and now.refresh > 1:
        found.append(_timers(plane, workers, replace(now, refresh=1.0)))
    if now is not None and now.poll > 0:
        found.append(_timers(plane, workers, replace(now, poll=0.0, refresh=min(now.refresh, 1.0))))
    if now is not None:
        found.append(Case(change=AT_ONCE, settings=(), workers=workers, polling=None, bound=True))
    found.append(
        Case(change="an agent more that slows nobody", settings=(), workers=workers + 1, polling=now, bound=True)
    )
    return tuple(found)


def _timers(plane: Plane, workers: int, polling: Polling) -> Case:
    seconds = f"{polling.refresh:g}"
    parts = [(f"refresh {seconds} s", f"STREAM_REFRESH_INTERVAL={seconds}")] if plane is Plane.GATED else []
    parts += [("poll 0", "POLL_TIME=0")] if polling.poll == 0 else []
    return Case(
        change=", ".join(name for name, _ in parts),
        settings=tuple(setting for _, setting in parts),
        workers=workers,
        polling=polling,
    )


def replays(
    jobs: Sequence[JobRecord], plane: Plane, knobs: Knobs, workers: int, *, joins_apart: bool = False
) -> Replays | None:
    """The newest of the jobs (they come newest first) under every case; None where nothing can be replayed."""
    if plane is Plane.UNKNOWN or joins_apart:
        return None
    claim = _claim(jobs, plane, workers)
    tried = [replace(case, claim=claim) for case in cases(plane, knobs, workers)]
    compiled = compiled_engine() is not None
    draws, room = (_DRAWS, _TASKS) if compiled else (_DRAWS_UNCOMPILED, _TASKS_UNCOMPILED)
    chosen: list[JobRecord] = []
    for job in jobs[:_MOST_JOBS]:
        room -= len(job.tasks) * draws * len(tried)
        if room < 0 and chosen:
            break
        chosen.append(job)
    if not chosen:
        return None
    pools = {("", kind): samples for (_, kind), samples in whole_pools(chosen).items()}
    seconds = np.stack([_replayed(job, pools, tried, draws) for job in chosen])
    took = np.array([job_seconds([job]) for job in chosen])
    means = seconds.mean(axis=2).sum(axis=0)
    missed = float(means[0] / took.sum()) - 1
    luck = float(np.sqrt(seconds[:, 0].var(axis=1).sum()) / took.sum())
    error = float(np.hypot(TWIN_ERROR, np.sqrt(max(0.0, missed**2 - luck**2))))
    return Replays(
        missed=missed,
        luck=luck,
        jobs=len(chosen),
        changes=tuple(_gain(case, seconds, at, error) for at, case in enumerate(tried) if at),
    )


def _claim(jobs: Sequence[JobRecord], plane: Plane, workers: int) -> float:
    """Where work is announced, what an agent waits for besides is the way to its task, which each task pays."""
    if plane is not Plane.PUSH or not jobs:
        return CLAIM
    parts = [worker_time([job], workers) for job in jobs[:_MOST_JOBS]]
    return sum(part.dispatch for part in parts) / max(1, sum(part.tasks for part in parts))


def _replayed(job: JobRecord, pools: Pools, tried: Sequence[Case], draws: int) -> Draws:
    """The job's seconds by (case, draw). It is served from its own times where it has some of every kind."""
    graph = graph_of(job)
    own = {("", kind): samples for (_, kind), samples in whole_pools([job]).items()}
    scenarios = [
        Scenario(
            graph=graph,
            workers=tuple(Worker(host="", device=f"{number}") for number in range(case.workers)),
            pools={**pools, **own},
            control=Control(claim=case.claim, polling=case.polling, joins_first=False),
        )
        for case in tried
    ]
    timers = max(phase_count(case.polling, case.workers) for case in tried)
    return replay_many(scenarios, draws_of(range(draws), len(graph.nodes), timers))


def _gain(case: Case, seconds: Draws, at: int, error: float) -> Replayed:
    """The gain of the mean over all phases: over resampled draws, and with the replay's own error."""
    chance = generator_for(0, f"polling {case.change}")
    draws = seconds.shape[2]
    picks = chance.integers(0, draws, size=(_RESAMPLES, draws))
    before, after = (seconds[:, which].sum(axis=0)[picks].mean(axis=1) for which in (0, at))
    gains = before / after * np.exp(error * chance.standard_normal(_RESAMPLES)) - 1
    low, high = central(gains)
    return Replayed(
        change=case.change,
        settings=case.settings,
        gain=Estimate(value=float(np.median(gains)), low=low, high=high, n=0, unit="ratio"),
        better=float(np.mean(gains >= WORTH)),
        bound=case.bound,
    )
