"""What is asked for of jobs of the past, what comes back, and how a job's rows become one: alike for both stacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from fleet.analyse.evidence.taskrows import TaskRows, job_record, quotient
from fleet.errors import HostError
from fleet.model.history import Archive, PastJob
from fleet.model.record import JobRecord, TaskKind, TaskRecord, TaskState

LARGEST = 300_000
"""So many tasks, over all jobs, are looked at one by one, the newest first; beyond, figures come from the columns."""

NEIGHBOURS = 20
"""So many jobs made before and after a job are looked at for what ran meanwhile."""

MOST_ROWS = 5_000_000
"""No job has more tasks; what goes on beyond is not one."""

NAMES = {
    "Executor": TaskKind.EXECUTE,
    "Prove": TaskKind.PROVE,
    "Join": TaskKind.JOIN,
    "Resolve": TaskKind.RESOLVE,
    "Finalize": TaskKind.FINALIZE,
    "Keccak": TaskKind.KECCAK,
    "Union": TaskKind.UNION,
    "Snark": TaskKind.SNARK,
}
"""The one key of a task's definition, and the kind that it stands for."""

_MICRO = 1e6


class DatabaseError(HostError):
    """The task database could not be reached or read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs: one, or the last so many, or those made in the last so many seconds (None: however old)."""

    job: UUID | None = None
    last: int = 20
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A job as it is listed: `created` in Unix seconds, counts as its first task says."""

    id: UUID
    state: str
    error: str | None
    created: float | None
    segments: int | None
    user_cycles: int | None
    cycles: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was read: the archive, and the jobs, newest first."""

    archive: Archive
    jobs: tuple[PastJob, ...]


def past_job(place: str, job: Listed, rows: TaskRows, queues: Sequence[tuple[str, str]], room: int) -> PastJob:
    """The job by its tasks, one by one if they are no more than `room`."""
    span = rows.span
    timed = span is not None and span[1] > span[0]
    return PastJob(
        id=str(job.id),
        state=job.state,
        error=job.error,
        started=span[0] / _MICRO if span else None,
        ended=span[1] / _MICRO if span else None,
        cycles=job.cycles,
        segments=job.segments,
        hz=quotient(job.cycles, span[1] - span[0]) if span and timed and job.cycles else None,
        tasks=rows.by_kind,
        record=_record(place, job, rows) if 0 < len(rows) <= room else None,
        retried=rows.retried,
        unfinished=rows.unfinished,
        timeouts=rows.timeouts,
        queues=tuple(queues),
        agents=rows.most_at_once,
    )


def _record(place: str, job: Listed, rows: TaskRows) -> JobRecord:
    """The job with its tasks."""
    bare = JobRecord(
        id=str(job.id),
        state=TaskState(job.state),
        segments=job.segments or 0,
        user_cycles=job.user_cycles or 0,
        total_cycles=job.cycles or 0,
        tasks=(),
        error=job.error,
    )
    try:
        return job_record(rows, bare)
    except (ValueError, RecursionError):
        raise DatabaseError(f"{place}: the prerequisites of a task of job {job.id} are no list of ids") from None


def recent(every: Iterable[Listed], wanted: Wanted, now: float) -> list[Listed]:
    """The jobs asked for, newest first."""
    line = sorted(every, key=lambda job: (job.created or 0.0, job.id), reverse=True)
    return [job for job in line if wanted.since is None or (job.created or 0.0) >= now - wanted.since][: wanted.last]


def near(jobs: Sequence[PastJob], created: Mapping[str, float | None]) -> list[str]:
    """The jobs that were made shortly before or after one of these, these themselves left out."""
    line = sorted((job for job in created if created[job] is not None), key=lambda job: created[job] or 0.0)
    at = {job: place for place, job in enumerate(line)}
    found = {
        line[place]
        for job in jobs
        if job.id in at
        for place in range(max(0, at[job.id] - NEIGHBOURS), min(len(line), at[job.id] + NEIGHBOURS + 1))
    }
    return sorted(found - {job.id for job in jobs})


def company(
    job: PastJob, spans: Mapping[str, tuple[float, float]], leftovers: Mapping[str, tuple[float, int]]
) -> tuple[str, ...]:
    """The jobs that were at work within the span of this one, and those whose tasks were left ready or running.

    `spans`: from first start to last end; `leftovers`: since when, and how many tasks.
    """
    if job.started is None or job.ended is None:
        return ()
    overlapping = {other for other, (first, last) in spans.items() if first < job.ended and last > job.started}
    waiting = {other for other, (since, _) in leftovers.items() if since < job.ended}
    return tuple(sorted((overlapping | waiting) - {job.id}))


def spans_of(
    jobs: Sequence[PastJob], others: Iterable[tuple[str, float | None, float | None]]
) -> dict[str, tuple[float, float]]:
    """From the first start to the last end, of the jobs that have both."""
    every = [*((job.id, job.started, job.ended) for job in jobs), *others]
    return {job: (first, last) for job, first, last in every if first is not None and last is not None}


def in_stack_seconds(record: JobRecord, later: float, haste: float) -> JobRecord:
    """A record whose times are real seconds in the stack's own, all `later` by so many real ones.

    `haste`: the stack's seconds in a real one, 1 unless it is emulated.
    """

    def at(seconds: float | None) -> float | None:
        return None if seconds is None else (seconds + later) * haste

    def moved(task: TaskRecord) -> TaskRecord:
        return replace(task, created=(task.created + later) * haste, started=at(task.started), updated=at(task.updated))

    return replace(record, tasks=tuple(moved(task) for task in record.tasks))


def emulated(read: Read, haste: float) -> Read:
    """A lab's past in the stack's own seconds: each job ends when it did, and began so much the earlier."""

    def slowed(job: PastJob) -> PastJob:
        return replace(
            job,
            started=job.started if job.ended is None or job.seconds is None else job.ended - job.seconds * haste,
            hz=None if job.hz is None else job.hz / Decimal(haste),
            tasks=tuple((kind, count, seconds * haste) for kind, count, seconds in job.tasks),
            record=None if job.record is None else in_stack_seconds(job.record, 0.0, haste),
        )

    return replace(read, archive=replace(read.archive, haste=haste), jobs=tuple(map(slowed, read.jobs)))
