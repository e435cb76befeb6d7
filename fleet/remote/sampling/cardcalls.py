"""NVML's calls made ready once, so that at each tick only the driver's function is called, into the same bytes.

pynvml makes a structure, looks its function up and checks the answer in Python each time, which takes longer than most
drivers do.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

UNSIGNED = 3
"""nvmlValueType_t: most counters are of that type."""

_HEAD, _BEFORE = "8x16xIi8x", "32x"
"""nvmlFieldValue_t: past field, scope, time stamp and latency, the type of the value, nvmlReturn_t; then the value."""
_VALUES: Mapping[int, tuple[str, int]] = {
    0: ("d", 64),
    1: ("I4x", 32),
    2: ("Q", 64),
    3: ("Q", 64),
    4: ("q", 64),
    5: ("i4x", 32),
    6: ("H6x", 64),
}
"""By nvmlValueType_t: how the value lies in its eight bytes, and after how many bits a counter of it begins anew."""
_UNKNOWN = ("8x", 0)


@dataclass(frozen=True, slots=True)
class Way:
    """A function of the driver, the numbers between the card and its answer, and how the answer lies in memory.

    `version`: the answer's first word, by which the driver knows what there is room for.
    """

    function: str
    numbers: tuple[int, ...]
    layout: str
    version: int | None = None


Question = tuple[Way, ...]
"""The newest function that answers it first, then what older drivers have. Their layouts hold the same words."""

Questions = Mapping[str, Question]
"""Questions by name; a name stands for the same question always."""

Fields = Mapping[str, int | tuple[int, int]]
"""What NVML's field ids stand for by name: an id, or id and scope; a name stands for the same counter always."""

Words = tuple[Any, ...]
"""The words of an answer; a version, where it has one, is the first of them."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A call that only has to be made: `function(*arguments)` is nvmlReturn_t, and then `read(answer)` the words."""

    function: Callable[..., int]
    arguments: tuple[Any, ...]
    read: Callable[[Any], Words]
    answer: Any


def ready(way: Way, function: Callable[..., int], handle: Any) -> Ready:
    """The call of a way about the card that the handle stands for."""
    layout = struct.Struct(way.layout)
    answer = ctypes.create_string_buffer(layout.size)
    if way.version is not None:
        struct.pack_into("=I", answer, 0, way.version)
    numbers = (ctypes.c_uint(number) for number in way.numbers)
    return Ready(function, (handle, *numbers, ctypes.byref(answer)), layout.unpack_from, answer)


class Counts(NamedTuple):
    """Counters by name, and after how many bits each begins anew."""

    values: Mapping[str, int]
    bits: Mapping[str, int]


NO_COUNTS = Counts({}, {})


@dataclass(frozen=True, slots=True)
class Shape:
    """What types the driver has for the values of a batch, and how all of them are read at once.

    `heads` reads each value's type and nvmlReturn_t, which are `fine` where nothing has changed or failed; `read` reads
    the values of those in `bits`, the ones whose types are known.
    """

    fine: tuple[int, ...]
    heads: Callable[[Any], tuple[int, ...]]
    bits: Mapping[str, int]
    read: Callable[[Any], tuple[Any, ...]]


@dataclass(slots=True)
class Batch:
    """Many questions in one call: the driver's function, the array that it fills in, the last answer's shape.

    The fields are in it so that no others can have their place in memory, by which they are known.
    """

    fields: Fields
    names: tuple[str, ...]
    function: Callable[..., int]
    answers: Any
    shape: Shape


def shape_of(names: Sequence[str], kinds: Sequence[int]) -> Shape:
    """How answers of these types are read; one of a type that is not known is passed over, and has no bits."""
    fine = tuple(each for kind in kinds for each in (kind, 0))
    layout = "".join(_BEFORE + _VALUES.get(kind, _UNKNOWN)[0] for kind in kinds)
    bits = {name: _VALUES[kind][1] for name, kind in zip(names, kinds, strict=True) if kind in _VALUES}
    heads = struct.Struct(f"={_HEAD * len(kinds)}")
    return Shape(fine, heads.unpack_from, bits, struct.Struct(f"={layout}").unpack_from)
