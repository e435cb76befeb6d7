"""The tasks of a job by PostgreSQL's binary COPY, put into columns a block at a time: millions of rows, no row objects.

libpq gives one row a message. Each row begins with its fields of fixed length, at the same places in every row, so that
a block of rows becomes columns by one copy; its two texts come last, and stay where they are until somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from select import select
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from psycopg.pq import ExecStatus

from fleet.analyse.evidence.taskrows import KINDS, NEVER, STATES, TaskRows, Texts
from fleet.workload.bento.records.past import MOST_ROWS, NAMES, DatabaseError
from fleet.workload.bento.records.session import Address, Connection

_ROWS = 32_768
"""Rows that are split at once."""

_UNKNOWN = -1
_EPOCH = 946_684_800_000_000
"""Microseconds from 1970 to 2000, where PostgreSQL begins to count."""
_NO_TIME = np.iinfo(np.int64).min
"""`-infinity` as PostgreSQL sends it."""

_FIXED = np.dtype(
    [
        ("fields", ">i2"),
        ("l0", ">i4"),
        ("created", ">i8"),
        ("l1", ">i4"),
        ("started", ">i8"),
        ("l2", ">i4"),
        ("updated", ">i8"),
        ("l3", ">i4"),
        ("kind", ">i2"),
        ("l4", ">i4"),
        ("state", ">i2"),
        ("l5", ">i4"),
        ("retries", ">i4"),
        ("l6", ">i4"),
        ("limit", ">i4"),
        ("name", ">i4"),
    ]
)
"""The beginning of every row; `name` is the length of the text that follows."""

_COLUMNS = {
    "created": np.int64,
    "started": np.int64,
    "updated": np.int64,
    "kind": np.int16,
    "state": np.int16,
    "retries": np.int32,
    "limits": np.int32,
}
_NO_TEXTS = Texts.of(())
_LENGTHS = {"l0": 8, "l1": 8, "l2": 8, "l3": 2, "l4": 2, "l5": 4, "l6": 4}
_FIELDS = 9
_SECOND = 1.0
_HEADER = 19
"""Bytes before the first row: signature, flags, length of the extension."""
_TRAILER = b"\xff\xff"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Block:
    """Messages one after the other, and their sizes; the first `skipped` bytes are no part of a row."""

    data: bytearray
    sizes: npt.NDArray[np.int64]
    skipped: int


def statement(job: UUID) -> str:
    """The query whose rows are copied."""
    kinds = " ".join(f"WHEN task_def ? '{name}' THEN {KINDS.index(kind)}" for name, kind in NAMES.items())
    states = " ".join(f"WHEN '{state}' THEN {number}" for number, state in enumerate(STATES))
    return (
        "SELECT created_at, COALESCE(started_at, '-infinity'), COALESCE(updated_at, '-infinity'),"  # noqa: S608 (of our own words and a UUID)
        f" (CASE {kinds} ELSE {_UNKNOWN} END)::int2, (CASE state {states} END)::int2, retries, timeout_secs,"
        f" task_id, prerequisites::text FROM tasks WHERE job_id = '{job}'"
    )


def copied(connection: Connection, address: Address, job: UUID, room: int = MOST_ROWS) -> TaskRows:
    """A job's tasks; of more than `room` of them the names and prerequisites are left out, as nobody looks at them.

    DatabaseError where they are no tasks that are known, or the server breaks off.
    """
    parts: list[TaskRows] = []
    count = 0
    for block in _blocks(connection, address, statement(job)):
        rows = _split(address, block)
        count += len(rows)
        if count > MOST_ROWS:
            raise _strange(address, f"job {job} has more than {MOST_ROWS:,} tasks")
        parts.append(rows)
        if count > room:
            # What they were cut from is the bulk of the memory.
            parts = [replace(part, names=_NO_TEXTS, before=_NO_TEXTS) for part in parts]
    rows = _joined(parts)
    if (rows.kind == _UNKNOWN).any():
        raise _strange(address, f"job {job} has a task of no known kind ({_definition(connection, job)})")
    return rows


def _joined(parts: Sequence[TaskRows]) -> TaskRows:
    def column(name: str) -> npt.NDArray[Any]:
        return np.concatenate([np.empty(0, _COLUMNS[name]), *(getattr(part, name) for part in parts)])

    return TaskRows(
        created=column("created"),
        started=column("started"),
        updated=column("updated"),
        kind=column("kind"),
        state=column("state"),
        retries=column("retries"),
        limits=column("limits"),
        names=Texts.joined([part.names for part in parts]),
        before=Texts.joined([part.before for part in parts]),
    )


def _times(column: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    native = column.astype(np.int64)
    return np.where(native == _NO_TIME, NEVER, native + _EPOCH)


def _blocks(connection: Connection, address: Address, query: str) -> Iterator[_Block]:
    """The messages of a binary COPY, many at a time, straight from libpq into one piece of memory.

    Nothing is kept of a message but its bytes and its size: a million objects would keep the garbage collector busy for
    as long as all the rest. The transaction's statement timeout, and the connection's, bound every wait.
    """
    libpq = connection.pgconn
    result = libpq.exec_(f"COPY ({query}) TO STDOUT (FORMAT BINARY)".encode())
    if result.status != ExecStatus.COPY_OUT:
        raise _strange(address, result.get_error_message().splitlines()[0])
    receive, size, skipped = libpq.get_copy_data, 1, _HEADER
    while size > 0:
        data, sizes = bytearray(), []
        for _ in range(_ROWS):
            size, message = receive(1)
            while size == 0:
                # Not within libpq, where the interpreter's lock is held: a tunnel's threads must go on meanwhile.
                select([libpq.socket], [], [], _SECOND)
                libpq.consume_input()
                size, message = receive(1)
            if size < 0:
                break
            data += message
            sizes.append(size)
        if data.endswith(_TRAILER) and sizes[-1] in (len(_TRAILER), skipped + len(_TRAILER)):
            # Of no rows at all, the header comes with it.
            del data[-len(_TRAILER) :], sizes[-1]
        if sizes:
            # The header comes with the first row, or alone.
            yield _Block(data=data, sizes=np.array(sizes, np.int64), skipped=skipped)
            skipped = 0
    while (rest := libpq.get_result()) is not None:
        if rest.status != ExecStatus.COMMAND_OK:
            raise _strange(address, rest.get_error_message().splitlines()[0])


def _split(address: Address, block: _Block) -> TaskRows:
    """The rows by column. DatabaseError where they are not what was asked for."""
    data, ends = np.frombuffer(block.data, np.uint8), np.cumsum(block.sizes)
    starts = ends - block.sizes
    starts[0] += block.skipped
    if starts[0] == ends[0]:
        starts, ends = starts[1:], ends[1:]
    if not len(starts):
        return _joined(())
    if int((ends - starts).min()) < _FIXED.itemsize + 4:
        raise _strange(address, "a row is too short")
    fixed = _at(data, starts, _FIXED)
    named = fixed["name"].astype(np.int64)
    after = starts + _FIXED.itemsize + named
    wrong = (fixed["fields"] != _FIELDS) | (named < 0) | (after + 4 > ends)
    for field, length in _LENGTHS.items():
        wrong |= fixed[field] != length
    if wrong.any():
        raise _strange(address, "a row is not what was asked for")
    told = _at(data, after, np.dtype(">i4")).astype(np.int64)
    if (after + 4 + told != ends).any():
        raise _strange(address, "a row is not what was asked for")
    return TaskRows(
        created=_times(fixed["created"]),
        started=_times(fixed["started"]),
        updated=_times(fixed["updated"]),
        kind=fixed["kind"].astype(np.int16),
        state=fixed["state"].astype(np.int16),
        retries=fixed["retries"].astype(np.int32),
        limits=fixed["limit"].astype(np.int32),
        names=Texts(data=block.data, starts=starts + _FIXED.itemsize, ends=after),
        before=Texts(data=block.data, starts=after + 4, ends=ends),
    )


def _at(data: npt.NDArray[np.uint8], places: npt.NDArray[np.int64], kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """What stands at these places, all of them so far from the end that it fits: a copy a place, no index a byte."""
    every: npt.NDArray[Any] = np.ndarray((len(data) - kind.itemsize + 1,), kind, data, strides=(1,))
    return every[places]


def _definition(connection: Connection, job: UUID) -> str:
    """The first keys of the definition that is not known, in few characters."""
    row = connection.execute(
        "SELECT left(task_def::text, 60) FROM tasks WHERE job_id = %s AND NOT task_def ?| %s LIMIT 1",
        (job, list(NAMES)),
    ).fetchone()
    return str(row[0]) if row else "gone"


def _strange(address: Address, what: str) -> DatabaseError:
    return DatabaseError(f"{address.place}: {what}", hint="say so, with the version of the stack: fleet would learn it")
