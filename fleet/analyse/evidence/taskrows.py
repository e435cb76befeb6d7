"""The tasks of one job by column, as a database hands them over, and what is computed from millions of them at once.

Times are whole microseconds, so that effective Hz comes out as a database's own arithmetic has it, to every digit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from fleet.model.rates import AGENT_KINDS
from fleet.model.record import JobRecord, TaskKind, TaskRecord, TaskState

KINDS = tuple(TaskKind)
"""What the numbers in `TaskRows.kind` mean."""

STATES = tuple(TaskState)
"""What the numbers in `TaskRows.state` mean."""

NEVER = np.iinfo(np.int64).min
"""Stands for a time that has not come."""

_SECOND = 1_000_000
_NONE = np.empty(0, np.int64)
_DIGITS = 16
"""Significant digits that PostgreSQL gives a quotient at least (NUMERIC_MIN_SIG_DIGITS) …"""
_BASE = 10_000
"""… which it counts in digits of this base, four decimal ones each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Texts:
    """Many short texts in one piece of memory: text number i is from `starts[i]` to `ends[i]` of `data`."""

    data: bytes | bytearray
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]

    def __getitem__(self, at: int) -> str:
        """Text number `at`."""
        return self.data[int(self.starts[at]) : int(self.ends[at])].decode("utf-8", "replace")

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> Texts:
        """Texts that come one by one."""
        ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
        return cls(data=b"".join(texts), starts=np.concatenate(([0], ends[:-1])) if len(ends) else ends, ends=ends)

    @classmethod
    def joined(cls, parts: Sequence[Texts]) -> Texts:
        """The texts of many pieces of memory in one."""
        moved = np.cumsum([0, *(len(part.data) for part in parts)])[:-1]
        return cls(
            data=b"".join(part.data for part in parts),
            starts=np.concatenate([part.starts + by for part, by in zip(parts, moved, strict=True)] or [_NONE]),
            ends=np.concatenate([part.ends + by for part, by in zip(parts, moved, strict=True)] or [_NONE]),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskRows:
    """A job's tasks, one entry a task in every column, in no order.

    Times in microseconds of one clock, NEVER where there is none. `before`: JSON lists of the ids of prerequisites.
    `limits`: seconds after which a task is given to another agent. Rows too many to be looked at one by one may come
    without `names` and `before`.
    """

    created: npt.NDArray[np.int64]
    started: npt.NDArray[np.int64]
    updated: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int16]
    state: npt.NDArray[np.int16]
    retries: npt.NDArray[np.int32]
    limits: npt.NDArray[np.int32]
    names: Texts
    before: Texts

    def __len__(self) -> int:
        """How many tasks."""
        return len(self.created)

    @property
    def span(self) -> tuple[int, int] | None:
        """The first start and the last update, in microseconds; None where there is no such thing."""
        started, updated = self.started[self.started != NEVER], self.updated[self.updated != NEVER]
        return (int(started.min()), int(updated.max())) if len(started) and len(updated) else None

    @property
    def retried(self) -> int:
        """How many tasks were retried."""
        return int(np.count_nonzero(self.retries > 0))

    @property
    def unfinished(self) -> int:
        """How many tasks are not done."""
        return int(np.count_nonzero(self.state != STATES.index(TaskState.DONE)))

    @property
    def timeouts(self) -> int:
        """How many retried tasks are limited to less than the longest task of their kind took, or nearly so."""
        seconds = np.where(self._timed, self.updated - self.started, 0) / _SECOND
        return int(np.count_nonzero((self.retries > 0) & (seconds >= 0.9 * self.limits)))

    @property
    def by_kind(self) -> tuple[tuple[str, int, float], ...]:
        """Each kind that there is, how many tasks it has, and the seconds of those that ended."""
        timed, found = self._timed, []
        for number, kind in enumerate(KINDS):
            these = self.kind == number
            if count := int(np.count_nonzero(these)):
                spent = (self.updated - self.started)[these & timed].sum()
                found.append((kind.value, count, float(spent) / _SECOND))
        return tuple(found)

    @property
    def most_at_once(self) -> int:
        """The most tasks of agents that ran at one time: so many agents there were at least."""
        agents = np.isin(self.kind, [KINDS.index(kind) for kind in AGENT_KINDS]) & self._timed
        starts, ends = np.sort(self.started[agents]), np.sort(self.updated[agents])
        if not len(starts):
            return 0
        # At one time an end comes before a start.
        running = np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, side="right")
        return int(running.max())

    @property
    def _timed(self) -> npt.NDArray[np.bool_]:
        timed: npt.NDArray[np.bool_] = (self.started != NEVER) & (self.updated != NEVER)
        return timed


def job_record(rows: TaskRows, job: JobRecord) -> JobRecord:
    """The job with its tasks in order of creation, their times in seconds since the first start."""
    span = rows.span
    origin = span[0] if span else int(rows.created.min())
    order = np.lexsort((np.arange(len(rows)), rows.created)).tolist()
    created, started, updated = (_seconds(column, origin) for column in (rows.created, rows.started, rows.updated))
    kinds, states, retries = rows.kind.tolist(), rows.state.tolist(), rows.retries.tolist()
    tasks = tuple(
        TaskRecord(
            id=rows.names[at],
            kind=KINDS[kinds[at]],
            state=STATES[states[at]],
            prerequisites=_names(rows.before[at]),
            created=created[at] or 0.0,
            started=started[at],
            updated=updated[at],
            retries=retries[at],
        )
        for at in order
    )
    return replace(job, tasks=tasks)


def _seconds(column: npt.NDArray[np.int64], origin: int) -> list[float | None]:
    never = column == NEVER
    seconds = ((np.where(never, origin, column) - origin) / _SECOND).tolist()
    return [None if missing else second for missing, second in zip(never.tolist(), seconds, strict=True)]


def _names(text: str) -> tuple[str, ...]:
    """The ids in a list of them; ValueError where it is none."""
    found = json.loads(text)
    if not isinstance(found, list):
        raise ValueError("prerequisites are a list")  # noqa: TRY004 (a value problem to the reader)
    return tuple(map(str, found))


def quotient(cycles: int, microseconds: int) -> Decimal:
    """Cycles per second with the digits that PostgreSQL's `numeric` division prints (select_div_scale, numeric.c).

    The elapsed seconds have six decimals there, as `extract(epoch FROM interval)` gives them. ValueError unless both
    are above zero.
    """
    if cycles <= 0 or microseconds <= 0:
        raise ValueError("cycles and time are above zero")
    above, below = _leading(Fraction(cycles)), _leading(Fraction(microseconds, _SECOND))
    weight = above[0] - below[0] - (above[1] <= below[1])
    scale = max(_DIGITS - 4 * weight, 6)
    exact = Fraction(cycles * _SECOND, microseconds) * 10**scale
    whole = (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)
    return Decimal(f"{whole // 10**scale}.{whole % 10**scale:0{scale}}")


def _leading(value: Fraction) -> tuple[int, int]:
    """The power of the base that a value reaches, and its first digit in that base."""
    weight = 0
    while value >= _BASE:
        value, weight = value / _BASE, weight + 1
    while value < 1:
        value, weight = value * _BASE, weight - 1
    return weight, int(value)
