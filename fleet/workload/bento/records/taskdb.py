"""The legacy stack's task database, read: which jobs there were, each job's tasks, what else was at work meanwhile.

Every query goes by an index that the stack has for itself: `jobs` by its key, `tasks` by (job_id, task_id).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from fleet.errors import ConfigurationError
from fleet.model.history import Archive, PastJob
from fleet.workload.bento.records import past
from fleet.workload.bento.records.copyrows import copied
from fleet.workload.bento.records.generation import recognised
from fleet.workload.bento.records.past import (
    DatabaseError,
    Listed,
    Read,
    Wanted,
    company,
    near,
    past_job,
    recent,
    spans_of,
)
from fleet.workload.bento.records.session import Address, Connection, opened

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


def read_past(address: Address, wanted: Wanted) -> Read:
    """The jobs asked for. DatabaseError where the database cannot be read; ConfigurationError for no such job."""
    with opened(address) as connection:
        archive = _archive(connection, address)
        listed, created = _chosen(connection, wanted, archive.read)
        leftovers = {str(job): (since, count) for job, since, count in connection.execute(_LEFT).fetchall()}
        jobs: list[PastJob] = []
        room = past.LARGEST
        for one in listed:
            job = _past(connection, address, one, room)
            room -= len(job.record.tasks) if job.record else 0
            jobs.append(job)
        spans = _spans(connection, jobs, created)
        newest = max((at for at in created.values() if at is not None), default=archive.read)
        return Read(
            archive=replace(
                archive,
                leftover=sum(count for _, count in leftovers.values()),
                future=max(0.0, newest - archive.read),
            ),
            jobs=tuple(replace(job, company=company(job, spans, leftovers)) for job in jobs),
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


def _chosen(connection: Connection, wanted: Wanted, now: float) -> tuple[list[Listed], dict[str, float | None]]:
    """The jobs asked for, newest first, and when each job that there is was made."""
    if wanted.job is not None:
        rows = connection.execute(_JOBS, (wanted.job, wanted.job)).fetchall()
        if not rows:
            raise ConfigurationError(f"--job {wanted.job}: no such job there", hint="its rows may have been cleaned up")
        created = {str(job): at for job, at in connection.execute(_CREATED).fetchall()}
        return [_listed(row) for row in rows], created
    every = [_listed(row) for row in connection.execute(_JOBS, (None, None)).fetchall()]
    return recent(every, wanted, now), {str(job.id): job.created for job in every}


def _listed(row: tuple[object, ...]) -> Listed:
    job, state, error, created, *counts = row
    segments, user_cycles, cycles = (int(c) if isinstance(c, str) and c.isdecimal() else None for c in counts)
    return Listed(
        id=UUID(str(job)),
        state=str(state),
        error=None if error is None else str(error),
        created=float(created) if isinstance(created, int | float) else None,
        segments=segments,
        user_cycles=user_cycles,
        cycles=cycles,
    )


def _past(connection: Connection, address: Address, job: Listed, room: int) -> PastJob:
    rows = copied(connection, address, job.id, room)
    queues = [(str(key), str(kind)) for key, kind in connection.execute(_QUEUES, (job.id,)).fetchall()]
    return past_job(address.place, job, rows, queues, room)


def _spans(
    connection: Connection, jobs: Sequence[PastJob], created: dict[str, float | None]
) -> dict[str, tuple[float, float]]:
    """From the first start to the last update of these jobs, and of those that were made shortly before or after."""
    found = connection.execute(_SPANS, (near(jobs, created),)).fetchall()
    return spans_of(jobs, [(str(job), first, last) for job, first, last in found])
