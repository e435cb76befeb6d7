"""From runs of a command to the records of jobs: what a proving job's tasks are, a command's runs are. Pure.

Where runs are shared out, each is a task. Where each agent tells its own rate, the fleet's is their sum, and nothing
was shared out: the job is then the work that all of them would do at these rates in the time of the longest run, cut
into equal pieces, so that a replay on other agents gives the sum of their rates, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from fleet.model.command import CYCLES_PER_UNIT
from fleet.model.record import JobRecord, TaskKind, TaskRecord, TaskState
from fleet.model.trial import AgentSpec, Trial

PIECES, MOST_PIECES = 32, 512
"""Pieces of the slowest agent's part of the work, and at most of any: they tell rates apart to 1.6 %."""

AT_ONCE = 0.75
"""Of the longest agent's time, what every other must have run for: a rate told while others rest is no fleet's rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSeen:
    """One run that went well: from its order to its answer on one monotonic clock, `seconds` on its host."""

    agent: AgentSpec
    item: int
    started: float
    updated: float
    seconds: float
    value: float | None


def jobs_of_runs(trial: Trial, runs: Sequence[RunSeen], start: float, work: float) -> tuple[JobRecord, ...]:
    """The trial's jobs, each of its items a task; `work`: the units of a run that told none."""
    each = trial.load.iterations
    jobs = []
    for number in range(trial.load.jobs):
        own = sorted((run for run in runs if run.item // each == number), key=lambda run: run.item)
        units = sum(work if run.value is None else run.value for run in own)
        jobs.append(_job(trial, number, units, [_task(run, start) for run in own]))
    return tuple(jobs)


def not_at_once(runs: Iterable[RunSeen]) -> str | None:
    """Why rates that were told do not add up: agents that were done while others still ran; None where they do."""
    seconds: dict[AgentSpec, float] = {}
    for run in runs:
        seconds[run.agent] = seconds.get(run.agent, 0.0) + run.seconds
    first = min(seconds, key=lambda agent: seconds[agent])
    last = max(seconds, key=lambda agent: seconds[agent])
    if seconds[first] >= AT_ONCE * seconds[last]:
        return None
    return (
        f"agents did not run at once: {first.name} was done after {seconds[first]:.1f} s, {last.name} after "
        f"{seconds[last]:.1f} s; let the command run for a fixed time, or share its runs out (`tells: work`)"
    )


def jobs_of_rates(trial: Trial, runs: Iterable[RunSeen]) -> tuple[JobRecord, ...]:
    """One job whose rate is the sum of the agents' rates, each the mean of what its runs told."""
    told: dict[AgentSpec, list[RunSeen]] = {}
    for run in runs:
        told.setdefault(run.agent, []).append(run)
    rates = {agent: fmean(run.value or 0.0 for run in own) for agent, own in sorted(told.items())}
    seconds = max(sum(run.seconds for run in own) for own in told.values())
    slowest = min(rates.values())
    tasks = [
        piece
        for agent, rate in rates.items()
        for piece in _pieces(agent, min(MOST_PIECES, round(PIECES * rate / slowest)), seconds)
    ]
    return (_job(trial, 0, sum(rates.values()) * seconds, tasks),)


def _pieces(agent: AgentSpec, count: int, seconds: float) -> Iterable[TaskRecord]:
    for number in range(count):
        yield TaskRecord(
            id=f"{agent.name}/{number}",
            kind=TaskKind.PROVE,
            state=TaskState.DONE,
            prerequisites=(),
            created=0.0,
            started=seconds * number / count,
            updated=seconds * (number + 1) / count,
            agent=agent.name,
            host=agent.host,
        )


def _task(run: RunSeen, start: float) -> TaskRecord:
    return TaskRecord(
        id=f"{run.item}",
        kind=TaskKind.PROVE,
        state=TaskState.DONE,
        prerequisites=(),
        created=0.0,
        started=run.started - start,
        updated=run.updated - start,
        agent=run.agent.name,
        host=run.agent.host,
        away=max(0.0, run.updated - run.started - run.seconds),
    )


def _job(trial: Trial, number: int, units: float, tasks: Sequence[TaskRecord]) -> JobRecord:
    cycles = max(1, round(units * CYCLES_PER_UNIT))
    return JobRecord(
        id=f"{trial.id}/{number}",
        state=TaskState.DONE,
        segments=len(tasks),
        user_cycles=cycles,
        total_cycles=cycles,
        tasks=tuple(tasks),
    )
