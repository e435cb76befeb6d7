"""How one column of a spool lies in bytes: which values are there, and those; one value only where all are the same."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Sequence
from enum import IntEnum
from typing import Any


class Type(IntEnum):
    """What a column holds: numbers of 8 bytes, truth values, texts, or tuples of numbers."""

    FLOAT = 1
    INT = 2
    BOOL = 3
    TEXT = 4
    FLOATS = 5
    INTS = 6


_ARRAYS = {Type.FLOAT: "d", Type.INT: "q", Type.BOOL: "b", Type.FLOATS: "d", Type.INTS: "q"}
_ALL, _NONE, _SOME, _SAME = 1, 0, 2, 3


def packed(kind: Type, values: Sequence[Any]) -> bytes:
    """The values of a column, of which there is at least one."""
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
        texts = {value: _text(value) for value in there}
        return head + b"".join([texts[value] for value in there])
    if kind in (Type.FLOATS, Type.INTS):
        lengths = array("H", [len(value) for value in there])
        return head + lengths.tobytes() + array(_ARRAYS[kind], [each for value in there for each in value]).tobytes()
    return head + array(_ARRAYS[kind], there).tobytes()


def _text(value: str) -> bytes:
    text = value.encode("utf-8", "replace")
    return struct.pack("<H", len(text)) + text


class Reader:
    """Takes one thing after the other out of a block's content. struct.error, ValueError where there is less."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    @property
    def done(self) -> bool:
        """Whether all has been taken."""
        return self._at >= len(self._content)

    def unpack(self, layout: str) -> tuple[Any, ...]:
        """The next numbers, as `struct` lays them out."""
        found = struct.unpack_from(layout, self._content, self._at)
        self._at += struct.calcsize(layout)
        return found

    def column(self, kind: Type, rows: int) -> list[Any]:
        """The next column, of so many rows."""
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
