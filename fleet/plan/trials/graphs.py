"""The task graph that a job will have, before anything ran: segments, joins and the executor's pace, for the twin."""

from __future__ import annotations

from fleet.model.record import TaskKind
from fleet.plan.trials.proof import ProofPlanner, ProofTask
from fleet.plan.trials.segments import segments
from fleet.twin.graph import Graph, Node


def expected_graph(iterations: int, po2: int, rate: float, finalize: float) -> Graph:
    """One job of the synthetic guest cut at 2^po2 by an executor of `rate` cycles per second.

    `finalize`: seconds of the last task, off the agents. ValueError where such segments leave no room for the guest.
    """
    planner = ProofPlanner()
    nodes: list[Node] = []
    place: dict[str, int] = {}
    cycles = 0

    def add(tasks: tuple[ProofTask, ...]) -> None:
        for task in tasks:
            place[task.id] = len(nodes)
            before = tuple(place[p] for p in task.prerequisites if p in place)
            fixed = finalize if task.kind is TaskKind.FINALIZE else None
            nodes.append(Node(kind=task.kind, before=before, released=cycles / rate, fixed=fixed))

    for segment in segments(iterations, po2):
        cycles += segment.cycles
        add(planner.add_segment())
    add(planner.finish())
    return Graph(nodes=tuple(nodes), cycles=cycles)
