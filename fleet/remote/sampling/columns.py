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
import math
import struct
import types
import typing
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from operator import attrgetter
from typing import Any

from fleet.model.samples import AgentSample, DeviceSample, HostSample, Sample

MAGIC = b"\xf1eet"
_HEADER = struct.Struct("<4sBIII")
BLOCK_LIMIT = 2**20
"""Bytes of a block's content: a day of a host's samples has thousands of blocks, each of some hundred bytes."""
_SAMPLES: tuple[type[Sample], ...] = (HostSample, DeviceSample, AgentSample)
_NAMES = {"host_sample": HostSample, "device_sample": DeviceSample, "agent_sample": AgentSample}
_LEVEL = 1
_MOST_ROWS = 2**16 - 1
_MOST_COLUMNS = 200


class Kind(IntEnum):
    """What a block holds."""

    SCHEMA = 1
    ROWS = 2
    LINES = 3


class Type(IntEnum):
    """What a column holds: numbers of 8 bytes, truth values, texts, or tuples of numbers."""

    FLOAT = 1
    INT = 2
    BOOL = 3
    TEXT = 4
    FLOATS = 5
    INTS = 6


_TYPES: Mapping[Any, Type] = {float: Type.FLOAT, int: Type.INT, bool: Type.BOOL, str: Type.TEXT}
_TUPLES: Mapping[Any, Type] = {float: Type.FLOATS, int: Type.INTS}
_ARRAYS = {Type.FLOAT: "d", Type.INT: "q", Type.BOOL: "b", Type.FLOATS: "d", Type.INTS: "q"}
_ALL, _NONE, _SOME, _SAME = 1, 0, 2, 3


class Damaged(ValueError):  # noqa: N818 (it names the block, not the event)
    """A block that is not what a sampler writes."""


@dataclass(frozen=True, slots=True)
class Table:
    """One class of samples: its columns in order, with their types."""

    sample: type[Sample]
    columns: tuple[tuple[str, Type], ...]


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
    packed = zlib.compress(content, _LEVEL)
    stored = packed if len(packed) < len(content) else content
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


def rows_block(schema: Schema, samples: Sequence[Sample]) -> bytes:
    """The samples as one block; they come back by table, in this order within each. At most 65,535 of one kind."""
    parts = []
    for number, table in enumerate(schema):
        rows = [] if table is None else [each for each in samples if type(each) is table.sample]
        if table is None or not rows:
            continue
        parts.append(struct.pack("<BH", number, len(rows)))
        values = zip(*map(attrgetter(*(name for name, _ in table.columns)), rows), strict=True)
        parts += [_packed(kind, column) for (_, kind), column in zip(table.columns, values, strict=True)]
    return framed(Kind.ROWS, b"".join(parts))


def lines_block(lines: Sequence[str]) -> bytes:
    """JSON lines as one block."""
    return framed(Kind.LINES, "\n".join(lines).encode())


def _packed(kind: Type, values: Sequence[Any]) -> bytes:
    there = values
    head = bytes([_ALL])
    if values.count(values[0]) == len(values):
        if values[0] is None:
            return bytes([_NONE])
        head, there = bytes([_SAME]), values[:1]
    elif None in values:
        there = [value for value in values if value is not None]
        bits = sum(1 << at for at, value in enumerate(values) if value is not None)
        head = bytes([_SOME]) + bits.to_bytes((len(values) + 7) // 8, "little")
    if kind is Type.TEXT:
        texts = [str(value).encode("utf-8", "replace") for value in there]
        return head + b"".join(struct.pack("<H", len(text)) + text for text in texts)
    if kind in (Type.FLOATS, Type.INTS):
        lengths = array("H", [len(value) for value in there])
        return head + lengths.tobytes() + array(_ARRAYS[kind], [each for value in there for each in value]).tobytes()
    return head + array(_ARRAYS[kind], there).tobytes()


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
    reader = _Reader(content)
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


def _samples(table: Table, rows: int, reader: _Reader) -> Iterator[Sample]:
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


class _Reader:
    """Takes one thing after the other out of a block's content. struct.error, ValueError where there is less."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at >= len(self._content)

    def unpack(self, layout: str) -> tuple[Any, ...]:
        found = struct.unpack_from(layout, self._content, self._at)
        self._at += struct.calcsize(layout)
        return found

    def column(self, kind: Type, rows: int) -> list[Any]:
        (presence,) = self.unpack("<B")
        if presence == _NONE:
            return [None] * rows
        if presence == _ALL:
            return self._values(kind, rows)
        if presence == _SAME:
            return self._values(kind, 1) * rows
        bits = int.from_bytes(self._take((rows + 7) // 8), "little") & ((1 << rows) - 1)
        values = iter(self._values(kind, bits.bit_count()))
        return [next(values) if bits >> at & 1 else None for at in range(rows)]

    def _values(self, kind: Type, count: int) -> list[Any]:
        if kind is Type.TEXT:
            return [self._take(self.unpack("<H")[0]).decode("utf-8", "replace") for _ in range(count)]
        if kind in (Type.FLOATS, Type.INTS):
            lengths = self._numbers("H", count)
            flat = iter(self._numbers(_ARRAYS[kind], sum(lengths)))
            return [tuple(next(flat) for _ in range(length)) for length in lengths]
        numbers = self._numbers(_ARRAYS[kind], count)
        return [bool(number) for number in numbers] if kind is Type.BOOL else numbers

    def _numbers(self, code: str, count: int) -> list[Any]:
        numbers = array(code)
        numbers.frombytes(self._take(count * numbers.itemsize))
        if code == "d" and not all(map(math.isfinite, numbers)):
            raise ValueError("a number is not finite")
        return numbers.tolist()

    def _take(self, size: int) -> bytes:
        found = self._content[self._at : self._at + size]
        if len(found) < size:
            raise ValueError("it ends too early")
        self._at += size
        return found
