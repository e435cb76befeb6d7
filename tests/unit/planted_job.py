"""The jobs of one planted trial as processes: what `planted_machine` says, played out on `planted_simulator`."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from planted_simulator import Effect, Lock, Process, Simulator

from fleet.model.inventory import Device, Emulation, Inventory
from fleet.model.record import (
    JobRecord,
    TaskKind,
    TaskRecord,
    TaskState,
)
from fleet.model.trial import AgentSpec, Trial
from fleet.plan.trials.proof import EXECUTE_ID, ProofPlanner, ProofTask
from fleet.plan.trials.segments import segments

FINALIZE_SECONDS = 0.2
SEGMENT_BYTES = 7.0
"""Bytes a cycle of a segment: 5 to 10 MB per 2^20."""

PLENTY = 10**6


def memory_needed(po2: int) -> float:
    """Bytes one agent needs for a segment of 2^po2 cycles."""
    return (1.3 + 8.1 * 2.0 ** (po2 - 20)) * 1e9


@dataclass(frozen=True, kw_only=True)
class Background:
    """A host's own job: every `period` seconds, for `busy` seconds, what begins there takes `stretch` times as long."""

    host: str
    period: float
    busy: float
    stretch: float


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What an inventory does not say: noise, what limits the machine beyond its devices, hosts that die."""

    trial_noise: float = 0.01
    task_noise: float = 0.01
    dispatch: float = 0.02
    claim: float = 0.0
    poll: float = 0.0
    refresh: float = 0.0
    locked: bool = False
    rtt: dict[str, float] = field(default_factory=dict)
    uplink: float | None = None
    cpu: float = 0.0
    cores: int = PLENTY
    power: dict[str, float] = field(default_factory=dict)
    appetite: float = 1.0
    dies: dict[str, int] = field(default_factory=dict)
    transfers_known: bool = True
    dram: float = 0.0
    watched: bool = False
    tempo: tuple[float, ...] = (1.0,)
    background: Background | None = None
    lifts: bool = False


@dataclass
class Entry:
    """A task on its way; `job` is the number of its job in the trial."""

    task: ProofTask
    job: int
    po2: int
    created: float
    missing: int
    started: float | None = None
    updated: float | None = None
    agent: AgentSpec | None = None
    transfer: float | None = None


class Job:
    """The jobs of one trial, submitted together, on one cluster of agents; each has an executor of its own."""

    def __init__(
        self, inventory: Inventory, truth: Truth, trial: Trial, rng: random.Random, tempo: float = 1.0
    ) -> None:
        self.inventory, self.truth, self.trial, self.rng = inventory, truth, trial, rng
        self.sim = Simulator()
        self.hosts = {host.name: host for host in inventory.hosts}
        self.buses = {name: Lock() for name in self.hosts}
        self.cores = {name: Lock(places=truth.cores) for name in self.hosts}
        self.memories = {name: Lock() for name in self.hosts}
        self.uplink, self.coordinator = Lock(), Lock()
        self.device_of = {(host.name, d.name): d for host in inventory.hosts for d in host.devices}
        self.devices = {key: Lock() for key in self.device_of}
        self.computing = dict.fromkeys(self.hosts, 0)
        self.starved = dict.fromkeys(self.device_of, 0.0)
        self.entries: dict[tuple[int, str], Entry] = {}
        self.later: dict[tuple[int, str], list[Entry]] = {}
        self.ready: dict[TaskKind, deque[Entry]] = {TaskKind.JOIN: deque(), TaskKind.PROVE: deque()}
        self.idle: deque[AgentSpec] = deque()
        self.seen = 0
        self.executed: dict[int, float] = {}
        self.open = trial.load.jobs
        self.factor = math.exp(rng.gauss(0.0, truth.trial_noise)) * tempo
        self.phase = rng.random() if truth.background else 0.0

    def noisy(self, seconds: float) -> float:
        return seconds * self.factor * math.exp(self.rng.gauss(0.0, self.truth.task_noise))

    @property
    def finished(self) -> bool:
        return self.open == 0

    def run(self) -> tuple[JobRecord, ...]:
        agents = list(self.trial.layout.agents)
        self.rng.shuffle(agents)
        if self.truth.poll > 0:
            self.start_timers(agents)
        else:
            self.idle.extend(agents)
        for number in range(self.trial.load.jobs):
            self.sim.start(self.executor(number))
        self.sim.run()
        return tuple(self.job_record(number) for number in range(self.trial.load.jobs))

    def job_record(self, number: int) -> JobRecord:
        cut = list(segments(self.trial.load.iterations, self.trial.layout.po2))
        init = TaskRecord(
            id=EXECUTE_ID,
            kind=TaskKind.EXECUTE,
            state=TaskState.DONE,
            prerequisites=(),
            created=0.0,
            started=0.0,
            updated=self.executed[number],
            host=self.inventory.head.name,
        )
        return JobRecord(
            id=f"job-{self.trial.id}-{number}",
            state=TaskState.DONE,
            segments=len(cut),
            user_cycles=sum(s.user_cycles for s in cut),
            total_cycles=sum(s.cycles for s in cut),
            tasks=(init, *(self.record(entry) for entry in self.entries.values() if entry.job == number)),
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
            away=0.0 if agent and self.truth.transfers_known else None,
        )

    def start_timers(self, agents: list[AgentSpec]) -> None:
        phase = 0.0 if self.truth.locked else 1.0
        for agent in agents:
            self.sim.start(self.seek(agent), self.truth.poll * self.rng.random() * phase)
        if self.truth.refresh > 0:
            self.sim.start(self.refresh(), self.truth.refresh * self.rng.random() * phase)

    def refresh(self) -> Process:
        while not self.finished:
            self.seen = sum(map(len, self.ready.values()))
            yield "wait", None, self.truth.refresh

    def seek(self, agent: AgentSpec) -> Process:
        while not self.finished:
            entry = self.next_entry() if self.seen > 0 or self.truth.refresh <= 0 else None
            if entry is None:
                yield "wait", None, self.truth.poll
            else:
                self.seen -= 1
                yield from self.work(agent, entry)

    def executor(self, number: int) -> Process:
        planner = ProofPlanner()
        for segment in segments(self.trial.load.iterations, self.trial.layout.po2):
            yield "wait", None, self.noisy(segment.cycles / self.inventory.workload.executor_rate)
            self.publish(number, planner.add_segment(), segment.po2)
        self.executed[number] = self.sim.now
        self.publish(number, planner.finish(), self.trial.layout.po2)

    def publish(self, number: int, tasks: tuple[ProofTask, ...], po2: int) -> None:
        for task in lifted(tasks) if self.truth.lifts else tasks:
            before = [(number, name) for name in task.prerequisites if (number, name) in self.entries]
            waits = [key for key in before if self.entries[key].updated is None]
            entry = Entry(task=task, job=number, po2=po2, created=self.sim.now, missing=len(waits))
            self.entries[number, task.id] = entry
            for earlier in waits:
                self.later.setdefault(earlier, []).append(entry)
            if not waits:
                self.enqueue(entry)
        self.assign()

    def enqueue(self, entry: Entry) -> None:
        if entry.task.kind is TaskKind.FINALIZE:
            self.sim.start(self.finalize(entry))
        else:
            self.ready[entry.task.kind].append(entry)

    def next_entry(self) -> Entry | None:
        return next((queue.popleft() for queue in self.ready.values() if queue), None)

    def assign(self) -> None:
        while self.idle and (entry := self.next_entry()) is not None:
            self.sim.start(self.serve(self.idle.popleft(), entry))

    def serve(self, agent: AgentSpec, entry: Entry) -> Process:
        yield from self.work(agent, entry)
        self.idle.append(agent)
        self.assign()

    def finalize(self, entry: Entry) -> Process:
        self.open -= 1
        entry.started = self.sim.now
        yield "wait", None, FINALIZE_SECONDS
        entry.updated = self.sim.now

    def work(self, agent: AgentSpec, entry: Entry) -> Iterator[Effect]:
        entry.agent = agent
        yield from self.turn(self.coordinator, self.truth.claim)
        yield "wait", None, self.noisy(self.truth.dispatch)
        entry.started = self.sim.now
        if agent.host in self.truth.rtt:
            yield "wait", None, self.noisy(self.truth.rtt[agent.host])
        if entry.task.kind is TaskKind.PROVE:
            yield from self.prove(agent, entry)
        else:
            emulation = emulation_of(self.device_of[agent.host, agent.device])
            yield from self.turn(self.devices[agent.host, agent.device], emulation.join)
        self.done(entry)

    def prove(self, agent: AgentSpec, entry: Entry) -> Iterator[Effect]:
        host, cycles = self.hosts[agent.host], 2.0**entry.po2
        emulation = emulation_of(self.device_of[agent.host, agent.device])
        if self.truth.uplink is not None and host.name != self.inventory.head.name:
            yield from self.turn(self.uplink, SEGMENT_BYTES * cycles / self.truth.uplink)
        yield from self.turn(self.cores[host.name], self.truth.cpu * cycles / 2**20)
        yield from self.turn(self.memories[host.name], self.truth.dram * cycles / 2**20)
        move = emulation.traffic * cycles / host.bus if host.bus else 0.0
        entry.transfer = 0.0
        yield from self.turn(self.buses[host.name], 0.8 * move, entry)
        lock = self.devices[agent.host, agent.device]
        yield "take", lock, 0.0
        self.computing[host.name] += 1
        starving = self.computing[host.name] / self.truth.power.get(host.name, PLENTY)
        seconds = emulation.overhead + cycles / emulation.cycles_per_second
        seconds *= self.beside_background(host.name)
        stretch = math.sqrt(max(1.0, starving))
        self.starved[agent.host, agent.device] += seconds * stretch if stretch > 1 else 0.0
        yield "wait", None, self.noisy(seconds * stretch)
        self.computing[host.name] -= 1
        yield "give", lock, 0.0
        yield from self.turn(self.buses[host.name], 0.2 * move, entry)

    def beside_background(self, host: str) -> float:
        """By how much the host's own job stretches what begins there now."""
        other = self.truth.background
        if other is None or other.host != host:
            return 1.0
        return other.stretch if (self.sim.now + self.phase * other.period) % other.period < other.busy else 1.0

    def turn(self, lock: Lock, seconds: float, moving: Entry | None = None) -> Iterator[Effect]:
        if seconds <= 0:
            return
        asked = self.sim.now
        yield "take", lock, 0.0
        yield "wait", None, self.noisy(seconds)
        yield "give", lock, 0.0
        if moving is not None:
            moving.transfer = (moving.transfer or 0.0) + self.sim.now - asked

    def done(self, entry: Entry) -> None:
        entry.updated = self.sim.now
        for other in self.later.get((entry.job, entry.task.id), ()):
            other.missing -= 1
            if other.missing == 0:
                self.enqueue(other)


def lifted(tasks: tuple[ProofTask, ...]) -> Iterator[ProofTask]:
    """The tasks with every join made of two, one after the other."""
    for task in tasks:
        if task.kind is TaskKind.JOIN:
            first = replace(task, id=f"{task.id}a")
            yield from (first, replace(task, prerequisites=(first.id,)))
        else:
            yield task


def emulation_of(device: Device) -> Emulation:
    """Its declared truth."""
    assert device.emulation is not None
    return device.emulation
