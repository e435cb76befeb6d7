"""What seldom changes about a GPU, or costs too much to ask each second: asked when sampling begins, and at a mark."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fleet.model.samples import CardProcess, CardState
from fleet.remote.sampling.card import Call, Card
from fleet.remote.sampling.cardcalls import Fields
from fleet.remote.sampling.nvml import Library

PCI_DEVICES = Path("/sys/bus/pci/devices")
"""Every PCI device's folder by its address, which lies in that of the bridge above it."""

_MHZ = 1e6
_MILLI = 1e-3
_TEXT_LIMIT = 200
_MOST_PROCESSES = 128
_LINK_COUNT: Fields = {"nvlinks": 91}
"""NVML_FI_DEV_NVLINK_LINK_COUNT."""
_SM = 1
_LOCKED = 0x2
"""The bit of the clock event reasons that says: application clocks hold it down."""
_MODES = {0: "default", 1: "exclusive thread", 2: "prohibited", 3: "exclusive process"}
_GENERATIONS = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6}
"""By gigatransfers per second of a lane, as sysfs tells a link's speed."""
_ADDRESS = re.compile(r"(?:[0-9A-Fa-f]{4})?([0-9A-Fa-f]{4}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7])\Z")

_CALLS: Mapping[str, tuple[Call, ...]] = {
    "uuid": (("nvmlDeviceGetUUID",),),
    "model": (("nvmlDeviceGetName",),),
    "address": (("nvmlDeviceGetPciInfo",),),
    "memory_total": (("nvmlDeviceGetMemoryInfo", 0x02000028), ("nvmlDeviceGetMemoryInfo",)),
    "power_limit": (("nvmlDeviceGetEnforcedPowerLimit",),),
    "power_limit_default": (("nvmlDeviceGetPowerManagementDefaultLimit",),),
    "sm_clock_max": (("nvmlDeviceGetMaxClockInfo", _SM),),
    "memory_clock_max": (("nvmlDeviceGetMaxClockInfo", 2),),
    "pcie_generation_max": (("nvmlDeviceGetMaxPcieLinkGeneration",),),
    "pcie_width_max": (("nvmlDeviceGetMaxPcieLinkWidth",),),
    "pcie_generation": (("nvmlDeviceGetCurrPcieLinkGeneration",),),
    "pcie_width": (("nvmlDeviceGetCurrPcieLinkWidth",),),
    "ecc_on": (("nvmlDeviceGetEccMode",),),
    "ecc_corrected": (("nvmlDeviceGetTotalEccErrors", 0, 0),),
    "ecc_uncorrected": (("nvmlDeviceGetTotalEccErrors", 1, 0),),
    "remapped_rows": (("nvmlDeviceGetRemappedRows",),),
    "mig": (("nvmlDeviceGetMigMode",),),
    "compute_mode": (("nvmlDeviceGetComputeMode",),),
    "persistence": (("nvmlDeviceGetPersistenceMode",),),
    "clocks_locked": (("nvmlDeviceGetApplicationsClock", _SM),),
    "default_clock": (("nvmlDeviceGetDefaultApplicationsClock", _SM),),
    "throttle": (("nvmlDeviceGetCurrentClocksEventReasons",), ("nvmlDeviceGetCurrentClocksThrottleReasons",)),
}
_RETIRED = ("retired_pages", "retired_pages (double bit)")
_COMPUTE: Call = ("nvmlDeviceGetComputeRunningProcesses_v3",)
_OLD_COMPUTE: Call = ("nvmlDeviceGetComputeRunningProcesses_v2",)
_GRAPHICS: Call = ("nvmlDeviceGetGraphicsRunningProcesses_v3",)
_MPS: tuple[Call, ...] = (
    ("nvmlDeviceGetMPSComputeRunningProcesses_v3",),
    ("nvmlDeviceGetMPSComputeRunningProcesses_v2",),
)


def card_state(
    library: Library,
    card: Card,
    host: str,
    device: str,
    now: float,
    ours: Collection[int],
    devices: Path = PCI_DEVICES,
) -> CardState:
    """The state of a card at `now` (Unix seconds); `ours`: the process numbers of the fleet's own agents there."""
    told = {name: card.ask(name, *calls) for name, calls in _CALLS.items()}
    ecc, mig, rows, mode = told["ecc_on"], told["mig"], told["remapped_rows"], told["compute_mode"]
    shared, address = card.ask("mps", *_MPS), _pci(told["address"])
    generation, width = _link(told, devices / address if address else None)
    state = CardState(
        host=host,
        device=device,
        time=now,
        uuid=_text(told["uuid"]),
        model=_text(told["model"]),
        driver=_text(library.driver),
        address=address,
        memory_total=None if told["memory_total"] is None else int(told["memory_total"].total),
        power_limit=_scaled(told["power_limit"], _MILLI),
        power_limit_default=_scaled(told["power_limit_default"], _MILLI),
        sm_clock_max=_scaled(told["sm_clock_max"], _MHZ),
        memory_clock_max=_scaled(told["memory_clock_max"], _MHZ),
        pcie_generation_max=generation,
        pcie_width_max=width,
        nvlinks=_nvlinks(card),
        ecc_on=None if ecc is None else bool(ecc[0]),
        ecc_corrected=told["ecc_corrected"],
        ecc_uncorrected=told["ecc_uncorrected"],
        retired_pages=_retired(card),
        remapped_rows=None if rows is None else rows[0] + rows[1],
        remap_pending=None if rows is None else bool(rows[2] or rows[3]),
        mig=None if mig is None else bool(mig[0]),
        mps=None if shared is None else bool(shared),
        compute_mode=None if mode is None else _MODES.get(mode, str(mode)),
        persistence=None if told["persistence"] is None else bool(told["persistence"]),
        clocks_locked=_locked(told),
        processes=_processes(library, card, ours),
        lost=card.lost,
    )
    return state if not card.lost else CardState(host=host, device=device, time=now, uuid=state.uuid, lost=True)


def _link(told: Mapping[str, Any], sysfs: Path | None) -> tuple[int | None, int | None]:
    """The PCIe generation and the lanes that card and slot can do: NVML's, or those of the bridge above where fewer.

    Many drivers name the card's own lanes whatever its slot is wired with. A bridge that claims less than the card has
    right now is a hypervisor's, which stands for no wires.
    """
    most = told["pcie_generation_max"], told["pcie_width_max"]
    bridge = _bridge(sysfs) if sysfs else None
    now = told["pcie_generation"], told["pcie_width"]
    if bridge is None or any(has is not None and can < has for can, has in zip(bridge, now, strict=True)):
        return most
    generation, width = (None if own is None else min(own, can) for own, can in zip(most, bridge, strict=True))
    return generation, width


def _bridge(sysfs: Path) -> tuple[int, int] | None:
    """The generation and the lanes that the bridge above a PCI device can do; None where none tells."""
    with suppress(OSError, ValueError, IndexError, KeyError):
        above = sysfs.resolve(strict=True).parent
        speed, width = ((above / name).read_text(encoding="ascii") for name in ("max_link_speed", "max_link_width"))
        return _GENERATIONS[float(speed.split()[0])], int(width)
    return None


def _locked(told: Mapping[str, Any]) -> bool | None:
    """Whether the operator holds the clocks: another application clock than the default, or the driver says so."""
    if told["throttle"] is not None and told["throttle"] & _LOCKED:
        return True
    if told["clocks_locked"] is None or told["default_clock"] is None:
        return None
    return bool(told["clocks_locked"] != told["default_clock"])


def _nvlinks(card: Card) -> int | None:
    """How many NVLinks are up; None where the card has none."""
    (links,) = card.values(_LINK_COUNT).values
    if links is None:
        return None
    states = (card.ask(f"nvlink {link}", ("nvmlDeviceGetNvLinkState", link)) for link in range(int(links)))
    return sum(1 for state in states if state)


def _retired(card: Card) -> int | None:
    """Pages of its memory that are used no more, for either cause."""
    found = [card.ask(name, ("nvmlDeviceGetRetiredPages", cause)) for cause, name in enumerate(_RETIRED)]
    return None if None in found else sum(len(pages) for pages in found)


def _processes(library: Library, card: Card, ours: Collection[int]) -> tuple[CardProcess, ...] | None:
    """Who is on the card; None where the driver does not tell, as in some containers."""
    computing = card.ask("processes", _COMPUTE, _OLD_COMPUTE)
    if computing is None:
        return None
    drawing = card.ask("graphics", _GRAPHICS) or []
    found = {each.pid: each for each in _shown(library, drawing, ours, graphics=True)}
    found |= {each.pid: each for each in _shown(library, computing, ours, graphics=False)}
    return tuple(found[pid] for pid in sorted(found))[:_MOST_PROCESSES]


def _shown(library: Library, seen: list[Any], ours: Collection[int], *, graphics: bool) -> Iterator[CardProcess]:
    for each in seen[:_MOST_PROCESSES]:
        yield CardProcess(
            pid=each.pid,
            name=_text(library.process_name(each.pid)),
            ours=each.pid in ours,
            memory=each.usedGpuMemory,
            graphics=graphics,
        )


def _pci(found: Any) -> str | None:
    """A PCI address as sysfs writes it; NVML's domain has eight digits."""
    match = _ADDRESS.match(_text(found.busId) or "") if found is not None else None
    return match[1].lower() if match else None


def _text(found: Any) -> str | None:
    if found is None:
        return None
    text = found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
    return text[:_TEXT_LIMIT]


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
