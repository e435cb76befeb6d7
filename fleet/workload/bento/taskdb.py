"""The legacy stack's task database, read: which jobs there were, each job's tasks, what else was at work meanwhile.

Every query goes by an index that the stack has for itself: `jobs` by its key, `tasks` by (job_id, task_id).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from fleet.analyse.taskrows import TaskRows, job_record, quotient
from fleet.errors import ConfigurationError
from fleet.model.history import Archive, PastJob
from fleet.model.record import JobRecord, TaskState
from fleet.workload.bento.copyrows import copied
from fleet.workload.bento.generation import recognised
from fleet.workload.bento.session import Address, Connection, DatabaseError, opened

LARGEST = 300_000
"""So many tasks, over all jobs, are looked at one by one, the newest first; beyond, figures come from the columns."""

NEIGHBOURS = 20
"""So many jobs made before and after a job are looked at for what ran meanwhile."""

_MICRO = 1e6

# Timestamps have no zone; their epoch is taken as if they were in UTC, as they are: Bento's sessions (sqlx) are in UTC.
# `init` is a job's first task: it knows when the job was made, and its output what it came to.
_JOBS = """
  SELECT j.id, j.state::text, left(j.error, 300), i.created_at, i.segments, i.user_cycles, i.total_cycles
  FROM jobs j LEFT JOIN LATERAL (
    SELECT extract(epoch FROM t.created_at)::float8 AS created_at, t.output->>'segments' AS segments,
      t.output->>'user_cycles' AS user_cycles, t.output->>'total_cycles' AS total_cycles
    FROM tasks t WHERE t.job_id = j.id AND t.task_id = 'init'
  ) i ON true
  WHERE %s::uuid IS NULL OR j.id = %s
"""
_CREATED = """
  SELECT j.id, extract(epoch FROM i.created_at)::float8 FROM jobs j
  CROSS JOIN LATERAL (SELECT t.created_at FROM tasks t WHERE t.job_id = j.id AND t.task_id = 'init') i
"""
# What is left of jobs that did not end well goes on being handed out.
_LEFT = """
  SELECT j.id, extract(epoch FROM min(l.created_at))::float8, sum(l.count)::int FROM jobs j
  CROSS JOIN LATERAL (
    SELECT min(t.created_at) AS created_at, count(*) FROM tasks t
    WHERE t.job_id = j.id AND t.state IN ('ready', 'running')
  ) l WHERE j.state <> 'done' AND l.count > 0 GROUP BY j.id
"""
_SPANS = """
  SELECT j.id, extract(epoch FROM s.first)::float8, extract(epoch FROM s.last)::float8 FROM unnest(%s::uuid[]) j (id)
  CROSS JOIN LATERAL (
    SELECT min(t.started_at) AS first, max(t.updated_at) AS last FROM tasks t WHERE t.job_id = j.id
  ) s
"""
_QUEUES = """
  SELECT DISTINCT key, s.worker_type FROM (
    SELECT t.stream_id, t.task_def FROM tasks t WHERE t.job_id = %s ORDER BY t.task_id DESC LIMIT 200
  ) t JOIN streams s ON s.id = t.stream_id CROSS JOIN LATERAL jsonb_object_keys(t.task_def) AS key ORDER BY key
"""
_CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8, current_setting('server_version')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs: one, or the last so many, or those made in the last so many seconds (None: however old)."""

    job: UUID | None = None
    last: int = 20
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    id: UUID
    state: str
    error: str | None
    created: float | None
    segments: int | None
    user_cycles: int | None
    cycles: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was read: the archive, the jobs (newest first), the most agents seen at work at once in one of them."""

    archive: Archive
    jobs: tuple[PastJob, ...]
    workers: int


def read_past(address: Address, wanted: Wanted) -> Read:
    """The jobs asked for. DatabaseError where the database cannot be read; ConfigurationError for no such job."""
    with opened(address) as connection:
        archive = _archive(connection, address)
        listed, created = _chosen(connection, wanted, archive.read)
        leftovers = {str(job): (since, count) for job, since, count in connection.execute(_LEFT).fetchall()}
        found: list[tuple[PastJob, int]] = []
        room = LARGEST
        for one in listed:
            job, most = _past(connection, address, one, room)
            room -= len(job.record.tasks) if job.record else 0
            found.append((job, most))
        jobs = [job for job, _ in found]
        spans = _spans(connection, jobs, created)
        newest = max((at for at in created.values() if at is not None), default=archive.read)
        return Read(
            archive=replace(
                archive,
                leftover=sum(count for _, count in leftovers.values()),
                future=max(0.0, newest - archive.read),
            ),
            jobs=tuple(replace(job, company=_company(job, spans, leftovers)) for job in jobs),
            workers=max((most for _, most in found), default=0),
        )


def _archive(connection: Connection, address: Address) -> Archive:
    """Where this is, and how its clock stands to ours: halfway through the question, give or take its half."""
    before = time.time()
    row = connection.execute(_CLOCK).fetchone()
    after = time.time()
    if row is None:
        raise DatabaseError(f"{address.place}: it does not tell the time")
    return Archive(
        place=address.place,
        server=f"PostgreSQL {str(row[1]).split()[0]}",
        generation=recognised(connection, address),
        offset=row[0] - (before + after) / 2,
        uncertainty=(after - before) / 2,
        read=row[0],
    )


def _chosen(connection: Connection, wanted: Wanted, now: float) -> tuple[list[_Listed], dict[str, float | None]]:
    """The jobs asked for, newest first, and when each job that there is was made."""
    if wanted.job is not None:
        rows = connection.execute(_JOBS, (wanted.job, wanted.job)).fetchall()
        if not rows:
            raise ConfigurationError(f"--job {wanted.job}: no such job there", hint="its rows may have been cleaned up")
        created = {str(job): at for job, at in connection.execute(_CREATED).fetchall()}
        return [_listed(row) for row in rows], created
    every = [_listed(row) for row in connection.execute(_JOBS, (None, None)).fetchall()]
    every.sort(key=lambda job: (job.created or 0.0, job.id), reverse=True)
    recent = [job for job in every if wanted.since is None or (job.created or 0.0) >= now - wanted.since]
    return recent[: wanted.last], {str(job.id): job.created for job in every}


def _listed(row: tuple[object, ...]) -> _Listed:
    job, state, error, created, *counts = row
    segments, user_cycles, cycles = (int(c) if isinstance(c, str) and c.isdecimal() else None for c in counts)
    return _Listed(
        id=UUID(str(job)),
        state=str(state),
        error=None if error is None else str(error),
        created=float(created) if isinstance(created, int | float) else None,
        segments=segments,
        user_cycles=user_cycles,
        cycles=cycles,
    )


def _past(connection: Connection, address: Address, job: _Listed, room: int) -> tuple[PastJob, int]:
    """The job by its tasks, one by one if they are no more than `room`; and the most agents at work on it at once."""
    rows = copied(connection, address, job.id)
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
        record=_record(address, job, rows) if 0 < len(rows) <= room else None,
        retried=rows.retried,
        unfinished=rows.unfinished,
        timeouts=rows.timeouts,
        queues=tuple((str(key), str(kind)) for key, kind in connection.execute(_QUEUES, (job.id,)).fetchall()),
    ), rows.most_at_once


def _record(address: Address, job: _Listed, rows: TaskRows) -> JobRecord:
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
        raise DatabaseError(
            f"{address.place}: the prerequisites of a task of job {job.id} are no list of ids"
        ) from None


def _spans(
    connection: Connection, jobs: Sequence[PastJob], created: dict[str, float | None]
) -> dict[str, tuple[float, float]]:
    """From the first start to the last update of these jobs, and of those that were made shortly before or after."""
    line = sorted((job for job in created if created[job] is not None), key=lambda job: created[job] or 0.0)
    at = {job: place for place, job in enumerate(line)}
    near = {
        line[place]
        for job in jobs
        if job.id in at
        for place in range(max(0, at[job.id] - NEIGHBOURS), min(len(line), at[job.id] + NEIGHBOURS + 1))
    }
    found = {job.id: (job.started, job.ended) for job in jobs}
    asked = sorted(near - found.keys())
    found |= {str(job): (first, last) for job, first, last in connection.execute(_SPANS, (asked,)).fetchall()}
    return {job: (first, last) for job, (first, last) in found.items() if first is not None and last is not None}


def _company(
    job: PastJob, spans: dict[str, tuple[float, float]], leftovers: dict[str, tuple[float, int]]
) -> tuple[str, ...]:
    """The jobs that were at work within the span of this one, and those whose tasks were left ready or running."""
    if job.started is None or job.ended is None:
        return ()
    return tuple(_meanwhile(job.id, job.started, job.ended, spans, leftovers))


def _meanwhile(
    job: str,
    started: float,
    ended: float,
    spans: dict[str, tuple[float, float]],
    leftovers: dict[str, tuple[float, int]],
) -> Iterable[str]:
    overlapping = {other for other, (first, last) in spans.items() if first < ended and last > started}
    waiting = {other for other, (since, _) in leftovers.items() if since < ended}
    return sorted((overlapping | waiting) - {job})
