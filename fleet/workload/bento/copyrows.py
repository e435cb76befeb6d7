"""The tasks of a job by PostgreSQL's binary COPY, put into columns a block at a time: millions of rows, no row objects.

libpq gives one row a message. Each row begins with its fields of fixed length, at the same place in every row, so that
a block of rows is gathered into one array; its two texts come last.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from uuid import UUID

import numpy as np
import numpy.typing as npt
from psycopg.pq import ExecStatus

from fleet.analyse.taskrows import KINDS, NEVER, STATES, TaskRows, Texts
from fleet.workload.bento.past import MOST_ROWS, NAMES, DatabaseError
from fleet.workload.bento.session import Address, Connection

_BLOCK = 32_768
"""Rows that are gathered at once: their index takes 20 MB."""

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

_LENGTHS = {"l0": 8, "l1": 8, "l2": 8, "l3": 2, "l4": 2, "l5": 4, "l6": 4}
_FIELDS = 9
_HEADER = 19
"""Bytes before the first row: signature, flags, length of the extension."""
_TRAILER = b"\xff\xff"


def statement(job: UUID) -> str:
    """The query whose rows are copied."""
    kinds = " ".join(f"WHEN task_def ? '{name}' THEN {KINDS.index(kind)}" for name, kind in NAMES.items())
    states = " ".join(f"WHEN '{state}' THEN {number}" for number, state in enumerate(STATES))
    return (
        "SELECT created_at, COALESCE(started_at, '-infinity'), COALESCE(updated_at, '-infinity'),"  # noqa: S608 (of our own words and a UUID)
        f" (CASE {kinds} ELSE {_UNKNOWN} END)::int2, (CASE state {states} END)::int2, retries, timeout_secs,"
        f" task_id, prerequisites::text FROM tasks WHERE job_id = '{job}'"
    )


def copied(connection: Connection, address: Address, job: UUID) -> TaskRows:
    """A job's tasks. DatabaseError where they are no tasks that are known, or the server breaks off."""
    blocks, count = [], 0
    for rows in _blocks(_messages(connection, address, statement(job))):
        blocks.append(_block(address, rows))
        count += len(rows)
        if count > MOST_ROWS:
            raise _strange(address, f"job {job} has more than {MOST_ROWS:,} tasks")
    fixed = np.concatenate([block[0] for block in blocks]) if blocks else np.empty(0, _FIXED)
    if (fixed["kind"] == _UNKNOWN).any():
        raise _strange(address, f"job {job} has a task of no known kind ({_definition(connection, job)})")
    return TaskRows(
        created=_times(fixed["created"]),
        started=_times(fixed["started"]),
        updated=_times(fixed["updated"]),
        kind=fixed["kind"].astype(np.int16),
        state=fixed["state"].astype(np.int16),
        retries=fixed["retries"].astype(np.int32),
        limits=fixed["limit"].astype(np.int32),
        names=_texts([block[1] for block in blocks]),
        before=_texts([block[2] for block in blocks]),
    )


def _times(column: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    native = column.astype(np.int64)
    return np.where(native == _NO_TIME, NEVER, native + _EPOCH)


def _messages(connection: Connection, address: Address, query: str) -> Iterator[memoryview]:
    """The messages of a binary COPY, straight from libpq: at a million rows psycopg's own reader takes as long again.

    The transaction's statement timeout, and the connection's, bound every wait.
    """
    libpq = connection.pgconn
    result = libpq.exec_(f"COPY ({query}) TO STDOUT (FORMAT BINARY)".encode())
    if result.status != ExecStatus.COPY_OUT:
        raise _strange(address, result.get_error_message().splitlines()[0])
    receive, size = libpq.get_copy_data, 1
    while size > 0:
        size, data = receive(0)
        if size > 0:
            yield data
    while (rest := libpq.get_result()) is not None:
        if rest.status != ExecStatus.COMMAND_OK:
            raise _strange(address, rest.get_error_message().splitlines()[0])


def _blocks(messages: Iterator[memoryview]) -> Iterator[list[memoryview]]:
    """The rows, many at a time; the header goes with the first and the trailer stands alone."""
    first = True
    while block := list(islice(messages, _BLOCK)):
        if first:
            block[0], first = block[0][_HEADER:], False
            block = block if len(block[0]) else block[1:]
        if block and bytes(block[-1][-2:]) == _TRAILER and len(block[-1]) == len(_TRAILER):
            block = block[:-1]
        if block:
            yield block


def _block(address: Address, rows: list[memoryview]) -> tuple[npt.NDArray[np.void], Texts, Texts]:
    """The rows' fixed fields, their names, their prerequisites."""
    sizes = np.fromiter(map(len, rows), np.int64, len(rows))
    data = np.frombuffer(b"".join(rows), np.uint8)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    if int(sizes.min()) < _FIXED.itemsize + 4:
        raise _strange(address, "a row is too short")
    fixed = data[starts[:, None] + np.arange(_FIXED.itemsize)].view(_FIXED)[:, 0]
    named = fixed["name"].astype(np.int64)
    after = starts + _FIXED.itemsize + named
    wrong = (fixed["fields"] != _FIELDS) | (named < 0) | (after + 4 > ends)
    for field, length in _LENGTHS.items():
        wrong |= fixed[field] != length
    if wrong.any():
        raise _strange(address, "a row is not what was asked for")
    told = data[after[:, None] + np.arange(4)].view(">i4")[:, 0].astype(np.int64)
    if (after + 4 + told != ends).any():
        raise _strange(address, "a row is not what was asked for")
    return fixed, _cut(data, starts + _FIXED.itemsize, named), _cut(data, after + 4, told)


def _cut(data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> Texts:
    """The pieces of the data that begin at these places, one after the other."""
    ends = np.cumsum(sizes)
    place = np.arange(int(ends[-1])) + np.repeat(starts - (ends - sizes), sizes)
    return Texts(data=data[place].tobytes(), ends=ends)


def _texts(parts: list[Texts]) -> Texts:
    sizes = np.cumsum([0, *(len(part.data) for part in parts)])
    ends = [part.ends + before for part, before in zip(parts, sizes[:-1], strict=True)]
    return Texts(
        data=b"".join(part.data for part in parts), ends=np.concatenate(ends) if ends else np.empty(0, np.int64)
    )


def _definition(connection: Connection, job: UUID) -> str:
    """The first keys of the definition that is not known, in few characters."""
    row = connection.execute(
        "SELECT left(task_def::text, 60) FROM tasks WHERE job_id = %s AND NOT task_def ?| %s LIMIT 1",
        (job, list(NAMES)),
    ).fetchone()
    return str(row[0]) if row else "gone"


def _strange(address: Address, what: str) -> DatabaseError:
    return DatabaseError(f"{address.place}: {what}", hint="say so, with the version of the stack: fleet would learn it")
