"""The one door to NVML, and the only home of pynvml. What a card or driver lacks is None, and said once, with why."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any

from fleet.remote.sampling.card import Card

_XID = 0x8
"""nvmlEventTypeXidCriticalError."""
_MOST_EVENTS = 64
"""Read at one tick; a card that raises more of them each second tells nothing new."""


class Library:
    """NVML, initialised. `cards` in the driver's order, which is that of PCI addresses; `driver`: its version."""

    def __init__(self, pynvml: ModuleType) -> None:
        self._pynvml: Any = pynvml
        self.driver: str | None = self._plain("nvmlSystemGetDriverVersion")
        count = self._plain("nvmlDeviceGetCount") or 0
        self.cards = tuple(Card(pynvml, index) for index in range(count))
        self._events = self._watch()
        self._event = pynvml.c_nvmlEventData_t()

    def xids(self) -> Mapping[int, tuple[int, ...]]:
        """The driver's error numbers since the last call, by card. Does not wait."""
        found: dict[int, tuple[int, ...]] = {}
        if self._events is None:
            return found
        wait, event = self._pynvml._nvmlGetFunctionPointer("nvmlEventSetWait_v2"), self._event  # noqa: SLF001 (as its own does, which raises at each tick)
        for _ in range(_MOST_EVENTS):
            if wait(self._events, ctypes.byref(event), 0):
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
        if events is None or self._plain("_nvmlGetFunctionPointer", "nvmlEventSetWait_v2") is None:
            return None
        for card in self.cards:
            card.listen(_XID, events)
        return events if any(card.watched for card in self.cards) else None

    def _plain(self, name: str, *arguments: Any) -> Any:
        """A call about no card in particular; None where it fails."""
        with suppress(self._pynvml.NVMLError, AttributeError, UnicodeDecodeError):
            return getattr(self._pynvml, name)(*arguments)
        return None


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
