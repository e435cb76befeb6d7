"""Where a host's samples come from, held open: /proc, the control group, the agents' shared state, and NVML."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fleet.model.inventory import Device, DeviceKind
from fleet.model.samples import CardState, Lack
from fleet.remote.paths import paths
from fleet.remote.processes import descendants
from fleet.remote.prover.state import DeviceUsage, read_usages, state_file
from fleet.remote.sampling.card import Card
from fleet.remote.sampling.cards import CardReading, read_card
from fleet.remote.sampling.cardstate import card_state
from fleet.remote.sampling.cgroups import Throttling, cpu_stat_file, parse_cpu_stat, pressure_files
from fleet.remote.sampling.hostfiles import SLOW_SECONDS, HostFiles, KernelFile, ProcessFiles
from fleet.remote.sampling.nvml import Library, open_library
from fleet.remote.sampling.procfs import Process, Reading, parse_pressure

_LOOK_SECONDS = 0.04
"""So long it takes to look at the bus of a card without byte counters, both ways."""
_NO_STALLS = (None, None)
_PART = 0.2
"""Of an interval, what may go into such looks; the cards without counters take turns where it does not do for all."""


class Snapshot(NamedTuple):
    """All counters at one time: `at` on the monotonic clock, `time` in Unix seconds; devices and cards by name.

    `slow_at`: when processes, throttling and stalls were read, on the monotonic clock. `stalls`: seconds in which some
    task of the agents' control group waited for a core, and for memory.
    """

    at: float
    time: float
    host: Reading
    usage: Mapping[str, DeviceUsage]
    cards: Mapping[str, CardReading] = {}
    xids: Mapping[str, tuple[int, ...]] = {}
    processes: Mapping[int, Process] = {}
    throttling: Throttling | None = None
    stalls: tuple[float | None, float | None] = _NO_STALLS
    slow_at: float = 0.0


@dataclass(frozen=True, slots=True)
class _Slow:
    """What is read once a second. `usage`: of the devices that NVML tells about."""

    at: float
    usage: Mapping[str, DeviceUsage]
    processes: Mapping[int, Process]
    throttling: Throttling | None
    stalls: tuple[float | None, float | None]


class Sources:
    """What one sampler reads. A host's n-th CUDA device is the driver's n-th card, by PCI address.

    `every`: whether cards that nobody declared are read, too; they are then named `gpu0`, `gpu1`, … by the driver's
    order. Used by one thread.
    """

    def __init__(self, host: str, devices: tuple[Device, ...], work_dir: str, interval: float, *, every: bool) -> None:
        self._host = host
        self._names = tuple(device.name for device in devices if device.kind is not DeviceKind.CUDA)
        self._state = state_file(paths(work_dir).prover)
        self._looks = int(interval * _PART / _LOOK_SECONDS)
        self._uncounted: tuple[str, ...] = ()
        self._last: Mapping[str, CardReading] = {}
        self._host_files = HostFiles()
        self._processes = ProcessFiles()
        membership = _text(Path("/proc/self/cgroup"))
        group, pressures = cpu_stat_file(membership), pressure_files(membership)
        self._group = None if group is None else KernelFile(group)
        self._pressures = tuple(KernelFile(path) for path in pressures or ())
        self._slow: _Slow | None = None
        self._cuda = cuda = tuple(device.name for device in devices if device.kind is DeviceKind.CUDA)
        self._library: Library | None = None
        self._cards: dict[str, Card] = {}
        self._missing: list[tuple[str | None, str, str]] = []
        if cuda or every:
            self._open(cuda, every=every)

    @property
    def cards(self) -> tuple[str, ...]:
        """The names of the cards that are read."""
        return tuple(self._cards)

    def snapshot(self) -> Snapshot:
        """Read everything now. MeasureError where the agents' shared state cannot be read."""
        used = read_usages(self._state, self._names, self._processes.born) if self._names else {}
        slow = self._read_slow(used)
        watched = frozenset(self._uncounted[: self._looks])
        xids = self._library.xids() if self._library else {}
        cards = {
            name: read_card(card, self._last.get(name), snapshot=name in watched) for name, card in self._cards.items()
        }
        self._last = cards
        self._turn(cards)
        return Snapshot(
            at=time.monotonic(),
            time=time.time(),
            host=self._host_files.read(),
            usage={**used, **slow.usage},
            cards={name: reading for name, reading in cards.items() if not self._cards[name].lost},
            xids={name: xids.get(card.index, ()) for name, card in self._cards.items() if card.watched},
            processes=slow.processes,
            throttling=slow.throttling,
            stalls=slow.stalls,
            slow_at=slow.at,
        )

    def _read_slow(self, used: Mapping[str, DeviceUsage]) -> _Slow:
        """The agents' processes and what holds them back, as they were a second ago at most."""
        now = time.monotonic()
        if self._slow is None or now - self._slow.at >= SLOW_SECONDS:
            cuda = read_usages(self._state, self._cuda, self._processes.born)
            pids = frozenset(pid for each in (*used.values(), *cuda.values()) for pid in each.pids)
            throttling = None if self._group is None else parse_cpu_stat(self._group.text())
            self._slow = _Slow(now, cuda, self._processes.told(pids), throttling, self._stalls())
        return self._slow

    def _stalls(self) -> tuple[float | None, float | None]:
        if not self._pressures:
            return _NO_STALLS
        cpu, memory = (parse_pressure(file.text())[0] for file in self._pressures)
        return cpu, memory

    def states(self) -> tuple[CardState, ...]:
        """The cards as a whole, with whoever is on them."""
        if self._library is None:
            return ()
        now = time.time()
        every = (*self._names, *self._cuda)
        agents = frozenset(pid for used in read_usages(self._state, every).values() for pid in used.pids)
        ours = agents | frozenset(descendants(os.getpid()))  # a command's processes are no agents, but its guardian's
        return tuple(card_state(self._library, card, self._host, name, now, ours) for name, card in self._cards.items())

    def lacks(self) -> tuple[Lack, ...]:
        """What could not be read for the first time since this was asked last."""
        now = time.time()
        found, self._missing = self._missing, []
        seen = [Lack(host=self._host, device=name, field=of, reason=why, time=now) for name, of, why in found]
        for name, card in self._cards.items():
            seen += [Lack(host=self._host, device=name, field=of, reason=why, time=now) for of, why in card.news()]
        return tuple(seen)

    def close(self) -> None:
        """Let go of NVML and of the kernel's files. Never raises."""
        self._host_files.close()
        self._processes.close()
        for file in (*self._pressures, *(() if self._group is None else (self._group,))):
            file.close()
        if self._library is not None:
            self._library.close()

    def _turn(self, cards: Mapping[str, CardReading]) -> None:
        """Put the cards without byte counters whose bus was looked at behind those that wait."""
        uncounted = [name for name, reading in cards.items() if not reading.counted]
        waiting = [name for name in self._uncounted[self._looks :] if name in uncounted]
        self._uncounted = (*waiting, *(name for name in uncounted if name not in waiting))

    def _open(self, cuda: tuple[str, ...], *, every: bool) -> None:
        library = open_library()
        if isinstance(library, str):
            self._missing = [(name, "*", library) for name in cuda] or [(None, "gpus", library)]
            return
        self._library = library
        names = (*cuda, *(f"gpu{card.index}" for card in library.cards[len(cuda) :])) if every else cuda
        self._cards = dict(zip(names, library.cards, strict=False))
        known = len(library.cards)
        self._missing = [(name, "*", f"the driver has {known} GPUs only") for name in cuda[known:]]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
