"""Who does what next, for the jobs of one trial: a state machine without clock, thread or Ray. Pure.

Ready tasks go first come, first served, but joins and finalize before proves (they are short, and shorten the critical
path); among agents, the one that has been idle the longest is next. An agent works on one task at a time. One that may
look ahead has the next prove in hand already, so that its trace is on its way meanwhile, and joins that would otherwise
wait for an agent without work; on record a task begins where its agent's last one ended.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from fleet.model.record import JobRecord, TaskKind, TaskRecord, TaskState
from fleet.model.trial import AgentSpec
from fleet.plan.trials.proof import EXECUTE_ID, ProofPlanner, ProofTask
from fleet.plan.trials.segments import Segment

Digest = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One task for one agent. `segment` is set for proves, `inputs` are the digests of what it waited for."""

    agent: AgentSpec
    job: int
    task: ProofTask
    inputs: tuple[Digest, ...] = ()


@dataclass(slots=True, kw_only=True, eq=False)
class _Entry:
    """A task as it goes; times in seconds since the trial's start. `handed`: when its agent had it in hand."""

    task: ProofTask
    order: int
    created: float
    waiting: int
    handed: float = 0.0
    state: TaskState = TaskState.PENDING
    started: float | None = None
    updated: float | None = None
    agent: AgentSpec | None = None
    transfer: float | None = None
    away: float | None = None
    digest: Digest | None = None


@dataclass(slots=True, kw_only=True)
class _Job:
    """One job as it goes; `entries` in creation order, `then` what waits for a task."""

    planner: ProofPlanner = field(default_factory=ProofPlanner)
    segments: list[Segment] = field(default_factory=list)
    entries: dict[str, _Entry] = field(default_factory=dict)
    then: dict[str, list[_Entry]] = field(default_factory=dict)
    cut: float | None = None
    digest: Digest | None = None
    error: str | None = None


_Heap = list[tuple[int, int, _Entry]]
"""Order, job, entry."""


class Scheduler:
    """The jobs of one trial, from their first segment to their digests. Times are the caller's, and never go back.

    `ahead`: the agents that may look ahead.
    """

    def __init__(self, agents: Sequence[AgentSpec], jobs: int, ahead: Collection[AgentSpec] = ()) -> None:
        self._jobs = tuple(_Job() for _ in range(jobs))
        self._idle = deque(agents)
        self._hands: dict[AgentSpec, list[_Entry]] = {agent: [] for agent in agents}
        self._ahead = tuple(agent for agent in agents if agent in ahead)
        self._proves: _Heap = []
        self._folds: _Heap = []
        self._created = 0
        self.done = 0

    def cut(self, job: int, segment: Segment, now: float) -> str:
        """The executor has cut the next segment of a job; returns the id of the task that proves it."""
        self._jobs[job].segments.append(segment)
        tasks = self._jobs[job].planner.add_segment()
        self._add(job, tasks, now)
        return tasks[0].id

    def cut_all(self, job: int, now: float) -> None:
        """The executor is done with a job."""
        self._jobs[job].cut = now
        self.done += 1
        self._add(job, self._jobs[job].planner.finish(), now)

    def assign(self, now: float) -> list[Assignment]:
        """Hand ready tasks to idle agents, then to those that look ahead; each is in hand until `finish` or `fail`."""
        assignments = []
        while self._idle and (ready := self._folds or self._proves):
            assignments.append(self._hand(heapq.heappop(ready), self._idle.popleft(), now))
        while self._folds and (agent := self._for_a_fold()) is not None:
            assignments.append(self._hand(heapq.heappop(self._folds), agent, now))
        assignments += [self._hand(heapq.heappop(self._proves), agent, now) for agent in self._for_proves()]
        return assignments

    def begun(self, assignment: Assignment) -> float:
        """Since when its agent has worked on a task, if it is done next: it was in hand, and the last one was done."""
        entry = self._jobs[assignment.job].entries[assignment.task.id]
        return max(entry.handed, self._free_since(assignment.agent))

    def finish(
        self,
        done: Assignment,
        digest: Digest,
        now: float,
        transfer: float | None = None,
        away: float | None = None,
    ) -> None:
        """An agent has done a task, and goes on with the next in hand. `transfer` and `away` as in TaskRecord."""
        job = self._jobs[done.job]
        entry = job.entries[done.task.id]
        self._end(entry, TaskState.DONE, done.agent, now)
        entry.digest, entry.transfer, entry.away = digest, transfer, away
        self.done += 1
        if not self._hands[done.agent]:
            self._idle.append(done.agent)
        if done.task.kind is TaskKind.FINALIZE:
            job.digest = digest
        for waiting in job.then.pop(done.task.id, ()):
            waiting.waiting -= 1
            self._enqueue(done.job, waiting)

    def fail(self, failed: Assignment, now: float, error: str) -> None:
        """An agent has failed its task. It gets no other, and the job will not be finished."""
        self._end(self._jobs[failed.job].entries[failed.task.id], TaskState.FAILED, failed.agent, now)
        self._ahead = tuple(agent for agent in self._ahead if agent != failed.agent)
        self._jobs[failed.job].error = error

    @property
    def finished(self) -> bool:
        """Whether every job has its digest."""
        return all(job.digest is not None for job in self._jobs)

    def digests(self) -> tuple[Digest | None, ...]:
        """Each job's digest, None where it is not finished."""
        return tuple(job.digest for job in self._jobs)

    def segments(self, job: int) -> tuple[Segment, ...]:
        """What has been cut of a job so far."""
        return tuple(self._jobs[job].segments)

    def records(self, head: str, scale: float, digests: Sequence[str | None]) -> tuple[JobRecord, ...]:
        """The jobs as they stand; times and transfers are multiplied by `scale`. `digests` as text."""
        return tuple(
            _job_record(str(number), job, head, scale, digest)
            for number, (job, digest) in enumerate(zip(self._jobs, digests, strict=True))
        )

    def _hand(self, item: tuple[int, int, _Entry], agent: AgentSpec, now: float) -> Assignment:
        *_, job, entry = item
        hand = self._hands[agent]
        if not hand:
            entry.state, entry.started = TaskState.RUNNING, now
        hand.append(entry)
        entry.agent, entry.handed = agent, now
        return Assignment(agent=agent, job=job, task=entry.task, inputs=self._inputs(self._jobs[job], entry))

    def _end(self, entry: _Entry, state: TaskState, agent: AgentSpec, now: float) -> None:
        """A task's time was from its agent's last end to this one, but for what had passed before it was in hand."""
        hand, begun = self._hands[agent], max(entry.handed, self._free_since(agent))
        entry.state, entry.started, entry.updated = state, begun, max(now, begun)
        hand.remove(entry)
        if hand and state is TaskState.DONE:
            hand[0].state, hand[0].started = TaskState.RUNNING, entry.updated

    def _free_since(self, agent: AgentSpec) -> float:
        """When an agent turned to the first task that it has in hand."""
        return self._hands[agent][0].started or 0.0

    def _for_a_fold(self) -> AgentSpec | None:
        """With nobody idle: the agent with the least in hand that has no fold there yet; None = it has to wait."""
        free = [agent for agent in self._ahead if not any(_folds(entry) for entry in self._hands[agent])]
        return min(free, key=lambda agent: (len(self._hands[agent]), self._free_since(agent)), default=None)

    def _for_proves(self) -> Sequence[AgentSpec]:
        """The agents that get the next prove in hand: none while there are not enough for all who will need one."""
        without = [agent for agent, hand in self._hands.items() if all(_folds(entry) for entry in hand[1:])]
        if self._idle or len(self._proves) < len(without):
            return ()
        return sorted((agent for agent in without if agent in self._ahead), key=self._free_since)

    def _add(self, job: int, tasks: Iterable[ProofTask], now: float) -> None:
        entries = self._jobs[job].entries
        for task in tasks:
            before = [entries[name] for name in task.prerequisites if name != EXECUTE_ID]
            missing = [each for each in before if each.state is not TaskState.DONE]
            self._created += 1
            entry = entries[task.id] = _Entry(task=task, order=self._created, created=now, waiting=len(missing))
            for each in missing:
                self._jobs[job].then.setdefault(each.task.id, []).append(entry)
            self._enqueue(job, entry)

    def _enqueue(self, job: int, entry: _Entry) -> None:
        if entry.waiting == 0:
            entry.state = TaskState.READY
            heapq.heappush(self._folds if _folds(entry) else self._proves, (entry.order, job, entry))

    def _inputs(self, job: _Job, entry: _Entry) -> tuple[Digest, ...]:
        before = (job.entries[name].digest for name in entry.task.prerequisites if name != EXECUTE_ID)
        return tuple(digest for digest in before if digest is not None)


def _folds(entry: _Entry) -> bool:
    return entry.task.kind is not TaskKind.PROVE


def _job_record(name: str, job: _Job, head: str, scale: float, digest: str | None) -> JobRecord:
    done = TaskState.DONE if job.digest is not None else TaskState.RUNNING
    return JobRecord(
        id=name,
        state=TaskState.FAILED if job.error else done,
        segments=len(job.segments),
        user_cycles=sum(segment.user_cycles for segment in job.segments),
        total_cycles=sum(segment.cycles for segment in job.segments),
        tasks=(_execution(job, head, scale), *(_task_record(entry, scale) for entry in job.entries.values())),
        digest=digest,
        error=job.error,
    )


def _execution(job: _Job, head: str, scale: float) -> TaskRecord:
    """The execute task: from the trial's start to its last segment."""
    return TaskRecord(
        id=EXECUTE_ID,
        kind=TaskKind.EXECUTE,
        state=TaskState.RUNNING if job.cut is None else TaskState.DONE,
        prerequisites=(),
        created=0.0,
        started=0.0,
        updated=None if job.cut is None else job.cut * scale,
        host=head,
    )


def _task_record(entry: _Entry, scale: float) -> TaskRecord:
    agent = entry.agent if entry.started is not None else None
    return TaskRecord(
        id=entry.task.id,
        kind=entry.task.kind,
        state=entry.state,
        prerequisites=entry.task.prerequisites,
        created=entry.created * scale,
        started=_scaled(entry.started, scale),
        updated=_scaled(entry.updated, scale),
        agent=agent.name if agent else None,
        host=agent.host if agent else None,
        transfer=_scaled(entry.transfer, scale),
        away=_scaled(entry.away, scale),
    )


def _scaled(seconds: float | None, scale: float) -> float | None:
    return None if seconds is None else seconds * scale
