"""Jobs of a cluster whose agents poll, with timers that stray: planted, to be read off their records.

Not the twin: agents, refreshers and requests are played one by one, every sleep is late by chance, no request is ever
skipped, and what is written down is what the database would have.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from fleet.model.record import JobRecord, TaskKind, TaskRecord, TaskState
from fleet.plan.trials.proof import EXECUTE_ID, ProofPlanner

SECONDS = {TaskKind.PROVE: 3.1, TaskKind.JOIN: 1.15, TaskKind.FINALIZE: 0.5}
FINALIZE_AFTER = 2.0
"""Seconds after which an aux agent takes the last task: no agent's time goes into it."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """`late`: mean seconds by which a sleep is longer than asked; `lock`: seconds that a request holds the stream."""

    agents: int
    poll: float
    refresh: float
    segments: int = 17
    late: float = 0.002
    lock: float = 0.002
    noise: float = 0.02


def planted(cluster: Cluster, seed: int) -> JobRecord:
    """One job of the cluster, its timers anywhere when it begins."""
    return _Played(cluster, Random(seed)).run()  # noqa: S311 (luck, not secrets)


@dataclass
class _Played:
    cluster: Cluster
    chance: Random
    now: float = 0.0
    counter: int = 0
    unlocked: float = 0.0
    left: int = 0
    due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    tasks: dict[str, TaskRecord] = field(default_factory=dict)
    ready: list[str] = field(default_factory=list)

    def run(self) -> JobRecord:
        planner = ProofPlanner()
        made = [task for _ in range(self.cluster.segments) for task in planner.add_segment()] + list(planner.finish())
        for task in made:
            before = tuple(name for name in task.prerequisites if name != EXECUTE_ID)
            self.tasks[task.id] = _record(task.id, task.kind, before)
        self.ready = [task.id for task in made if not self.tasks[task.id].prerequisites]
        self.left = sum(task.kind is not TaskKind.FINALIZE for task in self.tasks.values())
        for _ in range(self.cluster.agents):
            self.at(self.chance.uniform(0, self.cluster.poll), self.ask)
        if self.cluster.refresh > 0:
            for _ in range(2):
                self.at(self.chance.uniform(0, self.cluster.refresh), self.refresh)
        while self.left:
            self.now, _, action = heapq.heappop(self.due)
            action()
        return self.recorded()

    def at(self, time: float, action: Callable[[], None]) -> None:
        heapq.heappush(self.due, (time, len(self.due) + self.chance.getrandbits(40), action))

    def sleep(self, seconds: float, action: Callable[[], None]) -> None:
        self.at(self.now + seconds + self.chance.expovariate(1 / self.cluster.late), action)

    def refresh(self) -> None:
        if self.now >= self.unlocked:
            self.counter = len(self.ready)
        self.sleep(self.cluster.refresh, self.refresh)

    def ask(self) -> None:
        sees = self.counter if self.cluster.refresh > 0 else len(self.ready)
        if sees and self.now >= self.unlocked:
            self.unlocked = self.now + self.cluster.lock
            if self.ready:
                self.begin(self.ready.pop(0))
                return
        self.sleep(self.cluster.poll + self.cluster.lock, self.ask)

    def begin(self, name: str) -> None:
        task = self.tasks[name]
        self.tasks[name] = replace(task, started=self.now)
        seconds = SECONDS[task.kind] * self.chance.lognormvariate(0, self.cluster.noise)
        self.sleep(self.cluster.lock + seconds, lambda: self.end(name))

    def end(self, name: str) -> None:
        self.tasks[name] = replace(self.tasks[name], updated=self.now)
        self.left -= 1
        done = {task.id for task in self.tasks.values() if task.updated is not None}
        for task in self.tasks.values():
            if name in task.prerequisites and done.issuperset(task.prerequisites) and task.kind in _AGENTS:
                self.ready.append(task.id)
        self.ask()

    def recorded(self) -> JobRecord:
        start = min(task.started for task in self.tasks.values() if task.started is not None)
        finalize = next(task for task in self.tasks.values() if task.kind is TaskKind.FINALIZE)
        began = self.now + FINALIZE_AFTER
        self.tasks[finalize.id] = replace(finalize, started=began, updated=began + SECONDS[TaskKind.FINALIZE])
        execute = replace(_record(EXECUTE_ID, TaskKind.EXECUTE, ()), started=0.0, updated=min(0.1, start))
        return JobRecord(
            id="planted",
            state=TaskState.DONE,
            segments=self.cluster.segments,
            user_cycles=self.cluster.segments << 20,
            total_cycles=self.cluster.segments << 20,
            tasks=(execute, *self.tasks.values()),
        )


_AGENTS = (TaskKind.PROVE, TaskKind.JOIN)


def _record(name: str, kind: TaskKind, before: tuple[str, ...]) -> TaskRecord:
    return TaskRecord(
        id=name, kind=kind, state=TaskState.DONE, prerequisites=before, created=0.0, started=None, updated=None
    )
