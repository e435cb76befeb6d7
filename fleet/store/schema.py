"""The tables, the same in every database: runs, their observations, and the samples as columns, not as JSON.

What the type of a column is called is left to the dialect where SQLite and PostgreSQL differ.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from fleet.model.samples import AgentSample, DeviceSample, HostSample, Sample, Telemetry

_WITH_AGENTS, _WITH_LEDGER, _WITH_CATALOGUE, _WITH_GROUPS = 2, 3, 4, 5
VERSION = _WITH_GROUPS
"""Goes up with every change of the tables. A store with a higher one was written by a newer fleet."""

Row = tuple[Any, ...]

_TYPES: dict[Any, str] = {str: "TEXT", int: "BIGINT", float: "DOUBLE PRECISION", bool: "BOOLEAN", tuple: "TEXT"}
"""A tuple of numbers is kept as its JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What the databases call a growing number that is the key, and a JSON text kept to the letter."""

    identity: str
    json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleTable:
    """The table of one class of samples: `observation`, `position` among its samples, then the class's fields."""

    name: str
    sample: type[HostSample | DeviceSample | AgentSample]

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns that are the sample's own."""
        return tuple(field.name for field in dataclasses.fields(self.sample))

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in order."""
        return ("observation", "position", *self.fields)

    def rows(self, observation: int, telemetry: Telemetry) -> Iterator[Row]:
        """The rows of this table for the samples of an observation. ValueError where one holds NaN or infinity."""
        values_of = attrgetter(*self.fields)
        lists = self._places_of(tuple)
        for position, sample in enumerate(telemetry.samples):
            if isinstance(sample, self.sample):
                values: Sequence[Any] = values_of(sample)
                for value in values:  # a loop and no call: there may be millions
                    if type(value) is float and value - value != 0.0:
                        raise ValueError(f"a sample of {sample.host} holds a number that is not finite")
                if lists:
                    values = _with(values, lists, _as_text)
                yield (observation, position, *values)

    def reader(self) -> Callable[[Sequence[Any]], Sample]:
        """Makes a sample of the columns `fields`; SQLite gives 0 and 1 where a boolean was stored."""
        make: Any = self.sample
        fields, booleans, lists = self.fields, self._places_of(bool), self._places_of(tuple)

        def read(values: Sequence[Any]) -> Sample:
            if booleans:
                values = _with(values, booleans, bool)
            if lists:
                values = _with(values, lists, _from_text)
            sample: Sample = make(**dict(zip(fields, values, strict=True)))
            return sample

        return read

    def _places_of(self, kind: type) -> tuple[int, ...]:
        """Which of the fields hold a value of that kind."""
        hints = typing.get_type_hints(self.sample)
        return tuple(at for at, field in enumerate(self.fields) if _kind(hints[field]) is kind)


def _with(values: Sequence[Any], places: Iterable[int], change: Callable[[Any], Any]) -> Sequence[Any]:
    """The values, those at some places changed where there is any."""
    changed = list(values)
    for at in places:
        if changed[at] is not None:
            changed[at] = change(changed[at])
    return changed


def _as_text(values: tuple[float, ...]) -> str:
    """Numbers as JSON. ValueError where one is not finite."""
    return json.dumps(values, allow_nan=False)


def _from_text(text: str) -> tuple[float, ...]:
    return tuple(json.loads(text))


SAMPLE_TABLES = (
    SampleTable(name="host_samples", sample=HostSample),
    SampleTable(name="device_samples", sample=DeviceSample),
    SampleTable(name="agent_samples", sample=AgentSample),
)
_FIRST = {"host_samples": 10, "device_samples": 11}
"""How many fields the samples had in version 1. New ones were put at the end, and all of them may be missing."""
_GROUPS = ("host_samples", ("agents_cpu_pressure", "agents_memory_pressure"))
"""The fields that are new in version 5: what the agents' own control group waited for."""


_LEDGER = (
    """CREATE TABLE IF NOT EXISTS changes (
        inventory TEXT NOT NULL,
        host TEXT NOT NULL,
        id TEXT NOT NULL,
        state TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (inventory, host, id))""",
    """CREATE TABLE IF NOT EXISTS provisioned (
        inventory TEXT NOT NULL,
        host TEXT NOT NULL,
        ready BOOLEAN NOT NULL,
        PRIMARY KEY (inventory, host))""",
)
"""The controller's copy of the hosts' journals, and how each host's last provisioning ended. New in version 3."""

_CATALOGUE = (
    """CREATE TABLE IF NOT EXISTS tags (
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        tag TEXT NOT NULL,
        PRIMARY KEY (run, tag))""",
    """CREATE TABLE IF NOT EXISTS notes (
        run TEXT PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
        note TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS digests (
        run TEXT PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
        choice TEXT NOT NULL,
        confidence DOUBLE PRECISION NOT NULL,
        gain DOUBLE PRECISION,
        answer TEXT NOT NULL,
        body TEXT NOT NULL,
        circumstances TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS figures (
        run TEXT NOT NULL REFERENCES digests (run) ON DELETE CASCADE,
        position BIGINT NOT NULL,
        layout TEXT NOT NULL,
        po2 BIGINT NOT NULL,
        devices BIGINT NOT NULL,
        jobs BIGINT NOT NULL,
        iterations BIGINT NOT NULL,
        trials BIGINT NOT NULL,
        hz DOUBLE PRECISION NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (run, position))""",
    "CREATE INDEX IF NOT EXISTS runs_by_inventory ON runs (inventory, created)",
)
"""Tags and notes, and what each finished run came to: one row of `figures` a layout and load, for dashboards too.

New in version 4.
"""


def definitions(dialect: Dialect) -> tuple[str, ...]:
    """The statements that make the tables and their indices."""
    return (
        f"""CREATE TABLE runs (
            id TEXT PRIMARY KEY,
            created DOUBLE PRECISION NOT NULL,
            inventory TEXT NOT NULL,
            emulated BOOLEAN NOT NULL,
            finished BOOLEAN NOT NULL,
            body {dialect.json} NOT NULL)""",
        "CREATE INDEX runs_by_age ON runs (created, id)",
        f"""CREATE TABLE observations (
            seq {dialect.identity},
            run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            trial TEXT NOT NULL,
            experiment TEXT NOT NULL,
            outcome TEXT NOT NULL,
            body {dialect.json} NOT NULL,
            UNIQUE (run, trial))""",
        "CREATE INDEX observations_in_order ON observations (run, seq)",
        *(_sample_definition(table) for table in SAMPLE_TABLES),
        *_LEDGER,
        *_CATALOGUE,
    )


def upgrades(found: int) -> tuple[str, ...]:
    """The statements that bring the tables of version `found` to ours; what they hold stays."""
    statements = list(_LEDGER) if found < _WITH_LEDGER else []
    for table in SAMPLE_TABLES:
        if found < _WITH_AGENTS and table.name in _FIRST:
            statements += _new_columns(table, table.fields[_FIRST[table.name] :])
        elif found < _WITH_AGENTS:
            statements.append(_sample_definition(table))
        elif found < _WITH_GROUPS and table.name == _GROUPS[0]:
            statements += _new_columns(table, _GROUPS[1])
    statements += _CATALOGUE if found < _WITH_CATALOGUE else ()
    return tuple(statements)


def _new_columns(table: SampleTable, fields: Sequence[str]) -> Iterator[str]:
    hints = typing.get_type_hints(table.sample)
    return (f"ALTER TABLE {table.name} ADD COLUMN {field} {_column_type(hints[field])}" for field in fields)


def _sample_definition(table: SampleTable) -> str:
    hints = typing.get_type_hints(table.sample)
    columns = ", ".join(f"{field} {_column_type(hints[field])}" for field in table.fields)
    return (
        f"CREATE TABLE {table.name} (observation BIGINT NOT NULL REFERENCES observations (seq) ON DELETE CASCADE,"
        f" position BIGINT NOT NULL, {columns}, PRIMARY KEY (observation, position))"
    )


def _column_type(hint: Any) -> str:
    return f"{_TYPES[_kind(hint)]}{'' if types.NoneType in typing.get_args(hint) else ' NOT NULL'}"


def _kind(hint: Any) -> Any:
    """What a field holds where it holds something: `int` for `int | None`, `tuple` for `tuple[int, ...] | None`."""
    kind = next(kind for kind in typing.get_args(hint) or (hint,) if kind is not types.NoneType)
    return typing.get_origin(kind) or kind
