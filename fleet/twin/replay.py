"""The reference replay: a discrete-event simulation of one job, written to be read.

Agents are idle or hold one task. A task is ready when the executor has released it and its prerequisites are done.
An idle agent takes the oldest ready join, else the oldest ready task, when the control plane (`fleet.twin.dispatch`)
lets it; claiming costs `Control.claim` seconds. A task then makes its round trips to the head, gets its bytes over its
host's line, moves them over its host's bus, computes on its device and moves the rest back; line, bus and device serve
one task at a time in order of arrival. Because events are handled in order of time, "when is the resource free" is one
number for each resource, and no queues are needed. What no other agent uses is free when its agent wants it, so that
holding it is no event of its own.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

from fleet.model.record import TaskKind
from fleet.twin.agenda import Agenda
from fleet.twin.control import Phases, Polling, phase_count, phases_of
from fleet.twin.dispatch import Desk, Plane, Polled, Push
from fleet.twin.graph import Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One agent: where it runs decides which bus and which device it shares.

    `model`: the model of its device, where a host has several and each is served from a pool of its own.
    """

    host: str
    device: str
    model: str = ""

    @property
    def pool(self) -> str:
        """Under which name its service samples are kept: its host's, or `host/model`."""
        return f"{self.host}/{self.model}" if self.model else self.host


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What one task asks for: seconds of its host's bus and seconds of its device, without any waiting.

    For a host away from the head also `latency`, seconds of round trips, and `line`, seconds of its host's line.
    """

    device: float
    bus: float = 0.0
    latency: float = 0.0
    line: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The control plane: `claim` seconds pass between an agent's claim and the task's start.

    `inbound`: the share of a task's bytes that moves before it computes; the rest moves after. `polling`: how agents
    ask for work where it is not pushed to them. `joins_first`: else the oldest task is next, whatever it is.
    """

    claim: float = 0.0
    inbound: float = 0.8
    polling: Polling | None = None
    joins_first: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What the replay gave, in seconds from the job's start: when each node started and ended, and the job's time."""

    started: tuple[float, ...]
    ended: tuple[float, ...]
    seconds: float


Resource = tuple[str, ...]
"""The name of something that serves one task at a time."""


def resources(number: int, worker: Worker) -> tuple[Resource, ...]:
    """What agent `number` holds in the stages of a task: round trips, line, bus in, device, bus out."""
    bus = (worker.host,)
    return (worker.host, f"{number}", "trips"), (worker.host, "", "line"), bus, (worker.host, worker.device), bus


Services = Callable[[int, Worker], Service]
"""What node number n asks for when this worker runs it."""


def replay(
    graph: Graph,
    workers: Sequence[Worker],
    services: Services,
    control: Control | None = None,
    phases: Phases | None = None,
) -> Schedule:
    """Run the job on these workers. ValueError without workers or where the graph cannot be finished.

    `phases`: when the timers of a polling control plane first fire; without it, all at the job's start.
    """
    if not workers:
        raise ValueError("a replay needs at least one worker")
    return _Replay(graph, workers, services, control or Control(), phases).run()


class _Replay:
    """One run's state: what is due, what is ready, when each resource is free."""

    def __init__(
        self,
        graph: Graph,
        workers: Sequence[Worker],
        services: Services,
        control: Control,
        phases: Phases | None,
    ) -> None:
        self._graph, self._workers, self._services, self._control = graph, workers, services, control
        self._agenda = Agenda()
        self._desk = Desk(agenda=self._agenda, claim=control.claim, begin=self._begin)
        self._missing = [len(node.before) + 1 for node in graph.nodes]
        self._after: list[list[int]] = [[] for _ in graph.nodes]
        self._free: dict[tuple[str, ...], float] = {}
        users = Counter(
            resource for number, worker in enumerate(workers) for resource in set(resources(number, worker))
        )
        self._shared = {resource for resource, count in users.items() if count > 1}
        self._started = [0.0] * len(graph.nodes)
        self._ended = [0.0] * len(graph.nodes)
        self._left = self._open = len(graph.nodes)
        for number, node in enumerate(graph.nodes):
            for earlier in node.before:
                self._after[earlier].append(number)
            self._agenda.at(node.released, partial(self._release, number))
        self._plane = _plane_of(self._desk, control, len(workers), phases)

    def run(self) -> Schedule:
        """Handle events until all tasks are done; `_open` are those not released yet, ready or at work."""
        while self._left and self._open and self._agenda.step():
            if self._agenda.settled:
                self._plane.settle()
        if self._left:
            raise ValueError(f"{self._left} tasks wait for prerequisites that never end")
        return Schedule(started=tuple(self._started), ended=tuple(self._ended), seconds=self._agenda.now)

    def _release(self, number: int) -> None:
        self._open -= 1
        self._satisfy(number)

    def _satisfy(self, number: int) -> None:
        self._missing[number] -= 1
        if self._missing[number]:
            return
        self._open += 1
        node = self._graph.nodes[number]
        if node.fixed is None:
            waits = self._control.joins_first and node.kind is not TaskKind.JOIN
            heapq.heappush(self._desk.ready, (waits, number))
        else:
            self._started[number] = self._plane.head_start()
            self._agenda.at(self._started[number] + node.fixed, partial(self._end, number))

    def _begin(self, number: int, worker: int) -> None:
        self._started[number] = self._agenda.now
        place = self._workers[worker]
        service = self._services(number, place)
        inbound = service.bus * self._control.inbound
        seconds = (service.latency, service.line, inbound, service.device, service.bus - inbound)
        holds = [hold for hold in zip(resources(worker, place), seconds, strict=True) if hold[1] > 0]
        self._pass(holds, partial(self._give_back, number, worker))

    def _pass(self, holds: Sequence[tuple[Resource, float]], then: Callable[[], None]) -> None:
        """Hold one resource after the other, each for its seconds, then go on."""
        if not holds:
            then()
            return
        resource, seconds = holds[0]
        until = max(self._agenda.now, self._free.get(resource, 0.0)) + seconds
        if resource in self._shared:
            self._free[resource] = until
        alone = list(takewhile(lambda hold: hold[0] not in self._shared, holds[1:]))
        for _, more in alone:
            until += more
        self._agenda.at(until, partial(self._pass, holds[1 + len(alone) :], then))

    def _give_back(self, number: int, worker: int) -> None:
        self._end(number)
        self._plane.free(worker)

    def _end(self, number: int) -> None:
        self._ended[number] = self._agenda.now
        self._left -= 1
        self._open -= 1
        for later in self._after[number]:
            self._satisfy(later)


def _plane_of(desk: Desk, control: Control, workers: int, phases: Phases | None) -> Plane:
    if control.polling is None:
        return Push(desk, workers)
    together = phases_of(control.polling, [0.0] * phase_count(control.polling, workers))
    return Polled(desk, control.polling, phases or together)
