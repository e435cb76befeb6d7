"""The tasks of a job out of the current stack's hashes, put into columns a batch at a time.

The cleaner takes a job's hashes away one by one. What it has begun with is no job any more: `Vanished`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from uuid import UUID

import numpy as np

from fleet.analyse.evidence.taskrows import KINDS, NEVER, STATES, TaskRows, Texts
from fleet.model.record import TaskState
from fleet.workload.bento.records.past import MOST_ROWS, NAMES
from fleet.workload.bento.records.redissession import Session

FIELDS = (
    "created_at",
    "started_at",
    "updated_at",
    "state",
    "retries",
    "timeout_secs",
    "task_def",
    "prerequisites",
    "worker_type",
)
"""What is read of a task's hash."""

_BATCH = 2000
_LONGEST = 200
_STATE = {state.value.encode(): number for number, state in enumerate(STATES)}
# What had not begun when its job failed: it never will, and no job that has such a task is done.
_STATE[b"cancelled"] = STATES.index(TaskState.FAILED)
_KIND = {name: KINDS.index(kind) for name, kind in NAMES.items()}
_ENDED = {number for number, state in enumerate(STATES) if state.value in ("done", "failed")}
_MICRO = 1_000_000
_TIME = re.compile(rb"[0-9]{9,10}(?:\.[0-9]{1,12})?")
_COUNT = re.compile(rb"[0-9]{1,9}")
_NAME = re.compile(rb"[\w.:-]{1,%d}" % _LONGEST)

_Row = tuple[int, int, int, int, int, int, int]
"""created, started, updated (microseconds), kind, state, retries, limit."""


class Vanished(Exception):  # noqa: N818 (it is no error: the cleaner does its work)
    """The cleaner took the job, or part of it, while it was read."""


def hashed(session: Session, job: UUID) -> tuple[TaskRows, tuple[tuple[str, str], ...]]:
    """A job's tasks, and the queues that hand out each kind of them.

    Vanished where the cleaner was faster; DatabaseError where the hashes are none of tasks, or the line is cut.
    """
    rows: list[_Row] = []
    names: list[bytes] = []
    before: list[bytes] = []
    queues: set[tuple[str, str]] = set()
    for ids in _batches(session, job):
        keys = [f"taskdb:task:{job}:".encode() + name for name in ids]
        for name, values in zip(ids, session.hashes(keys, FIELDS), strict=True):
            if values is None:
                raise Vanished
            row, kind = _row(session, name, values)
            rows.append(row)
            before.append(values[7] or b"[]")
            queues.add((kind, _text(values[8])))
        names += ids
    return _columns(rows, names, before), tuple(sorted(queues))


def _batches(session: Session, job: UUID) -> Iterator[list[bytes]]:
    """The ids of the job's tasks, each once."""
    seen: set[bytes] = set()
    cursor: int | bytes = 0
    while True:
        cursor, ids = session.one("SSCAN", f"taskdb:tasks:by_job:{job}", cursor, "COUNT", _BATCH)
        fresh = iter([name for name in dict.fromkeys(ids) if name not in seen])
        while batch := list(islice(fresh, _BATCH)):
            if strange := next((name for name in batch if not _NAME.fullmatch(name)), None):
                raise session.strange(f"job {job} has a task of the name {strange[:_LONGEST]!r}")
            seen.update(batch)
            yield batch
        if len(seen) > MOST_ROWS:
            raise session.strange(f"job {job} has more than {MOST_ROWS:,} tasks")
        if int(cursor) == 0:
            return


def _row(session: Session, name: bytes, values: tuple[bytes | None, ...]) -> tuple[_Row, str]:
    """A task's figures, and the key of its definition."""
    created, started, updated, state, retries, limit, definition, _, _ = values
    number = _STATE.get(state or b"")
    kind = _kind(definition)
    wrong = [
        (field, said)
        for field, said, right in (
            ("created_at", created, created is not None and _TIME.fullmatch(created)),
            ("started_at", started, not started or _TIME.fullmatch(started)),
            ("updated_at", updated, not updated or _TIME.fullmatch(updated)),
            ("state", state, number is not None),
            ("retries", retries, _COUNT.fullmatch(retries or b"0")),
            ("timeout_secs", limit, _COUNT.fullmatch(limit or b"0")),
            ("task_def", definition, kind is not None),
        )
        if not right
    ]
    if wrong or number is None or kind is None:
        field, said = wrong[0]
        raise session.strange(f"task {name.decode()}: its {field} is {_text(said)[:60]!r}")
    # What makes a task ready moves `updated_at`, too: only of what has ended is it the end.
    ended = updated if number in _ENDED else None
    row = (_time(created), _time(started), _time(ended), _KIND[kind], number, int(retries or 0), int(limit or 0))
    return row, kind


def _kind(definition: bytes | None) -> str | None:
    """The one key of a task's definition, where it is one that is known."""
    try:
        found = json.loads(definition or b"")
    except (ValueError, RecursionError):
        return None
    # A kind without fields is its name alone.
    key = next(iter(found)) if isinstance(found, dict) and len(found) == 1 else found
    return key if isinstance(key, str) and key in NAMES else None


def _time(text: bytes | None) -> int:
    """Microseconds: a float of Unix seconds is exact to a quarter of one."""
    return round(float(text) * _MICRO) if text else int(NEVER)


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")[:_LONGEST]


def _columns(rows: Sequence[_Row], names: Sequence[bytes], before: Sequence[bytes]) -> TaskRows:
    table = np.array(rows, np.int64).reshape(len(rows), 7).T
    return TaskRows(
        created=table[0].copy(),
        started=table[1].copy(),
        updated=table[2].copy(),
        kind=table[3].astype(np.int16),
        state=table[4].astype(np.int16),
        retries=table[5].astype(np.int32),
        limits=table[6].astype(np.int32),
        names=Texts.of(names),
        before=Texts.of(before),
    )
