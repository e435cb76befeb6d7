"""One GPU, asked through NVML.

A call that the driver does not have, or the card does not support, is never made again: most cards lack something, and
each call takes the driver's lock. Other errors may pass: the call is made again, and noted the first time only.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

from fleet.remote.sampling.cardcalls import (
    NO_COUNTS,
    UNSIGNED,
    Batch,
    Counts,
    Fields,
    Questions,
    Ready,
    Way,
    Words,
    ready,
    shape_of,
)

_NEVER = frozenset({3, 4, 13, 22, 25, 26})
"""nvmlReturn_t: not supported, no permission, no such function, no ECC in a virtual GPU, other version, deprecated."""
_LOST = frozenset({15, 16, 28})
"""nvmlReturn_t: the GPU is lost, needs a reset, is not found."""
_WHOLE = "*"

Call = tuple[Any, ...]
"""A function of pynvml by name, and its arguments after the card."""


@dataclass(slots=True)
class _Asked:
    """A question that a card is asked at each tick: the ways that are left, and the first of them made ready."""

    ways: list[Way]
    call: Ready | None = None


class _Plan(NamedTuple):
    """What is asked at a tick without a thought: by name, the function, what it is given, how its answer is read.

    The questions are in it so that no others can have their place in memory, by which they are known.
    """

    questions: Questions
    steps: tuple[tuple[str, Callable[..., int], tuple[Any, ...], Callable[[Any], Words], Any], ...]


class Card:
    """One GPU. `lost`: it has fallen off the bus, and is asked nothing any more. `watched`: its errors are heard of."""

    def __init__(self, pynvml: ModuleType, index: int) -> None:
        self._pynvml: Any = pynvml
        self._ways: dict[str, list[Callable[[], Any]]] = {}
        self._asked: dict[str, _Asked] = {}
        self._plans: dict[int, _Plan] = {}
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

    def answers(self, questions: Questions) -> dict[str, Words]:
        """The words of every answer that there is; made for asking at each tick, what `ask` does once."""
        if self.lost:
            return {}
        plan = self._plans.get(id(questions))
        if plan is None:
            return self._ask_in_turn(questions)
        found: dict[str, Words] = {}
        failed = False
        for name, function, arguments, read, answer in plan.steps:
            if function(*arguments):
                failed = True
            else:
                found[name] = read(answer)
        if failed:
            del self._plans[id(questions)]
            return self._ask_in_turn(questions, found)
        return found

    def _ask_in_turn(self, questions: Questions, found: dict[str, Words] | None = None) -> dict[str, Words]:
        """Ask what is not `found` yet, each in the first way that answers; and plan to go by these from now on."""
        found = found or {}
        for name, ways in questions.items():
            asked = self._asked.get(name)
            if asked is None:
                asked = self._asked[name] = _Asked(list(ways))
            if name not in found and asked.ways and not self.lost and (words := self._search(name, asked)) is not None:
                found[name] = words
        if self.lost:
            return {}
        left = {name: self._asked[name] for name in questions if self._asked[name].ways}
        calls = {name: asked.call for name, asked in left.items() if asked.call is not None}
        if len(calls) == len(left):
            steps = tuple((name, call.function, call.arguments, call.read, call.answer) for name, call in calls.items())
            self._plans[id(questions)] = _Plan(questions, steps)
        return found

    def _search(self, name: str, asked: _Asked) -> Words | None:
        """Ask in one way after the other until one answers, and keep to it; None where none does."""
        why = ""
        while asked.ways:
            code, why = self._attempt(asked)
            if asked.call is not None and not code:
                return asked.call.read(asked.call.answer)
            if code in _LOST:
                self._lose(why)
                return None
            if code not in _NEVER:
                break
            del asked.ways[0]
            asked.call = None
        self._note(name, why)
        return None

    def _attempt(self, asked: _Asked) -> tuple[int, str]:
        """Ask in the first way that is left: nvmlReturn_t, and what it means."""
        try:
            if asked.call is None:
                function = self._pynvml._nvmlGetFunctionPointer(asked.ways[0].function)  # noqa: SLF001 (as its own functions do)
                asked.call = ready(asked.ways[0], function, self.handle)
            code = asked.call.function(*asked.call.arguments)
        except self._pynvml.NVMLError as error:
            return int(error.value), str(error)
        return code, str(self._pynvml.NVMLError(code)) if code else ""

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
        """Many counters by one call: those of `fields` that the card has."""
        if self.lost:
            return NO_COUNTS
        batch = self._batches.get(id(fields))
        if batch is None:
            try:
                batch = self._batches[id(fields)] = self._batch(fields)
            except self._pynvml.NVMLError as error:
                self._refused(fields, error)
                return NO_COUNTS
        if not batch.names:
            return NO_COUNTS
        if code := batch.function(self.handle, len(batch.names), batch.answers):
            self._refused(batch.names, self._pynvml.NVMLError(code))
            return NO_COUNTS
        return self._counts(batch)

    def _counts(self, batch: Batch) -> Counts:
        """What the driver has filled in. A value that it refuses, or of a type that is not known, is left out."""
        shape = batch.shape
        heads = shape.heads(batch.answers)
        if heads == shape.fine:
            return Counts(dict(zip(shape.bits, shape.read(batch.answers), strict=True)), shape.bits)
        shape = batch.shape = shape_of(batch.names, heads[::2])
        found = dict(zip(shape.bits, shape.read(batch.answers), strict=True))
        for name, code in zip(batch.names, heads[1::2], strict=True):
            if code:
                self._refused([name], self._pynvml.NVMLError(code))
                found.pop(name, None)
        return Counts(found, shape.bits)

    def _batch(self, fields: Fields) -> Batch:
        """Room for the answers to these questions. pynvml would make it anew, and slowly, each time."""
        names = tuple(name for name in fields if name not in self._silent)
        answers = (self._pynvml.c_nvmlFieldValue_t * len(names))()
        for answer, name in zip(answers, names, strict=True):
            number = fields[name]
            answer.fieldId, answer.scopeId = number if isinstance(number, tuple) else (number, 0)
        function = self._pynvml._nvmlGetFunctionPointer("nvmlDeviceGetFieldValues")  # noqa: SLF001 (as its own functions do)
        return Batch(fields, names, function, answers, shape_of(names, (UNSIGNED,) * len(names)))

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
