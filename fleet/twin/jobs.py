"""Several jobs on the same agents: one graph to replay, and each job's own time in what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fleet.twin.graph import Graph
from fleet.twin.replay import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Jobs as one graph. `owner`: the job of each node; `submitted`: seconds, by job."""

    graph: Graph
    owner: tuple[int, ...]
    submitted: tuple[float, ...]


def queue_of(graphs: Sequence[Graph], submitted: Sequence[float], *, oldest_job_first: bool = False) -> Queue:
    """Jobs submitted at these times; the oldest task is first, else the oldest job's oldest task.

    The legacy database puts the oldest job first since it keeps a task's job's time; before, and on the lists of the
    current stack, tasks of all jobs stand in one line.
    """
    nodes = [
        (start + node.released, job, place)
        for job, (graph, start) in enumerate(zip(graphs, submitted, strict=True))
        for place, node in enumerate(graph.nodes)
    ]
    line = sorted(nodes, key=lambda node: (submitted[node[1]], *node[1:]) if oldest_job_first else node)
    at = {(job, place): position for position, (_, job, place) in enumerate(line)}
    merged = tuple(
        replace(
            graphs[job].nodes[place],
            released=released,
            before=tuple(at[job, earlier] for earlier in graphs[job].nodes[place].before),
        )
        for released, job, place in line
    )
    graph = Graph(nodes=merged, cycles=sum(graph.cycles for graph in graphs))
    return Queue(graph=graph, owner=tuple(job for _, job, _ in line), submitted=tuple(submitted))


def job_seconds(queue: Queue, schedule: Schedule) -> tuple[float, ...]:
    """By job, from its submission to the end of its last task."""
    last = list(queue.submitted)
    for job, ended in zip(queue.owner, schedule.ended, strict=True):
        last[job] = max(last[job], ended)
    return tuple(end - start for end, start in zip(last, queue.submitted, strict=True))
