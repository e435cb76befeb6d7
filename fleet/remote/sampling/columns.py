"""The spool's format: blocks of columns, each whole in itself, so that a crash or a torn write costs one block at most.

A block is a header (magic, kind, length as it was and as it lies here, CRC-32) and its content, which is deflated where
that is shorter. Its kinds: the *schema* (JSON: the tables with their columns and types) comes first in a file and
before any block that needs another one; *rows* are samples by table and column, the missing ones as bits; *lines* are
what comes seldom, as JSON lines. A reader leaves out columns that it does not know, and what has no column is None.
Numbers are little-endian. Standard library only.
"""

from __future__ import annotations

import dataclasses
import json
import struct
import types
import typing
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from operator import attrgetter
from typing import Any

from fleet.model.samples import AgentSample, DeviceSample, HostSample, Sample
from fleet.remote.sampling.packing import Reader, Type, packed

MAGIC = b"\xf1eet"
_HEADER = struct.Struct("<4sBIII")
BLOCK_LIMIT = 2**20
"""Bytes of a block's content: a day of a host's samples has thousands of blocks, each of some hundred bytes."""
_SAMPLES: tuple[type[Sample], ...] = (HostSample, DeviceSample, AgentSample)
_NAMES = {"host_sample": HostSample, "device_sample": DeviceSample, "agent_sample": AgentSample}
_DEFLATE = 1, zlib.DEFLATED, 12, 6
"""Level, method, window, memory: a block is small, and making room for zlib's usual window takes as long as it does."""
_MOST_ROWS = 2**16 - 1
_MOST_COLUMNS = 200


class Kind(IntEnum):
    """What a block holds."""

    SCHEMA = 1
    ROWS = 2
    LINES = 3


_TYPES: Mapping[Any, Type] = {float: Type.FLOAT, int: Type.INT, bool: Type.BOOL, str: Type.TEXT}
_TUPLES: Mapping[Any, Type] = {float: Type.FLOATS, int: Type.INTS}


class Damaged(ValueError):  # noqa: N818 (it names the block, not the event)
    """A block that is not what a sampler writes."""


@dataclass(frozen=True, slots=True)
class Table:
    """One class of samples: its columns in order, with their types."""

    sample: type[Sample]
    columns: tuple[tuple[str, Type], ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Samples of one class by column; what has no column is None in all of them."""

    sample: type[Sample]
    columns: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(self.columns["time"])

    def column(self, name: str) -> Sequence[Any]:
        """One value a sample."""
        return self.columns.get(name) or (None,) * len(self)


Schema = tuple[Table | None, ...]
"""The tables of a file by number; None for one that this fleet does not know."""


@dataclass(frozen=True, slots=True)
class Block:
    """A whole block of a file: its content, and where the next one begins."""

    kind: Kind
    content: bytes
    end: int


def own_schema() -> Schema:
    """The tables as this fleet writes them."""
    return tuple(Table(sample, tuple(_columns(sample))) for sample in _SAMPLES)


def _columns(sample: type[Sample]) -> Iterator[tuple[str, Type]]:
    hints = typing.get_type_hints(sample)
    for field in dataclasses.fields(sample):
        hint = hints[field.name]
        kind = next((kind for kind in typing.get_args(hint) if kind is not types.NoneType), hint)
        if isinstance(hint, type):
            kind = hint
        inner = typing.get_args(kind)
        yield field.name, _TUPLES[inner[0]] if inner else _TYPES[kind]


def framed(kind: Kind, content: bytes) -> bytes:
    """The block with its header."""
    deflate = zlib.compressobj(*_DEFLATE)
    small = deflate.compress(content) + deflate.flush()
    stored = small if len(small) < len(content) else content
    return _HEADER.pack(MAGIC, kind, len(content), len(stored), _checksum(kind, len(content), stored)) + stored


def _checksum(kind: int, length: int, stored: bytes) -> int:
    return zlib.crc32(stored, kind << 24 ^ length)


def schema_block(schema: Schema) -> bytes:
    """The block that says what the rows after it are."""
    names = {sample: name for name, sample in _NAMES.items()}
    tables = [
        {"table": names[table.sample], "columns": [[name, kind] for name, kind in table.columns]}
        for table in schema
        if table is not None
    ]
    return framed(Kind.SCHEMA, json.dumps(tables).encode())


def rows_block(schema: Schema, samples: Sequence[Sample], rows: Sequence[Rows] = ()) -> bytes:
    """The samples as one block, `rows` after the others of their class; they come back by table, in this order.

    At most 65,535 of one kind.
    """
    parts = []
    for number, table in enumerate(schema):
        if table is None or not (pieces := _pieces(table, samples, rows)):
            continue
        parts.append(struct.pack("<BH", number, sum(map(len, pieces))))
        for name, kind in table.columns:
            columns = [piece.column(name) for piece in pieces]
            parts.append(packed(kind, columns[0] if len(columns) == 1 else [*chain.from_iterable(columns)]))
    return framed(Kind.ROWS, b"".join(parts))


def _pieces(table: Table, samples: Sequence[Sample], rows: Sequence[Rows]) -> list[Rows]:
    """What belongs into a table, by column."""
    pieces = [each for each in rows if each.sample is table.sample]
    if found := [each for each in samples if type(each) is table.sample]:
        names = [name for name, _ in table.columns]
        columns = zip(*map(attrgetter(*names), found), strict=True)
        pieces.insert(0, Rows(table.sample, dict(zip(names, columns, strict=True))))
    return pieces


def lines_block(lines: Sequence[str]) -> bytes:
    """JSON lines as one block."""
    return framed(Kind.LINES, "\n".join(lines).encode())


def blocks(data: bytes) -> Iterator[Block | int]:
    """The whole blocks of a piece of a file. Between damaged ones: how many bytes make no sense.

    What is cut off at the end is left for later: `Block.end` says where the last whole one ended.
    """
    at = 0
    while len(data) - at >= _HEADER.size:
        magic, kind, length, stored, crc = _HEADER.unpack_from(data, at)
        sane = magic == MAGIC and kind in tuple(Kind) and length <= BLOCK_LIMIT and stored <= length
        begin = at + _HEADER.size
        if sane and begin + stored > len(data):
            return
        if sane and _checksum(kind, length, data[begin : begin + stored]) == crc:
            at = begin + stored
            yield Block(Kind(kind), _inflated(data[begin:at], length), at)
            continue
        following = data.find(MAGIC, at + 1)
        lost = (following if following >= 0 else max(at + 1, len(data) - len(MAGIC) + 1)) - at
        at += lost
        yield lost


def _inflated(stored: bytes, length: int) -> bytes:
    if len(stored) == length:
        return stored
    try:
        return zlib.decompressobj().decompress(stored, length)
    except zlib.error:
        return b""


def read_schema(content: bytes) -> Schema:
    """The tables that a schema block declares. Damaged."""
    try:
        declared = json.loads(content)
        return tuple(
            Table(_NAMES[each["table"]], _known_types(each["columns"])) if each["table"] in _NAMES else None
            for each in declared
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged("the spool's schema cannot be read") from error


def _known_types(columns: list[list[Any]]) -> tuple[tuple[str, Type], ...]:
    if len(columns) > _MOST_COLUMNS:
        raise ValueError("too many columns")
    return tuple((str(name), Type(kind)) for name, kind in columns)


def read_rows(schema: Schema, content: bytes) -> list[Sample]:
    """The samples of a block. Damaged where it does not agree with the schema, or holds what no sample may."""
    reader = Reader(content)
    samples: list[Sample] = []
    try:
        while not reader.done:
            number, rows = reader.unpack("<BH")
            table = schema[number]
            if table is None:
                return samples
            samples += _samples(table, rows, reader)
    except (IndexError, struct.error, ValueError, TypeError, OverflowError) as error:
        raise Damaged(f"a block of samples cannot be read: {error}") from error
    return samples


def _samples(table: Table, rows: int, reader: Reader) -> Iterator[Sample]:
    own = dict(_columns(table.sample))
    known: dict[str, list[Any]] = {}
    for name, kind in table.columns:
        values = reader.column(kind, rows)
        if own.get(name) is kind:
            known[name] = values
    needed = [field.name for field in dataclasses.fields(table.sample) if field.default is dataclasses.MISSING]
    if any(None in known.get(name, [None]) for name in needed):
        raise ValueError("a sample lacks what every sample has")
    make: Any = table.sample
    for at in range(rows):
        yield make(**{name: values[at] for name, values in known.items()})
