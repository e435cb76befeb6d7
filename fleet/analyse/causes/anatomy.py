"""What the jobs of an arm are made of, from their records alone: service times, executor, bounds, coordinator."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import fmean

from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings
from fleet.analyse.evidence.identity import ready_times, shares, worker_time
from fleet.analyse.stats import Spread, t_interval
from fleet.model.anatomy import Decomposition, ServiceTime
from fleet.model.estimate import Estimate
from fleet.model.rates import by_agent, job_seconds, span, tasks_of
from fleet.model.record import JobRecord, Observation, TaskKind, TaskRecord
from fleet.twin.calibrate import agent_tasks, seconds_of

COORDINATOR_BUSY = 0.7
"""From this share of the time on, handing out tasks is what everybody waits for (decision.md, step 7)."""

CONTESTED = 8
"""So many tasks must have been waited for by two agents at once before their gaps say what a handing out takes."""

SPARE = 0.5
"""A coordinator that cannot be busier than this is shown by that bound where its gaps say nothing."""

PAIR = 2


def decompositions(found: Findings) -> tuple[Decomposition, ...]:
    """Every arm taken apart, in the order of the arms."""
    return tuple(decomposition(arm, found.spread) for arm in (*found.arms, *found.others))


def decomposition(arm: Arm, spread: Spread) -> Decomposition:
    """One arm taken apart."""
    executed = [(job, task) for job in arm.jobs for task in job.tasks if task.kind is TaskKind.EXECUTE]
    executing = sum(seconds_of(task) for _, task in executed)
    workers = len(arm.layout.agents)
    return Decomposition(
        layout=arm.layout,
        jobs=arm.load.jobs,
        seconds=fmean(arm.seconds),
        share=shares([arm])[0],
        executor_hz=sum(job.total_cycles for job, _ in executed) / executing if executing > 0 else None,
        executor_seconds=fmean(_longest(trial, TaskKind.EXECUTE) for trial in arm.trials),
        work=fmean(worker_time(trial.jobs, workers).busy / workers for trial in arm.trials),
        critical_path=fmean(max(critical_path(job) for job in trial.jobs) for trial in arm.trials),
        coordinator=coordinator(arm),
        services=service_times(arm, spread),
    )


def service_times(arm: Arm, spread: Spread) -> tuple[ServiceTime, ...]:
    """Mean seconds by kind and host. The interval takes a trial's mean time to be as noisy as its rate, or noisier."""
    by_trial: dict[tuple[str, str], list[list[float]]] = {}
    for trial in arm.trials:
        here: dict[tuple[str, str], list[float]] = {}
        for task in agent_tasks(trial.jobs):
            here.setdefault((task.kind.value, task.host or ""), []).append(seconds_of(task))
        for key, seconds in here.items():
            by_trial.setdefault(key, []).append(seconds)
    order = {kind.value: place for place, kind in enumerate(TaskKind)}
    keys = sorted(by_trial, key=lambda key: (order[key[0]], key[1]))
    return tuple(_service_time(key, by_trial[key], spread) for key in keys)


def _service_time(key: tuple[str, str], trials: Sequence[Sequence[float]], spread: Spread) -> ServiceTime:
    kind, host = key
    value = fmean(seconds for trial in trials for seconds in trial)
    logs = [math.log(max(fmean(trial), 1e-9)) for trial in trials]
    low, high = t_interval(value, logs, spread)
    return ServiceTime(
        kind=kind,
        host=host or None,
        seconds=Estimate(value=value, low=low, high=high, n=len(trials), unit="s"),
        count=sum(map(len, trials)),
    )


def critical_path(job: JobRecord) -> float:
    """Seconds from the job's start to its end if no task had to wait for anything but its prerequisites.

    The longest chain of tasks, each with the seconds that it took, none begun before it was created.
    """
    begun, _ = span(job.tasks)
    ends: dict[str, float] = {}
    timed = (task for task in job.tasks if task.started is not None and task.kind is not TaskKind.EXECUTE)
    for task in sorted(timed, key=_by_start):
        ready = max([task.created - begun, *(ends[before] for before in task.prerequisites if before in ends)])
        # What was created before the job's clock began was there from its start.
        ends[task.id] = max(0.0, ready) + seconds_of(task)
    return max(ends.values(), default=0.0)


def _by_start(task: TaskRecord) -> tuple[float, float]:
    return task.started or 0.0, task.updated or 0.0


def _longest(trial: Observation, kind: TaskKind) -> float:
    return max((seconds_of(task) for task in tasks_of(trial) if task.kind is kind), default=0.0)


def coordinator(arm: Arm) -> float | None:
    """The share of the time for which the coordinator hands out tasks, one at a time; None where it is not known.

    Where two tasks are ready and two agents idle, nothing but the coordinator keeps the second start from coming with
    the first: such gaps are what a handing out takes (utilisation law, U = X·S). A low quantile of them is taken, as
    gaps that chance makes have no floor and turns at a coordinator do. Without enough of them, what agents wait for
    dispatch is a bound, which is told where it is low.
    """
    gaps = sorted(gap for trial in arm.trials for gap in _gaps(trial, len(arm.layout.agents)))
    starts = sum(by_agent(task) for trial in arm.trials for task in tasks_of(trial))
    seconds = sum(job_seconds(trial.jobs) for trial in arm.trials)
    if len(gaps) >= CONTESTED:
        return min(1.0, gaps[len(gaps) // 5] * starts / seconds)
    bound = sum(worker_time(trial.jobs, len(arm.layout.agents)).dispatch for trial in arm.trials) / seconds
    return bound if bound <= SPARE else None


def coordinator_bound(base: Arm) -> float | None:
    """The largest gain that handing out tasks one at a time allows, however many agents ask: X ≤ X now ÷ U."""
    busy = coordinator(base)
    return 1 / busy - 1 if busy else None


def _gaps(trial: Observation, workers: int) -> Iterator[float]:
    """Seconds between a start and the next one, where both tasks were ready and both agents idle before the first."""
    running = ready = 0
    contested: list[tuple[float, bool]] = []
    for time, order, d_running, d_ready in sorted(_changes(trial.jobs)):
        if order == _START:
            contested.append((time, ready >= PAIR and workers - running >= PAIR))
        running, ready = running + d_running, ready + d_ready
    for (first, together), (second, _) in pairwise(contested):
        if together:
            yield second - first


_END, _READY, _START = range(3)


def _changes(jobs: Iterable[JobRecord]) -> Iterator[tuple[float, int, int, int]]:
    """(time, what happens, change of running, change of ready); at one time ends come before starts."""
    for job in jobs:
        ready = ready_times(job)
        for task in agent_tasks([job]):
            started = task.started or 0.0
            yield min(ready[task.id], started), _READY, 0, 1
            yield started, _START, 1, -1
            yield task.updated or 0.0, _END, -1, 0
