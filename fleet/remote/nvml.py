"""The one door to NVML, and the only home of pynvml. What a card or driver lacks is None, and said once, with why.

A call that the driver does not have, or the card does not support, is never made again: most cards lack something, and
each call takes the driver's lock. Other errors may pass: the call is made again, and noted the first time only.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any

_NEVER = frozenset({3, 4, 13, 22, 25, 26})
"""nvmlReturn_t: not supported, no permission, no such function, no ECC in a virtual GPU, other version, deprecated."""
_LOST = frozenset({15, 16, 28})
"""nvmlReturn_t: the GPU is lost, needs a reset, is not found."""
_XID = 0x8
"""nvmlEventTypeXidCriticalError."""
_MOST_EVENTS = 64
"""Read at one tick; a card that raises more of them each second tells nothing new."""
_WHOLE = "*"

_FIELD = struct.Struct("<IIqqIi8s")
"""nvmlFieldValue_t: field, scope, time stamp, latency, type of the value, nvmlReturn_t, the value."""
_VALUES = {kind: struct.Struct(code) for kind, code in enumerate(("<d", "<I4x", "<Q", "<Q", "<q", "<i4x", "<H6x"))}
_NARROW = (1, 5)
"""By nvmlValueType_t: how the value lies in its eight bytes, and the types of 32 bits."""

Call = tuple[Any, ...]
"""A function of pynvml by name, and its arguments after the card."""


@dataclass(frozen=True, slots=True)
class Count:
    """A counter's value, and after how many bits it begins anew."""

    value: int
    bits: int = 64


@dataclass(frozen=True, slots=True)
class _Batch:
    """Many questions in one call: the driver's function, and the array that it fills in."""

    function: Any
    answers: Any


class Library:
    """NVML, initialised. `cards` in the driver's order, which is that of PCI addresses; `driver`: its version."""

    def __init__(self, pynvml: ModuleType) -> None:
        self._pynvml: Any = pynvml
        self.driver: str | None = self._plain("nvmlSystemGetDriverVersion")
        count = self._plain("nvmlDeviceGetCount") or 0
        self.cards = tuple(Card(pynvml, index) for index in range(count))
        self._events = self._watch()

    def xids(self) -> Mapping[int, tuple[int, ...]]:
        """The driver's error numbers since the last call, by card. Does not wait."""
        found: dict[int, tuple[int, ...]] = {}
        if self._events is None:
            return found
        for _ in range(_MOST_EVENTS):
            try:
                event = self._pynvml.nvmlEventSetWait_v2(self._events, 0)
            except self._pynvml.NVMLError:
                return found
            card = next((card for card in self.cards if card.is_at(event.device)), None)
            if card is not None and event.eventType & _XID:
                found[card.index] = (*found.get(card.index, ()), int(event.eventData))
        return found

    def process_name(self, pid: int) -> str | None:
        """The program of a process on a card."""
        name = self._plain("nvmlSystemGetProcessName", pid)
        return None if name is None else str(name)

    def ancestor(self, one: Card, other: Card) -> int | None:
        """How far two cards are from each other: nvmlGpuTopologyLevel_t, None where the driver does not tell."""
        found = self._plain("nvmlDeviceGetTopologyCommonAncestor", one.handle, other.handle)
        return None if found is None else int(found)

    def close(self) -> None:
        """Let go of the library. Never raises."""
        if self._events is not None:
            self._plain("nvmlEventSetFree", self._events)
        self._plain("nvmlShutdown")

    def _watch(self) -> Any:
        """An event set that hears of errors, with the cards that can tell; None where none can."""
        events = self._plain("nvmlEventSetCreate")
        if events is None:
            return None
        for card in self.cards:
            card.listen(_XID, events)
        return events if any(card.watched for card in self.cards) else None

    def _plain(self, name: str, *arguments: Any) -> Any:
        """A call about no card in particular; None where it fails."""
        with suppress(self._pynvml.NVMLError, AttributeError, UnicodeDecodeError):
            return getattr(self._pynvml, name)(*arguments)
        return None


class Card:
    """One GPU. `lost`: it has fallen off the bus, and is asked nothing any more. `watched`: its errors are heard of."""

    def __init__(self, pynvml: ModuleType, index: int) -> None:
        self._pynvml: Any = pynvml
        self._ways: dict[str, list[Callable[[], Any]]] = {}
        self._batches: dict[tuple[str, ...], _Batch] = {}
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

    def values(self, fields: Mapping[str, Any]) -> dict[str, Count]:
        """Many counters by one call: those of `fields` (name: NVML's field id, or id and scope) that the card has."""
        wanted = tuple(name for name in fields if name not in self._silent)
        if self.lost or not wanted:
            return {}
        batch = self._batches.get(wanted)
        try:
            if batch is None:
                batch = self._batches[wanted] = self._batch([fields[name] for name in wanted])
        except self._pynvml.NVMLError as error:
            self._refused(wanted, error)
            return {}
        if code := batch.function(self.handle, len(wanted), batch.answers):
            self._refused(wanted, self._pynvml.NVMLError(code))
            return {}
        found = {}
        for name, (*_, kind, code, value) in zip(wanted, _FIELD.iter_unpack(batch.answers), strict=True):
            if code:
                self._refused([name], self._pynvml.NVMLError(code))
            elif kind in _VALUES:
                found[name] = Count(int(_VALUES[kind].unpack(value)[0]), 32 if kind in _NARROW else 64)
        return found

    def _batch(self, ids: Sequence[Any]) -> _Batch:
        """Room for the answers to these questions. pynvml would make it anew, and slowly, each time."""
        answers = (self._pynvml.c_nvmlFieldValue_t * len(ids))()
        for answer, number in zip(answers, ids, strict=True):
            answer.fieldId, answer.scopeId = number if isinstance(number, tuple) else (number, 0)
        return _Batch(self._pynvml._nvmlGetFunctionPointer("nvmlDeviceGetFieldValues"), answers)  # noqa: SLF001 (as its own functions do)

    def news(self) -> tuple[tuple[str, str], ...]:
        """(field, reason) of what could not be read for the first time since the last call."""
        found, self._news = tuple(self._news), []
        return found

    def is_at(self, handle: Any) -> bool:
        """Whether a handle is this card's."""
        return self.handle is not None and _address(handle) == _address(self.handle)

    def _refused(self, names: Iterable[str], error: Exception) -> None:
        code = getattr(error, "value", None)
        if code in _LOST:
            self._lose(str(error))
            return
        for name in names:
            self._note(name, str(error))
            if code in _NEVER:
                self._silent.add(name)

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


def open_library() -> Library | str:
    """NVML, or why there is none: no pynvml, no driver, or a driver that does not work."""
    try:
        import pynvml  # noqa: PLC0415 (hosts without GPUs need no pynvml)
    except ImportError:
        return "nvidia-ml-py is not installed"
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return str(error)
    return Library(pynvml)


def _address(handle: Any) -> int | None:
    return ctypes.cast(handle, ctypes.c_void_p).value
