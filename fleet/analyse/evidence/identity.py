"""The worker-time identity: where the agents' time went, from records that need not name the agents.

W agents over T seconds: W·T = ∫busy + ∫min(ready, W − busy) + ∫(W − busy − ready)⁺, that is busy, waiting although
something was ready (dispatch), waiting because nothing was (task graph). A task is ready from the later of its
creation and the end of its last prerequisite until it starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fleet.analyse.evidence.arms import Arm
from fleet.model.anatomy import Share
from fleet.model.rates import by_agent, span
from fleet.model.record import JobRecord, TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTime:
    """Worker-seconds by what they went into; they add up to `total` = W·T. `tasks` is how many tasks agents ran."""

    total: float
    busy: float
    dispatch: float
    graph: float
    tasks: int


def worker_time(jobs: Sequence[JobRecord], workers: int) -> WorkerTime:
    """The identity of jobs that were submitted together. ValueError where nothing was timed."""
    tasks = [task for job in jobs for task in job.tasks]
    start, end = span(tasks)
    events = sorted(event for job in jobs for event in _events(job, start, end))
    running = ready = 0
    busy = dispatch = graph = 0.0
    for (time, d_running, d_ready), (following, _, _) in pairwise([*events, (end, 0, 0)]):
        running, ready = running + d_running, ready + d_ready
        seconds = following - time
        working = min(running, workers)
        waiting = min(ready, workers - working)
        busy += working * seconds
        dispatch += waiting * seconds
        graph += (workers - working - waiting) * seconds
    return WorkerTime(
        total=workers * (end - start), busy=busy, dispatch=dispatch, graph=graph, tasks=sum(map(by_agent, tasks))
    )


def _events(job: JobRecord, start: float, end: float) -> Iterable[tuple[float, int, int]]:
    """(time, change of running, change of ready), within the job's span, which the first event opens."""
    yield start, 0, 0
    ready = ready_times(job)
    for task in job.tasks:
        if not by_agent(task) or task.started is None or task.updated is None:
            continue
        yield min(max(ready[task.id], start), task.started), 0, 1
        yield task.started, 1, -1
        yield min(task.updated, end), -1, 0


def ready_times(job: JobRecord) -> dict[str, float]:
    """When each task could have begun, by its id.

    The execute task holds nobody up by its end: a task that waits for its segment is created when that is cut.
    """
    finished = {task.id: task.updated for task in job.tasks if task.kind is not TaskKind.EXECUTE}
    return {
        task.id: max([task.created, *(finished.get(before) or task.created for before in task.prerequisites)])
        for task in job.tasks
    }


def shares(arms: Iterable[Arm]) -> tuple[Share, ...]:
    """Where the agents' time went in each arm, over all its trials."""
    found = []
    for arm in arms:
        parts = [worker_time(trial.jobs, len(arm.layout.agents)) for trial in arm.trials]
        total = sum(part.total for part in parts)
        found.append(
            Share(
                layout=arm.layout,
                busy=sum(part.busy for part in parts) / total,
                dispatch=sum(part.dispatch for part in parts) / total,
                graph=sum(part.graph for part in parts) / total,
            )
        )
    return tuple(found)


def claim_seconds(arm: Arm) -> float:
    """What a claim costs an agent on average: its waiting although something was ready, for each task it ran."""
    parts = [worker_time(trial.jobs, len(arm.layout.agents)) for trial in arm.trials]
    return sum(part.dispatch for part in parts) / max(1, sum(part.tasks for part in parts))
