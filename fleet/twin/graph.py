"""The task graph of a job as the twin replays it: kinds, prerequisites and the executor's timing, by position."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.model.rates import by_agent, span
from fleet.model.record import JobRecord, TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One task. `released`: seconds after the job's start at which the executor makes it known.

    `before`: positions of its prerequisites. `fixed`: seconds it takes off the agents (finalize on the head), None
    where an agent runs it.
    """

    kind: TaskKind
    before: tuple[int, ...]
    released: float
    fixed: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The tasks of a job in creation order, without its execute task, which is the clock that releases them."""

    nodes: tuple[Node, ...]
    cycles: int


def graph_of(job: JobRecord) -> Graph:
    """The graph of a finished job, with the executor's timing as it was seen. ValueError where nothing was timed."""
    start, _ = span(job.tasks)
    tasks = [task for task in job.tasks if task.kind is not TaskKind.EXECUTE]
    place = {task.id: position for position, task in enumerate(tasks)}
    nodes = []
    for task in tasks:
        seconds = None
        if not by_agent(task):
            seconds = (task.updated or 0.0) - (task.started or 0.0)
        before = tuple(place[p] for p in task.prerequisites if p in place)
        nodes.append(Node(kind=task.kind, before=before, released=max(0.0, task.created - start), fixed=seconds))
    return Graph(nodes=tuple(nodes), cycles=job.total_cycles)
