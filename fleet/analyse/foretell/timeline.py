"""One replayed job looked into: where its agents' time goes, and what it gives to make one part of it faster."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from fleet.analyse.evidence.identity import worker_time
from fleet.analyse.foretell.outlook import Outlook, Workbench, replayed
from fleet.analyse.stats import Draws
from fleet.model.anatomy import Share
from fleet.model.record import JobRecord, TaskKind, TaskRecord, TaskState
from fleet.model.simulation import CUTS, JobTime, Speedup
from fleet.twin.calibrate import mean_services
from fleet.twin.fast import Scenario
from fleet.twin.graph import Graph
from fleet.twin.replay import Schedule, replay

CURVE_REPLAYS = 48
"""Draws of a speed-up curve: its differences are between replays of one luck, so few are enough."""

_AGENT = "agent"


def job_time(view: Outlook) -> JobTime:
    """The mean job of a layout under the middle one of its laws, by the worker-time identity."""
    scenario = view.scenarios[len(view.scenarios) // 2]
    services = mean_services(scenario.graph, scenario.pools)
    schedule = replay(scenario.graph, scenario.workers, services, scenario.control)
    parts = worker_time([_record(scenario.graph, schedule)], len(scenario.workers))
    return JobTime(
        seconds=schedule.seconds,
        share=Share(
            layout=view.layout,
            busy=parts.busy / parts.total,
            dispatch=parts.dispatch / parts.total,
            graph=parts.graph / parts.total,
        ),
    )


def _record(graph: Graph, schedule: Schedule) -> JobRecord:
    """The replayed job as the records would have it."""
    executed = max(node.released for node in graph.nodes)
    execute = _task("execute", TaskKind.EXECUTE, (), 0.0, (0.0, executed))
    tasks = tuple(
        replace(
            _task(str(number), node.kind, tuple(map(str, node.before)), node.released, times),
            agent=_AGENT if node.fixed is None else None,
        )
        for number, (node, times) in enumerate(
            zip(graph.nodes, zip(schedule.started, schedule.ended, strict=True), strict=True)
        )
    )
    return JobRecord(
        id="replayed",
        state=TaskState.DONE,
        segments=sum(node.kind is TaskKind.PROVE for node in graph.nodes),
        user_cycles=graph.cycles,
        total_cycles=graph.cycles,
        tasks=(execute, *tasks),
    )


def _task(
    name: str, kind: TaskKind, prerequisites: tuple[str, ...], created: float, times: tuple[float, float]
) -> TaskRecord:
    return TaskRecord(
        id=name,
        kind=kind,
        state=TaskState.DONE,
        prerequisites=prerequisites,
        created=created,
        started=times[0],
        updated=times[1],
    )


def speedups(bench: Workbench, view: Outlook) -> tuple[Speedup, ...]:
    """The virtual speed-up curve of a layout: each part's time × (1 − x) in replay, for every x of `CUTS`.

    In replay the speed-up is real, so no slowing of the others is needed (Coz, SOSP'15, slows them).
    """
    whole = replayed(bench, view.scenarios, CURVE_REPLAYS)
    curve = []
    for name, cut in _parts(view.scenarios[0]):
        seconds = [replayed(bench, [cut(s, 1 - x) for s in view.scenarios], CURVE_REPLAYS) for x in CUTS]
        curve.append(Speedup(part=name, gains=tuple(_gain(whole, faster) for faster in seconds)))
    return tuple(curve)


def _gain(whole: Draws, faster: Draws) -> float:
    """The median gain; infinite where a job is made of nothing else than what takes no time any more."""
    return float(np.median(whole / faster)) - 1 if np.all(faster > 0) else math.inf


_Cut = Callable[[Scenario, float], Scenario]
"""(scenario, factor) → the scenario with one part's time multiplied."""


def _parts(scenario: Scenario) -> Iterator[tuple[str, _Cut]]:
    """The parts that the scenario has."""
    ours = {node.kind for node in scenario.graph.nodes if node.fixed is None}
    for kind in TaskKind:
        if kind in ours:
            yield kind.value, _kind_cut(kind)
    if any(node.fixed for node in scenario.graph.nodes):
        yield TaskKind.FINALIZE.value, _fixed_cut
    if any(node.released for node in scenario.graph.nodes):
        yield "executor", _executor_cut
    if scenario.control.claim > 0:
        yield "dispatch", _claim_cut


def _kind_cut(kind: TaskKind) -> _Cut:
    def cut(scenario: Scenario, factor: float) -> Scenario:
        pools = {
            key: tuple(
                replace(
                    s, device=s.device * factor, bus=s.bus * factor, latency=s.latency * factor, line=s.line * factor
                )
                for s in samples
            )
            if key[1] is kind
            else samples
            for key, samples in scenario.pools.items()
        }
        return replace(scenario, pools=pools)

    return cut


def _fixed_cut(scenario: Scenario, factor: float) -> Scenario:
    nodes = tuple(
        node if node.fixed is None else replace(node, fixed=node.fixed * factor) for node in scenario.graph.nodes
    )
    return replace(scenario, graph=replace(scenario.graph, nodes=nodes))


def _executor_cut(scenario: Scenario, factor: float) -> Scenario:
    nodes = tuple(replace(node, released=node.released * factor) for node in scenario.graph.nodes)
    return replace(scenario, graph=replace(scenario.graph, nodes=nodes))


def _claim_cut(scenario: Scenario, factor: float) -> Scenario:
    return replace(scenario, control=replace(scenario.control, claim=scenario.control.claim * factor))
