"""Planted machines: fleets whose truth is known, which answer a trial with the records a real one would give.

Separate from the code under test on purpose: nothing of `fleet.twin` or `fleet.analyse` is used, and the way of
simulating differs (agents are generators that take turns on locks; the twin keeps an event list of tasks).

What a planted machine does, in emulated seconds:

- The executor cuts the segments of `fleet.plan.segments` at `executor_rate` cycles a second while proving has begun;
  each segment brings its prove task and the joins it completes (`fleet.plan.proof`).
- An idle agent takes the oldest ready join, else the oldest ready prove, and needs `dispatch` seconds to claim it and
  `rtt` of its host on top.
- A prove moves 80 % of traffic·2^po2 bytes over its host's bus, computes `overhead` + 2^po2 / `cycles_per_second` on
  its device, and moves the other 20 % back. Bus and device serve one at a time, first come, first served. A join
  holds the device for `join`. Finalize takes `FINALIZE_SECONDS` off the agents.
- a agents on a device need a·M(po2) bytes, M = 1.3 + 8.1·2^(po2 − 20) GB; more than the device has is OUT_OF_MEMORY.
- Every service is multiplied by log-normal noise of `task_noise`, every trial by one more factor of `trial_noise`.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from fleet.model.inventory import Device, Emulation, Host, Inventory
from fleet.model.record import (
    DeviceSample,
    JobRecord,
    Observation,
    Outcome,
    TaskKind,
    TaskRecord,
    TaskState,
    Telemetry,
)
from fleet.model.trial import AgentSpec, Trial
from fleet.plan.proof import EXECUTE_ID, ProofPlanner, ProofTask
from fleet.plan.segments import segments

FINALIZE_SECONDS = 0.2
REAL_OVERHEAD_SECONDS = 1.0
EPOCH = 1_780_000_000.0


def memory_needed(po2: int) -> float:
    """Bytes one agent needs for a segment of 2^po2 cycles."""
    return (1.3 + 8.1 * 2.0 ** (po2 - 20)) * 1e9


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What an inventory does not say: noise, the claim's cost, extra seconds a task by host, hosts that die."""

    trial_noise: float = 0.01
    task_noise: float = 0.01
    dispatch: float = 0.02
    rtt: dict[str, float] = field(default_factory=dict)
    dies: dict[str, int] = field(default_factory=dict)
    transfers_known: bool = True


@dataclass
class Lock:
    """A resource that serves one process at a time in order of arrival; remembers for how long it was held."""

    holder: object | None = None
    queue: deque[Process] = field(default_factory=deque)
    held: float = 0.0


Effect = tuple[str, Lock | None, float]
Process = Generator[Effect, None, None]


class Simulator:
    """Runs processes that yield ("take", lock, 0), ("give", lock, 0) or ("wait", None, seconds)."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Process]] = []
        self._order = 0

    def start(self, process: Process, after: float = 0.0) -> None:
        self._order += 1
        heapq.heappush(self._due, (self.now + after, self._order, process))

    def run(self) -> None:
        while self._due:
            self.now, _, process = heapq.heappop(self._due)
            self._advance(process)

    def _advance(self, process: Process) -> None:
        for verb, lock, seconds in process:
            if verb == "wait":
                self.start(process, seconds)
                return
            assert lock is not None
            if verb == "take":
                if lock.holder is not None:
                    lock.queue.append(process)
                    return
                lock.holder, lock.held = process, lock.held - self.now
            else:
                lock.held += self.now
                lock.holder = lock.queue.popleft() if lock.queue else None
                if lock.holder is not None:
                    lock.held -= self.now
                    self.start(lock.holder)


@dataclass
class Entry:
    """A task on its way."""

    task: ProofTask
    po2: int
    created: float
    missing: int
    started: float | None = None
    updated: float | None = None
    agent: AgentSpec | None = None
    transfer: float | None = None


class Job:
    """One job on one cluster of agents."""

    def __init__(self, inventory: Inventory, truth: Truth, trial: Trial, rng: random.Random) -> None:
        self.inventory, self.truth, self.trial, self.rng = inventory, truth, trial, rng
        self.sim = Simulator()
        self.buses = {host.name: Lock() for host in inventory.hosts}
        self.devices = {(host.name, device.name): Lock() for host in inventory.hosts for device in host.devices}
        self.entries: dict[str, Entry] = {}
        self.ready: dict[TaskKind, deque[Entry]] = {TaskKind.JOIN: deque(), TaskKind.PROVE: deque()}
        self.idle: deque[AgentSpec] = deque()
        self.executed = 0.0
        self.factor = math.exp(rng.gauss(0.0, truth.trial_noise))

    def noisy(self, seconds: float) -> float:
        return seconds * self.factor * math.exp(self.rng.gauss(0.0, self.truth.task_noise))

    def run(self) -> JobRecord:
        agents = list(self.trial.layout.agents)
        self.rng.shuffle(agents)
        self.idle.extend(agents)
        self.sim.start(self.executor())
        self.sim.run()
        cut = list(segments(self.trial.load.iterations, self.trial.layout.po2))
        init = TaskRecord(
            id=EXECUTE_ID,
            kind=TaskKind.EXECUTE,
            state=TaskState.DONE,
            prerequisites=(),
            created=0.0,
            started=0.0,
            updated=self.executed,
            host=self.inventory.head.name,
        )
        return JobRecord(
            id=f"job-{self.trial.id}",
            state=TaskState.DONE,
            segments=len(cut),
            user_cycles=sum(s.user_cycles for s in cut),
            total_cycles=sum(s.cycles for s in cut),
            tasks=(init, *(self.record(entry) for entry in self.entries.values())),
        )

    def record(self, entry: Entry) -> TaskRecord:
        agent = entry.agent
        return TaskRecord(
            id=entry.task.id,
            kind=entry.task.kind,
            state=TaskState.DONE,
            prerequisites=entry.task.prerequisites,
            created=entry.created,
            started=entry.started,
            updated=entry.updated,
            agent=agent.name if agent else None,
            host=agent.host if agent else self.inventory.head.name,
            transfer=entry.transfer if self.truth.transfers_known else None,
        )

    def executor(self) -> Process:
        planner = ProofPlanner()
        for segment in segments(self.trial.load.iterations, self.trial.layout.po2):
            yield "wait", None, self.noisy(segment.cycles / self.inventory.workload.executor_rate)
            self.publish(planner.add_segment(), segment.po2)
        self.executed = self.sim.now
        self.publish(planner.finish(), self.trial.layout.po2)

    def publish(self, tasks: tuple[ProofTask, ...], po2: int) -> None:
        for task in tasks:
            waits = [p for p in task.prerequisites if p in self.entries and self.entries[p].updated is None]
            entry = Entry(task=task, po2=po2, created=self.sim.now, missing=len(waits))
            self.entries[task.id] = entry
            if not waits:
                self.enqueue(entry)
        self.assign()

    def enqueue(self, entry: Entry) -> None:
        if entry.task.kind is TaskKind.FINALIZE:
            self.sim.start(self.finalize(entry))
        else:
            self.ready[entry.task.kind].append(entry)

    def assign(self) -> None:
        for queue in (self.ready[TaskKind.JOIN], self.ready[TaskKind.PROVE]):
            while queue and self.idle:
                self.sim.start(self.work(self.idle.popleft(), queue.popleft()))

    def finalize(self, entry: Entry) -> Process:
        entry.started = self.sim.now
        yield "wait", None, FINALIZE_SECONDS
        entry.updated = self.sim.now

    def work(self, agent: AgentSpec, entry: Entry) -> Process:
        host = self.inventory.host(agent.host)
        device = device_of(host, agent.device)
        emulation = device.emulation
        assert emulation is not None
        lock = self.devices[agent.host, agent.device]
        entry.agent = agent
        yield "wait", None, self.noisy(self.truth.dispatch)
        entry.started = self.sim.now
        if agent.host in self.truth.rtt:
            yield "wait", None, self.noisy(self.truth.rtt[agent.host])
        if entry.task.kind is TaskKind.PROVE:
            move = emulation.traffic * 2.0**entry.po2 / host.bus if host.bus else 0.0
            entry.transfer = 0.0
            yield from self.turn(self.buses[agent.host], 0.8 * move, entry)
            yield from self.turn(lock, emulation.overhead + 2.0**entry.po2 / emulation.cycles_per_second)
            yield from self.turn(self.buses[agent.host], 0.2 * move, entry)
        else:
            yield from self.turn(lock, emulation.join)
        self.done(agent, entry)

    def turn(self, lock: Lock, seconds: float, moving: Entry | None = None) -> Iterator[Effect]:
        asked = self.sim.now
        yield "take", lock, 0.0
        yield "wait", None, self.noisy(seconds)
        yield "give", lock, 0.0
        if moving is not None:
            moving.transfer = (moving.transfer or 0.0) + self.sim.now - asked

    def done(self, agent: AgentSpec, entry: Entry) -> None:
        entry.updated = self.sim.now
        self.idle.append(agent)
        for other in self.entries.values():
            if entry.task.id in other.task.prerequisites:
                other.missing -= 1
                if other.missing == 0:
                    self.enqueue(other)
        self.assign()


def device_of(host: Host, name: str) -> Device:
    """The device of that name."""
    return next(d for d in host.devices if d.name == name)


def emulation_of(host: Host, name: str) -> Emulation:
    """Its declared truth."""
    emulation = device_of(host, name).emulation
    assert emulation is not None
    return emulation


def starved(inventory: Inventory, trial: Trial) -> str | None:
    """The first agent whose device has too little memory for all its agents."""
    largest = max(s.po2 for s in segments(trial.load.iterations, trial.layout.po2))
    for host, name in trial.layout.devices:
        device = device_of(inventory.host(host), name)
        count = sum((a.host, a.device) == (host, name) for a in trial.layout.agents)
        if device.memory is not None and count * memory_needed(largest) > device.memory:
            return f"{host}/{name}"
    return None


def observe(inventory: Inventory, truth: Truth, trial: Trial, number: int = 0) -> Observation:
    """Run one trial on the planted machine; `number` is its place in the run (a host may die at its own)."""
    rng = random.Random(f"{trial.id}/{number}")  # noqa: S311 (planted noise, not a secret)
    started = EPOCH + 60.0 * number
    lost = tuple(sorted({a.host for a in trial.layout.agents if truth.dies.get(a.host, number + 1) <= number}))
    if lost:
        return Observation(
            trial=trial, outcome=Outcome.HOST_LOST, started=started, elapsed=2.0, emulated=True, lost=lost,
            cause=f"{lost[0]} no longer answers",
        )  # fmt: skip
    if hungry := starved(inventory, trial):
        return Observation(
            trial=trial, outcome=Outcome.OUT_OF_MEMORY, started=started, elapsed=REAL_OVERHEAD_SECONDS, emulated=True,
            cause=f"{hungry}: OutOfMemory",
        )  # fmt: skip
    job = Job(inventory, truth, trial, rng)
    record = job.run()
    elapsed = job.sim.now / inventory.time_scale + REAL_OVERHEAD_SECONDS
    samples = tuple(
        DeviceSample(
            host=host,
            device=device,
            time=started + elapsed,
            emulated=True,
            busy=job.devices[host, device].held / job.sim.now,
            bus_busy=job.buses[host].held / job.sim.now,
        )
        for host, device in trial.layout.devices
    )
    return Observation(
        trial=trial, outcome=Outcome.OK, started=started, elapsed=elapsed, emulated=True, jobs=(record,),
        telemetry=Telemetry(samples=samples),
    )  # fmt: skip
