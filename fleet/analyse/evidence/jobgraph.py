"""The task graph of the plan's load at any segment size: as it was seen, else as planning expects it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings
from fleet.model.record import TaskKind
from fleet.twin.calibrate import seconds_of
from fleet.twin.graph import Graph, graph_of

ExpectedGraph = Callable[[int, int, float, float], Graph]
"""(iterations, po2, executor's cycles per second, seconds of a finalize) → the graph of one job; planning knows it."""

NO_EXECUTOR = 1e12
"""Cycles per second where no execute task was recorded: segments are there from the start."""


def graph_for(found: Findings, base: Arm, expected: ExpectedGraph, po2: int) -> Graph:
    """The plan's load cut at that size: as seen where it was measured, else as planning has it."""
    arms = sorted((arm for arm in found.arms if arm.layout.po2 == po2), key=lambda arm: arm is not base)
    if arms:
        return load_graph(arms[0])
    load = found.log.plan.load
    rate, finalize = _head_pace(base)
    return together([expected(load.iterations, po2, rate, finalize)] * load.jobs)


def load_graph(arm: Arm) -> Graph:
    """The task graph of an arm's load as it was seen: of one job, or of all that were submitted together."""
    return together([graph_of(job) for job in arm.trials[0].jobs])


def _head_pace(base: Arm) -> tuple[float, float]:
    """The executor's cycles per second, and the seconds of a finalize off the agents."""
    executed = [(job, task) for job in base.jobs for task in job.tasks if task.kind is TaskKind.EXECUTE]
    seconds = sum(seconds_of(task) for _, task in executed)
    cycles = sum(job.total_cycles for job, _ in executed)
    last = [seconds_of(task) for job in base.jobs for task in job.tasks if task.kind is TaskKind.FINALIZE]
    return (cycles / seconds if seconds > 0 else NO_EXECUTOR), (sum(last) / len(last) if last else 0.0)


def together(graphs: Sequence[Graph]) -> Graph:
    """Jobs submitted together as one graph, their tasks in order of creation."""
    if len(graphs) == 1:
        return graphs[0]
    order = sorted(
        (
            (node.released, number, place)
            for number, graph in enumerate(graphs)
            for place, node in enumerate(graph.nodes)
        ),
    )
    position = {(number, place): at for at, (_, number, place) in enumerate(order)}
    nodes = tuple(
        replace(
            graphs[number].nodes[place],
            before=tuple(position[number, p] for p in graphs[number].nodes[place].before),
        )
        for _, number, place in order
    )
    return Graph(nodes=nodes, cycles=sum(graph.cycles for graph in graphs))
