"""One job in three forms: the twin's graph and samples, and the plain lists that the rivals run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleet.model.record import TaskKind
from fleet.plan.trials.graphs import expected_graph
from fleet.plan.trials.segments import CYCLES_PER_ITERATION, RESERVED_CYCLES
from fleet.twin.calibrate import Pools
from fleet.twin.graph import Graph
from fleet.twin.replay import Service, Services, Worker

PROVE, JOIN, FINALIZE = 3.1, 1.15, 1.3
"""Seconds: the guide's prove and join."""
SPREAD = 0.05
SAMPLES = 64
PO2 = 15
PACE = 0.01
"""Seconds in which the executor cuts a segment: fast enough to keep a hundred agents busy."""


BUS_SHARE = 0.1
"""Seconds of the bus for a second of a prove, where devices share one."""
BOX = 4
"""Devices that share a bus."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A job's tasks as lists: what follows each, what it waits for, its seconds; `rank`: joins first, then by age.

    `bus`: its seconds of the bus of its agent's box, `boxes`: the box of each agent.
    """

    after: list[list[int]]
    waits: list[int]
    released: list[float]
    seconds: list[float]
    bus: list[float]
    rank: list[int]
    head: list[bool]
    boxes: list[int]


def job_of(tasks: int) -> Graph:
    """A proving job of so many tasks (an even number): half of them proves, then joins and a finalize."""
    room = (1 << PO2) - RESERVED_CYCLES
    iterations = tasks // 2 * room // CYCLES_PER_ITERATION
    return expected_graph(iterations, PO2, (1 << PO2) / PACE, FINALIZE)


def crew_of(agents: int) -> tuple[Worker, ...]:
    """Agents with a device each, four to a box."""
    return tuple(Worker(host=f"box{number // BOX}", device=f"{number % BOX}") for number in range(agents))


def samples(crew: Sequence[Worker], *, bus: bool) -> Pools:
    """Service samples, the same on every host; with a bus, proves move bytes over it."""
    chance = np.random.default_rng(1)
    pools: dict[tuple[str, TaskKind], tuple[Service, ...]] = {}
    for kind, mean, share in ((TaskKind.PROVE, PROVE, BUS_SHARE if bus else 0.0), (TaskKind.JOIN, JOIN, 0.0)):
        times = (mean * chance.lognormal(0, SPREAD, SAMPLES)).tolist()
        drawn = tuple(Service(device=seconds, bus=share * seconds) for seconds in times)
        pools.update({(worker.host, kind): drawn for worker in crew})
    return pools


def work_of(graph: Graph, crew: Sequence[Worker], services: Services) -> Work:
    """The job as lists, with what these services say."""
    nodes = graph.nodes
    after: list[list[int]] = [[] for _ in nodes]
    for number, node in enumerate(nodes):
        for earlier in node.before:
            after[earlier].append(number)
    nothing = Service(device=0.0)
    asked = [services(n, crew[0]) if node.fixed is None else nothing for n, node in enumerate(nodes)]
    order = sorted(range(len(nodes)), key=lambda number: nodes[number].kind is not TaskKind.JOIN)
    rank = [0] * len(nodes)
    for place, number in enumerate(order):
        rank[number] = place
    return Work(
        after=after,
        waits=[len(node.before) + 1 for node in nodes],
        released=[node.released for node in nodes],
        seconds=[s.device if n.fixed is None else n.fixed for s, n in zip(asked, nodes, strict=True)],
        bus=[service.bus for service in asked],
        rank=rank,
        head=[node.fixed is not None for node in nodes],
        boxes=[int(worker.host.removeprefix("box")) for worker in crew],
    )
