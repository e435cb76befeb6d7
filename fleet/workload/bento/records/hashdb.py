"""The current stack's task database, read: which jobs there are yet, each job's tasks, what else was at work meanwhile.

There is no list of jobs, so that their keys are scanned for; a job's tasks are found by its own set of them.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from uuid import UUID

from fleet.errors import ConfigurationError
from fleet.model.history import Archive, Generation, PastJob, Plane
from fleet.model.record import TaskState
from fleet.plan.shell.quoting import tame
from fleet.workload.bento.hashlook import RUNNING, ready_queues
from fleet.workload.bento.records import past
from fleet.workload.bento.records.hashrows import Vanished, hashed
from fleet.workload.bento.records.past import Listed, Read, Wanted, company, near, past_job, recent, spans_of
from fleet.workload.bento.records.redissession import RedisAddress, Session, redis_opened

MOST_KEYS = 50_000_000
"""Of more keys the jobs' are not looked for: it would take minutes."""

_SCANNED = 5000
_MOST_JOBS = 100_000
_MOST_LEFT = 10_000
_META = re.compile(rb"taskdb:job:([0-9a-f-]{36}):meta")
_STATES = {TaskState.RUNNING, TaskState.DONE, TaskState.FAILED}
_GENERATION = Generation(stack="current (Redis)", plane=Plane.PUSH, oldest_job_first=False)


def read_hashes(address: RedisAddress, wanted: Wanted) -> Read:
    """The jobs asked for. DatabaseError where Redis cannot be read; ConfigurationError for no such job."""
    with redis_opened(address) as session:
        archive = _archive(session)
        every = _listed(session, _job_ids(session))
        created = {str(job.id): job.created for job in every}
        chosen = recent(every, wanted, archive.read) if wanted.job is None else [_only(every, wanted.job)]
        jobs = list(_jobs(session, chosen))
        if wanted.job is not None and not jobs:
            raise _gone(wanted.job)
        spans = spans_of(jobs, _spans(session, near(jobs, created)))
        left = _leftovers(session, created)
        newest = max((at for at in created.values() if at is not None), default=archive.read)
        return Read(
            archive=replace(
                archive,
                leftover=sum(count for _, count in left.values()),
                future=max(0.0, newest - archive.read),
                vanished=len(chosen) - len(jobs),
            ),
            jobs=tuple(replace(job, company=company(job, spans, left)) for job in jobs),
        )


def read_job(address: RedisAddress, job: UUID) -> Read:
    """One job, straight by its keys: for whoever ran it and must be faster than the cleaner. Errors as above."""
    with redis_opened(address) as session:
        archive = _archive(session)
        for found in _jobs(session, _listed(session, [job])):
            return Read(archive=archive, jobs=(found,))
    raise _gone(job)


def _archive(session: Session) -> Archive:
    """Where this is, and how its clock stands to ours: halfway through the question, give or take its half."""
    before = time.time()
    seconds, micros = session.one("TIME")
    after = time.time()
    read = int(seconds) + int(micros) / 1e6
    return Archive(
        place=session.address.place,
        server=_server(session),
        generation=_GENERATION,
        offset=read - (before + after) / 2,
        uncertainty=(after - before) / 2,
        read=read,
    )


def _server(session: Session) -> str:
    told = session.one("INFO", "server")
    # redis-py makes a dictionary of it.
    figures = {str(key): tame(str(value), 40) for key, value in told.items()} if isinstance(told, dict) else {}
    name, version = ("Valkey", "valkey_version") if "valkey_version" in figures else ("Redis", "redis_version")
    return f"{name} {figures.get(version, '')}".strip()


def _job_ids(session: Session) -> list[UUID]:
    keys = int(session.one("DBSIZE"))
    if keys > MOST_KEYS:
        raise session.strange(f"it holds {keys:,} keys")
    found: set[UUID] = set()
    cursor: int | bytes = 0
    while True:
        cursor, names = session.one("SCAN", cursor, "MATCH", "taskdb:job:*:meta", "COUNT", _SCANNED)
        for name in names:
            matched = _META.fullmatch(name)
            if matched is None:
                raise session.strange(f"there is a job of the name {name[:80]!r}")
            try:
                found.add(UUID(matched[1].decode()))
            except ValueError:
                raise session.strange(f"there is a job of the name {name[:80]!r}") from None
        if len(found) > _MOST_JOBS:
            raise session.strange(f"it holds more than {_MOST_JOBS:,} jobs")
        if int(cursor) == 0:
            return sorted(found)


def _listed(session: Session, ids: Sequence[UUID]) -> list[Listed]:
    """The jobs that are there, each by its own hash and that of its first task."""
    found: list[Listed] = []
    for at in range(0, len(ids), 500):
        some = ids[at : at + 500]
        metas = session.hashes([f"taskdb:job:{job}:meta".encode() for job in some], ("state", "error"))
        firsts = session.hashes([f"taskdb:task:{job}:init".encode() for job in some], ("created_at", "output"))
        for job, meta, first in zip(some, metas, firsts, strict=True):
            if meta is not None:
                found.append(_one(session, job, meta, first or (None, None)))
    return found


def _one(session: Session, job: UUID, meta: Sequence[bytes | None], first: Sequence[bytes | None]) -> Listed:
    state, error = ((value or b"").decode("utf-8", "replace") for value in meta)
    if state not in _STATES:
        raise session.strange(f"job {job} is {state[:40]!r}")
    created = re.fullmatch(rb"[0-9]{9,10}(?:\.[0-9]{1,12})?", first[0] or b"")
    segments, user_cycles, cycles = _counts(first[1])
    return Listed(
        id=job,
        state=state,
        error=tame(error, 300) or None,
        created=float(created[0]) if created else None,
        segments=segments,
        user_cycles=user_cycles,
        cycles=cycles,
    )


def _counts(output: bytes | None) -> tuple[int | None, int | None, int | None]:
    """Segments, user cycles and total cycles as the first task told them; None for what it did not tell."""
    try:
        told = json.loads(output or b"{}")
    except (ValueError, RecursionError):
        told = None
    figures = [told.get(key) if isinstance(told, dict) else None for key in ("segments", "user_cycles", "total_cycles")]
    segments, user_cycles, cycles = (
        figure if type(figure) is int and 0 <= figure < 2**63 else None for figure in figures
    )
    return segments, user_cycles, cycles


def _only(every: Sequence[Listed], job: UUID) -> Listed:
    for one in every:
        if one.id == job:
            return one
    raise _gone(job)


def _gone(job: UUID) -> ConfigurationError:
    return ConfigurationError(
        f"--job {job}: no such job there",
        hint="the cleaner takes a job away minutes after its end (BENTO_DISABLE_COMPLETED_CLEANUP=true keeps it)",
    )


def _jobs(session: Session, listed: Sequence[Listed]) -> Iterator[PastJob]:
    """The jobs that the cleaner has left."""
    room = past.LARGEST
    for one in listed:
        try:
            rows, queues = hashed(session, one.id)
        except Vanished:
            continue
        if not len(rows) or not session.one("EXISTS", f"taskdb:job:{one.id}:meta"):
            continue
        job = past_job(session.address.place, one, rows, queues, room)
        room -= len(job.record.tasks) if job.record else 0
        yield job


def _spans(session: Session, jobs: Sequence[str]) -> Iterator[tuple[str, float | None, float | None]]:
    """From the first start to the last end of other jobs."""
    for job in jobs:
        try:
            rows, _ = hashed(session, UUID(job))
        except Vanished:
            continue
        if span := rows.span:
            yield job, span[0] / 1e6, span[1] / 1e6


def _leftovers(session: Session, created: dict[str, float | None]) -> dict[str, tuple[float, int]]:
    """By job: when it was made, and how many tasks of it are ready or running right now."""
    found: dict[str, tuple[float, int]] = {}
    for members in session.ask([("ZRANGE", key, 0, _MOST_LEFT) for key in (RUNNING, *ready_queues())]):
        for member in members:
            job = member.decode("utf-8", "replace").partition("|")[0]
            if job in created:
                since, count = found.get(job, (created[job] or 0.0, 0))
                found[job] = since, count + 1
    return found
