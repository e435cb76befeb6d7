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
_UNKNOWN = ("Q", 0)
_WORD = 8


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
"""The words of answers, one question's after the other's; None where there is no answer."""

Call = tuple[Callable[..., int], tuple[Any, ...]]
"""A function of the driver with what it is given: `function(*arguments)` is nvmlReturn_t."""


@dataclass(slots=True)
class Slot:
    """A question's place on a sheet: its bytes, which of the words are its, the ways that are left to ask it.

    `call`: the first of these ways, ready to be gone; None where none is left.
    """

    name: str
    ways: list[Way]
    place: slice
    words: slice
    call: Call | None = None

    def layout(self, question: Question) -> str:
        """How its bytes are read; where nobody answers any more, as if the oldest function did."""
        layout = (self.ways or question[-1:])[0].layout.removeprefix("=")
        return f"{layout}{self.place.stop - self.place.start - struct.calcsize(f'={layout}')}x"


@dataclass(slots=True)
class Sheet:
    """What a card answers to some questions, one after the other in memory, and the calls that fill it in.

    The questions are in it so that no others can have their place in memory, by which they are known. `asked`: those
    that are asked, by `calls`; `whole`: all are.
    """

    questions: Questions
    slots: tuple[Slot, ...]
    answer: ctypes.Array[ctypes.c_char]
    asked: tuple[Slot, ...] = ()
    calls: tuple[Call, ...] = ()
    whole: bool = False
    read: Callable[[Any], Words] = struct.Struct("").unpack_from

    @property
    def nothing(self) -> Words:
        """No answer at all."""
        return (None,) * int(self.slots[-1].words.stop)

    def make_ready(self, slot: Slot, function: Callable[..., int], handle: Any) -> None:
        """Have a question asked in the first way that is left, by that function of the driver."""
        way, begin = slot.ways[0], slot.place.start
        ctypes.memset(ctypes.byref(self.answer, begin), 0, slot.place.stop - begin)
        if way.version is not None:
            struct.pack_into("=I", self.answer, begin, way.version)
        numbers = (ctypes.c_uint(number) for number in way.numbers)
        slot.call = function, (handle, *numbers, ctypes.byref(self.answer, begin))

    def settle(self) -> None:
        """Go by the ways that are left from now on."""
        self.asked = tuple(slot for slot in self.slots if slot.call is not None)
        self.calls = tuple(slot.call for slot in self.asked if slot.call is not None)
        self.whole = len(self.asked) == len(self.slots)
        self.read = struct.Struct("=" + "".join(s.layout(self.questions[s.name]) for s in self.slots)).unpack_from


def sheet_of(questions: Questions) -> Sheet:
    """Room for the answers to these questions, none of which is asked yet."""
    slots, at, word = [], 0, 0
    for name, ways in questions.items():
        sizes = [struct.Struct(way.layout) for way in ways]
        end, words = (
            at + -(-max(each.size for each in sizes) // _WORD) * _WORD,
            len(sizes[0].unpack(bytes(sizes[0].size))),
        )
        slots.append(Slot(name, list(ways), slice(at, end), slice(word, word + words)))
        at, word = end, word + words
    return Sheet(questions, tuple(slots), ctypes.create_string_buffer(at))


class Counts(NamedTuple):
    """Counters in the order of their fields, and after how many bits each begins anew; None, 0: not told."""

    values: tuple[Any, ...]
    bits: tuple[int, ...]


def no_counts(fields: Fields) -> Counts:
    """None of these is told."""
    return Counts((None,) * len(fields), (0,) * len(fields))


@dataclass(frozen=True, slots=True)
class Shape:
    """What types the driver has for the values of a batch, and how all of them are read at once.

    `heads` reads each value's type and nvmlReturn_t, which are `fine` where nothing has changed or failed, and all the
    types are known. `bits`: of each value, 0 where its type is not.
    """

    fine: tuple[int, ...]
    heads: Callable[[Any], tuple[int, ...]]
    bits: tuple[int, ...]
    read: Callable[[Any], tuple[Any, ...]]


@dataclass(slots=True)
class Batch:
    """Many questions in one call: the driver's function, the array that it fills in, the last answer's shape.

    The fields are in it so that no others can have their place in memory, by which they are known. `names`: those that
    are asked; `whole`: all are.
    """

    fields: Fields
    names: tuple[str, ...]
    whole: bool
    function: Callable[..., int]
    answers: Any
    shape: Shape


def shape_of(kinds: Sequence[int]) -> Shape:
    """How answers of these types are read."""
    found = [_VALUES.get(kind, _UNKNOWN) for kind in kinds]
    heads = struct.Struct(f"={_HEAD * len(kinds)}")
    read = struct.Struct("=" + "".join(_BEFORE + layout for layout, _ in found))
    fine = tuple(each for kind in kinds for each in (kind, 0)) if _UNKNOWN not in found else ()
    return Shape(fine, heads.unpack_from, tuple(bits for _, bits in found), read.unpack_from)
