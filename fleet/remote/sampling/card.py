"""One GPU, asked through NVML.

A call that the driver does not have, or the card does not support, is never made again: most cards lack something, and
each call takes the driver's lock. Other errors may pass: the call is made again, and noted the first time only.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection
from types import ModuleType
from typing import Any

from fleet.remote.sampling.cardcalls import (
    UNSIGNED,
    Batch,
    Counts,
    Fields,
    Questions,
    Sheet,
    Slot,
    Words,
    no_counts,
    shape_of,
    sheet_of,
)

_NEVER = frozenset({3, 4, 13, 22, 25, 26})
"""nvmlReturn_t: not supported, no permission, no such function, no ECC in a virtual GPU, other version, deprecated."""
_LOST = frozenset({15, 16, 28})
"""nvmlReturn_t: the GPU is lost, needs a reset, is not found."""
_WHOLE = "*"

Call = tuple[Any, ...]
"""A function of pynvml by name, and its arguments after the card."""


class Card:
    """One GPU. `lost`: it has fallen off the bus, and is asked nothing any more. `watched`: its errors are heard of."""

    def __init__(self, pynvml: ModuleType, index: int) -> None:
        self._pynvml: Any = pynvml
        self._ways: dict[str, list[Callable[[], Any]]] = {}
        self._sheets: dict[int, Sheet] = {}
        self._batches: dict[int, Batch] = {}
        self._silent: set[str] = set()
        self._noted: set[str] = set()
        self._news: list[tuple[str, str]] = []
        self.index = index
        self.lost = False
        self.watched = False
        self.handle: Any = None
        try:
            self.handle = self._pynvml.nvmlDeviceGetHandleByIndex(index)
        except self._pynvml.NVMLError as error:
            self.lost = True
            self._note(_WHOLE, str(error))

    def ask(self, field: str, *calls: Call) -> Any:
        """The answer of the first of these calls that the driver has and the card supports; None where none has one.

        `field` names the question: its calls are looked up when it is asked for the first time.
        """
        if self.lost:
            return None
        ways = self._ways.get(field)
        if ways is None:
            ways = self._ways[field] = [self._bound(call) for call in calls]
        why: Exception | None = None
        while ways:
            try:
                return ways[0]()
            except (self._pynvml.NVMLError, UnicodeDecodeError) as error:
                why = error
                code = getattr(error, "value", None)
                if code in _LOST:
                    return self._lose(str(error))
                if code not in _NEVER:
                    break
                del ways[0]
        if why is not None:
            self._note(field, str(why))
        return None

    def answers(self, questions: Questions) -> Words:
        """The words of all answers, in the questions' order; made for asking at each tick, what `ask` does once."""
        if self.lost:
            return sheet_of(questions).nothing
        sheet = self._sheets.get(id(questions)) or self._begin(questions)
        codes = [function(*arguments) for function, arguments in sheet.calls]
        if sheet.whole and not any(codes):
            return sheet.read(sheet.answer)
        return self._patch(sheet, codes)

    def _begin(self, questions: Questions) -> Sheet:
        """Find the functions that answer these questions, which are asked by them from now on."""
        sheet = self._sheets[id(questions)] = sheet_of(questions)
        for slot in sheet.slots:
            self._make_ready(sheet, slot)
        sheet.settle()
        return sheet

    def _patch(self, sheet: Sheet, codes: list[int]) -> Words:
        """What was answered by the calls with these codes, or else by an older function."""
        failed = [
            slot for slot, code in zip(sheet.asked, codes, strict=True) if code and self._fails(sheet, slot, code)
        ]
        if self.lost:
            return sheet.nothing
        words = list(sheet.read(sheet.answer))
        for slot in (*failed, *(slot for slot in sheet.slots if slot.call is None)):
            words[slot.words] = sheet.nothing[slot.words]
        return tuple(words)

    def _fails(self, sheet: Sheet, slot: Slot, code: int) -> bool:
        """Whether a question whose call gave that code is not answered by another one either."""
        while code:
            why = str(self._pynvml.NVMLError(code))
            if code in _LOST:
                self._lose(why)
                return True
            if code not in _NEVER:
                self._note(slot.name, why)
                return True
            del slot.ways[0]
            self._make_ready(sheet, slot, why)
            sheet.settle()
            if slot.call is None:
                return True
            function, arguments = slot.call
            code = function(*arguments)
        return False

    def _make_ready(self, sheet: Sheet, slot: Slot, why: str = "") -> None:
        """Make the first way ready that the driver has a function for; `why` it is not the one before."""
        slot.call = None
        while slot.ways:
            try:
                function = self._pynvml._nvmlGetFunctionPointer(slot.ways[0].function)  # noqa: SLF001 (as its own functions do)
            except self._pynvml.NVMLError as error:
                why = str(error)
                del slot.ways[0]
            else:
                sheet.make_ready(slot, function, self.handle)
                return
        self._note(slot.name, why)

    def listen(self, kinds: int, events: Any) -> None:
        """Have an event set hear of these kinds of events, where the card tells of them."""
        if self.lost:
            return
        try:
            self._pynvml.nvmlDeviceRegisterEvents(self.handle, kinds, events)
        except self._pynvml.NVMLError as error:
            self._note("xids", str(error))
        else:
            self.watched = True

    def values(self, fields: Fields) -> Counts:
        """Many counters by one call."""
        if self.lost:
            return no_counts(fields)
        batch = self._batches.get(id(fields))
        if batch is None:
            try:
                batch = self._batches[id(fields)] = self._batch(fields)
            except self._pynvml.NVMLError as error:
                self._refused(fields, error)
                return no_counts(fields)
        if not batch.names:
            return no_counts(fields)
        if code := batch.function(self.handle, len(batch.names), batch.answers):
            self._refused(batch.names, self._pynvml.NVMLError(code))
            return no_counts(fields)
        shape = batch.shape
        if batch.whole and shape.heads(batch.answers) == shape.fine:
            return Counts(shape.read(batch.answers), shape.bits)
        return self._told(batch)

    def _told(self, batch: Batch) -> Counts:
        """What the driver has filled in. A value that it refuses, or of a type that is not known, is left out."""
        heads = batch.shape.heads(batch.answers)
        shape = batch.shape = shape_of(heads[::2])
        found = {}
        for name, code, value, bits in zip(
            batch.names, heads[1::2], shape.read(batch.answers), shape.bits, strict=True
        ):
            if code:
                self._refused([name], self._pynvml.NVMLError(code))
            elif bits:
                found[name] = value, bits
        values, widths = zip(*(found.get(name, (None, 0)) for name in batch.fields), strict=True)
        return Counts(values, widths)

    def _batch(self, fields: Fields) -> Batch:
        """Room for the answers to these questions. pynvml would make it anew, and slowly, each time."""
        names = tuple(name for name in fields if name not in self._silent)
        answers = (self._pynvml.c_nvmlFieldValue_t * len(names))()
        for answer, name in zip(answers, names, strict=True):
            number = fields[name]
            answer.fieldId, answer.scopeId = number if isinstance(number, tuple) else (number, 0)
        function = self._pynvml._nvmlGetFunctionPointer("nvmlDeviceGetFieldValues")  # noqa: SLF001 (as its own functions do)
        return Batch(fields, names, len(names) == len(fields), function, answers, shape_of((UNSIGNED,) * len(names)))

    def news(self) -> tuple[tuple[str, str], ...]:
        """(field, reason) of what could not be read for the first time since the last call."""
        found, self._news = tuple(self._news), []
        return found

    def is_at(self, handle: Any) -> bool:
        """Whether a handle is this card's."""
        return self.handle is not None and _address(handle) == _address(self.handle)

    def _refused(self, names: Collection[str], error: Exception) -> None:
        code = getattr(error, "value", None)
        if code in _LOST:
            self._lose(str(error))
            return
        for name in names:
            self._note(name, str(error))
        if code in _NEVER:
            self._silent.update(names)
            self._batches.clear()  # what is silent now is in none of those to come

    def _bound(self, call: Call) -> Callable[[], Any]:
        name, *arguments = call
        function, handle = getattr(self._pynvml, name, None), self.handle
        if function is None:
            function = self._missing
        return lambda: function(handle, *arguments)

    def _missing(self, *_: Any) -> None:
        """In the place of a function that this pynvml does not have."""
        raise self._pynvml.NVMLError(self._pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)

    def _lose(self, reason: str) -> None:
        self.lost = True
        self._note(_WHOLE, reason)

    def _note(self, field: str, reason: str) -> None:
        if field not in self._noted:
            self._noted.add(field)
            self._news.append((field, reason))


def _address(handle: Any) -> int | None:
    return ctypes.cast(handle, ctypes.c_void_p).value
