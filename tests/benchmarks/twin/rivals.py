"""The same job on what others would reach for: a loop around heapq written to be fast, and SimPy.

SimPy twice: with the fewest events that we could think of, and with all that the twin plays. A process for each task
and agents as a resource with priorities, as its guide would have it, is slower by orders: that resource sorts its queue
at every request.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator
from typing import Any

from tests.benchmarks.twin.work import Work

INBOUND = 0.8
"""The share of a task's bytes that moves before it computes, as the twin has it."""

Process = Generator[Any, Any, None]


def by_heapq(work: Work) -> float:
    """The job's seconds without a bus: one heap of what is running, one of what is ready."""
    waits, after, seconds, rank, head = work.waits[:], work.after, work.seconds, work.rank, work.head
    number_of = sorted(range(len(rank)), key=rank.__getitem__)
    releases = sorted(range(len(waits)), key=work.released.__getitem__)
    released = [work.released[number] for number in releases] + [float("inf")]
    running: list[tuple[float, int]] = []
    ready: list[int] = []
    idle, turn, now = len(work.boxes), 0, 0.0
    while turn < len(releases) or running:
        if running and running[0][0] < released[turn]:
            now, done = heapq.heappop(running)
            idle += not head[done]
            freed = after[done]
        else:
            now, freed = released[turn], [releases[turn]]
            turn += 1
        for number in freed:
            waits[number] -= 1
            if not waits[number]:
                if head[number]:
                    heapq.heappush(running, (now + seconds[number], number))
                else:
                    heapq.heappush(ready, rank[number])
        while ready and idle:
            number = number_of[heapq.heappop(ready)]
            heapq.heappush(running, (now + seconds[number], number))
            idle -= 1
    return now


def by_simpy(work: Work) -> float:
    """The job's seconds without a bus, with as few events as we could: an agent takes, sleeps, ends."""
    return _SimpyJob(work).run(lambda job, _: job.bare_agent())


def by_simpy_with_resources(work: Work) -> float:
    """The job's seconds with all that the twin plays: a bus for each box and a device for each agent."""
    return _SimpyJob(work).run(lambda job, agent: job.full_agent(agent))


class _SimpyJob:
    """An executor and agents as processes, ready tasks in a priority store."""

    def __init__(self, work: Work) -> None:
        import simpy  # noqa: PLC0415 (only this rival needs it)

        self.work, self.waits, self.left = work, work.waits[:], len(work.waits)
        self.number_of = sorted(range(len(work.rank)), key=work.rank.__getitem__)
        self.world = simpy.Environment()
        self.ready = simpy.PriorityStore(self.world)
        self.over = self.world.event()
        self.buses = [simpy.Resource(self.world) for _ in range(max(work.boxes) + 1)]
        self.devices = [simpy.Resource(self.world) for _ in work.boxes]

    def run(self, agent: Callable[[_SimpyJob, int], Process]) -> float:
        self.world.process(self.executor())
        for number in range(len(self.work.boxes)):
            self.world.process(agent(self, number))
        self.world.run(until=self.over)
        return float(self.world.now)

    def satisfy(self, number: int) -> None:
        self.waits[number] -= 1
        if self.waits[number]:
            return
        if self.work.head[number]:
            self.world.process(self.at_head(number))
        else:
            self.ready.put(self.work.rank[number])

    def end(self, number: int) -> None:
        self.left -= 1
        for later in self.work.after[number]:
            self.satisfy(later)
        if not self.left:
            self.over.succeed(self.world.now)

    def at_head(self, number: int) -> Process:
        yield self.world.timeout(self.work.seconds[number])
        self.end(number)

    def executor(self) -> Process:
        released = self.work.released
        for number in sorted(range(len(released)), key=released.__getitem__):
            if released[number] > self.world.now:
                yield self.world.timeout(released[number] - self.world.now)
            self.satisfy(number)

    def bare_agent(self) -> Process:
        ready, number_of, timeout, seconds = self.ready, self.number_of, self.world.timeout, self.work.seconds
        while True:
            number = number_of[(yield ready.get())]
            yield timeout(seconds[number])
            self.end(number)

    def full_agent(self, agent: int) -> Process:
        bus, device = self.buses[self.work.boxes[agent]], self.devices[agent]
        while True:
            number = self.number_of[(yield self.ready.get())]
            inbound = self.work.bus[number] * INBOUND
            stages = ((bus, inbound), (device, self.work.seconds[number]), (bus, self.work.bus[number] - inbound))
            for resource, seconds in stages:
                if seconds > 0:
                    with resource.request() as turn:
                        yield turn
                        yield self.world.timeout(seconds)
            self.end(number)
