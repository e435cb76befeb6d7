"""The reference replay: a discrete-event simulation of one job, written to be read.

Agents are idle or hold one task. A task is ready when the executor has released it and its prerequisites are done.
An idle agent takes the oldest ready join, else the oldest ready task; claiming costs `Control.claim` seconds. A task
then moves its bytes over its host's bus, computes on its device and moves the rest back; bus and device serve one
task at a time in order of arrival. Because events are handled in order of time, "when is the resource free" is one
number for each resource, and no queues are needed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from fleet.model.record import TaskKind
from fleet.twin.graph import Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One agent: where it runs decides which bus and which device it shares."""

    host: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What one task asks for: seconds of its host's bus and seconds of its device, without any waiting."""

    device: float
    bus: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The control plane, push kind: `claim` seconds pass between an agent's claim and the task's start.

    `inbound`: the share of a task's bytes that moves before it computes; the rest moves after.
    """

    claim: float = 0.0
    inbound: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What the replay gave, in seconds from the job's start: when each node started and ended, and the job's time."""

    started: tuple[float, ...]
    ended: tuple[float, ...]
    seconds: float


Services = Callable[[int, Worker], Service]
"""What node number n asks for when this worker runs it."""


def replay(graph: Graph, workers: Sequence[Worker], services: Services, control: Control | None = None) -> Schedule:
    """Run the job on these workers. ValueError without workers or where the graph cannot be finished."""
    if not workers:
        raise ValueError("a replay needs at least one worker")
    return _Replay(graph, workers, services, control or Control()).run()


class _Replay:
    """One run's state: what is due, who is idle, what is ready, when each resource is free."""

    def __init__(self, graph: Graph, workers: Sequence[Worker], services: Services, control: Control) -> None:
        self._graph, self._workers, self._services, self._control = graph, workers, services, control
        self._now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._events = 0
        self._idle = list(range(len(workers)))
        self._ready: list[tuple[bool, int]] = []
        self._missing = [len(node.before) + 1 for node in graph.nodes]
        self._after: list[list[int]] = [[] for _ in graph.nodes]
        self._free: dict[tuple[str, ...], float] = {}
        self._started = [0.0] * len(graph.nodes)
        self._ended = [0.0] * len(graph.nodes)
        self._left = len(graph.nodes)
        for number, node in enumerate(graph.nodes):
            for earlier in node.before:
                self._after[earlier].append(number)
            self._at(node.released, partial(self._satisfy, number))

    def run(self) -> Schedule:
        """Handle events until none is due."""
        while self._due:
            self._now, _, action = heapq.heappop(self._due)
            action()
            if not self._due or self._due[0][0] > self._now:
                self._assign()
        if self._left:
            raise ValueError(f"{self._left} tasks wait for prerequisites that never end")
        return Schedule(started=tuple(self._started), ended=tuple(self._ended), seconds=self._now)

    def _at(self, time: float, action: Callable[[], None]) -> None:
        self._events += 1
        heapq.heappush(self._due, (time, self._events, action))

    def _satisfy(self, number: int) -> None:
        self._missing[number] -= 1
        if self._missing[number]:
            return
        node = self._graph.nodes[number]
        if node.fixed is None:
            heapq.heappush(self._ready, (node.kind is not TaskKind.JOIN, number))
        else:
            self._started[number] = self._now
            self._at(self._now + node.fixed, partial(self._end, number))

    def _assign(self) -> None:
        while self._ready and self._idle:
            _, number = heapq.heappop(self._ready)
            worker = self._idle.pop(0)
            self._at(self._now + self._control.claim, partial(self._begin, number, worker))

    def _begin(self, number: int, worker: int) -> None:
        self._started[number] = self._now
        place = self._workers[worker]
        service = self._services(number, place)
        bus, device = (place.host,), (place.host, place.device)
        inbound = service.bus * self._control.inbound

        def give_back() -> None:
            self._end(number)
            self._idle.append(worker)

        def move_out() -> None:
            self._hold(bus, service.bus - inbound, give_back)

        def compute() -> None:
            self._hold(device, service.device, move_out)

        self._hold(bus, inbound, compute)

    def _hold(self, resource: tuple[str, ...], seconds: float, then: Callable[[], None]) -> None:
        if seconds <= 0:
            then()
            return
        free = max(self._now, self._free.get(resource, 0.0)) + seconds
        self._free[resource] = free
        self._at(free, then)

    def _end(self, number: int) -> None:
        self._ended[number] = self._now
        self._left -= 1
        for later in self._after[number]:
            self._satisfy(later)
