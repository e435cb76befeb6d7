"""Random graphs, agents, services and control planes from a seed, for tests that hold two replays together.

Half of the worlds have all their times in quarters of a second, so that many things happen in one instant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from fleet.model.record import TaskKind
from fleet.twin.control import Phases, Polling, phase_count, phases_of
from fleet.twin.graph import Graph, Node
from fleet.twin.replay import Control, Service, Services, Worker

KINDS = (TaskKind.PROVE, TaskKind.JOIN, TaskKind.RESOLVE)
Clock = Callable[[float], float]
"""A random time from 0 to its argument."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One replay's arguments. `table`: service by task and place."""

    graph: Graph
    workers: tuple[Worker, ...]
    table: dict[tuple[int, Worker], Service]
    control: Control
    phases: Phases | None

    @property
    def services(self) -> Services:
        """The table as the twin asks for it."""
        return lambda number, worker: self.table[number, worker]


def case_of(seed: int, tasks: int) -> Case:
    """The world of a seed, with so many tasks."""
    chance = Random(seed)  # noqa: S311 (chance for a test)
    time: Clock = _quarters(chance) if chance.random() < 0.5 else lambda most: chance.uniform(0, most)
    graph = graph_with(chance, time, tasks)
    crew = workers_with(chance)
    table = {(number, worker): _service(chance, time) for number in range(tasks) for worker in crew}
    control = control_with(chance, time)
    return Case(graph=graph, workers=crew, table=table, control=control, phases=phases_with(chance, control, len(crew)))


def graph_with(chance: Random, time: Clock, tasks: int) -> Graph:
    """A graph without cycles: a task waits for some of the ten before it; about every eighth is the head's."""
    nodes = []
    for number in range(tasks):
        recent = range(max(0, number - 10), number)
        before = chance.sample(recent, min(len(recent), chance.choice((0, 0, 1, 2, 3))))
        fixed = time(2) if chance.random() < 0.125 else None
        kind = TaskKind.FINALIZE if fixed is not None else chance.choice(KINDS)
        nodes.append(Node(kind=kind, before=tuple(sorted(before)), released=time(4), fixed=fixed))
    return Graph(nodes=tuple(nodes), cycles=tasks << 20)


def workers_with(chance: Random) -> tuple[Worker, ...]:
    """One to seven agents on two hosts with two devices each, which some of them share."""
    return tuple(
        Worker(host=chance.choice(("box", "far")), device=chance.choice("01")) for _ in range(chance.randint(1, 7))
    )


def control_with(chance: Random, time: Clock) -> Control:
    """Push, or polling from agents that never sleep to counters that are always right."""
    polling = Polling(
        poll=chance.choice((0.0, 1.0, 0.25 + time(2))),
        refresh=chance.choice((0.0, 5.0, 0.25 + time(4))),
        lock=chance.choice((0.0, 0.25, time(1))),
        refreshers=chance.randint(1, 2),
        helpers=chance.randint(1, 2),
    )
    return Control(
        claim=chance.choice((0.0, time(1))),
        inbound=chance.choice((0.0, 0.5, 0.8, 1.0)),
        polling=chance.choice((None, polling, polling)),
        joins_first=chance.random() < 0.5,
    )


def phases_with(chance: Random, control: Control, crew: int) -> Phases | None:
    """Random ones, or None: all timers at once."""
    if control.polling is None or chance.random() < 0.3:
        return None
    shares = [chance.choice((0.0, 0.25, chance.random())) for _ in range(phase_count(control.polling, crew))]
    return phases_of(control.polling, shares)


def _service(chance: Random, time: Clock) -> Service:
    """From a task that takes no time to one that goes through every stage."""
    device, bus, latency, line = (chance.choice((0.0, time(most))) for most in (4, 1, 1, 1))
    return Service(device=device, bus=bus, latency=latency, line=line)


def _quarters(chance: Random) -> Clock:
    return lambda most: chance.randint(0, int(most * 4)) / 4
