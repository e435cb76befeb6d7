"""Which layouts there could be: devices of hosts, agents on them, and the segment size their memory allows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleet.model.inventory import Device, Host, Inventory
from fleet.model.trial import AgentSpec, Layout
from fleet.plan.trials.segments import RESERVED_CYCLES

SMALLEST_PO2 = RESERVED_CYCLES.bit_length()
"""Below it a segment has no room for the guest."""

Placement = tuple[Host, tuple[Device, ...]]
"""A host and those of its devices that are to prove."""


def memory_needed(po2: int) -> float:
    """Bytes that one agent needs for segments of 2^po2 cycles: M = 1.3 + 8.1·2^(po2 − 20) GB.

    A prior, fitted to the vendor's 9–10, 17–18 and 32–34 GB at po2 20, 21 and 22; the ceiling experiment corrects it.
    """
    return (1.3 + 8.1 * 2.0 ** (po2 - 20)) * 1e9


def feasible(devices: Iterable[Device], agents: int, po2: int) -> bool:
    """Whether the prior lets `agents` agents prove on each device; devices that do not tell their memory pass."""
    return all(d.memory is None or agents * memory_needed(po2) <= d.memory for d in devices)


def po2_bounds(inventory: Inventory) -> tuple[int, int]:
    """The smallest and largest segment size that may be tried; of a command, its first and last setting."""
    first, last = inventory.po2_range
    if inventory.command is not None:
        return first, last
    return max(first, SMALLEST_PO2), max(last, SMALLEST_PO2)


def prior_po2(inventory: Inventory, devices: Sequence[Device], agents: int = 1) -> int:
    """The largest segment size in range that the memory prior allows on all these devices.

    Where no device tells its memory, the size that cuts the load into about 32 segments: enough to share out, few
    enough to be quick. Of a command, the least demanding setting.
    """
    low, high = po2_bounds(inventory)
    if inventory.command is not None:
        return low
    if all(d.memory is None for d in devices):
        return min(max(inventory.workload.iterations.bit_length() + 7, low), high)
    sizes = [po2 for po2 in range(low, high + 1) if feasible(devices, agents, po2)]
    return max(sizes, default=low)


def layout_of(places: Iterable[Placement], agents: int, po2: int) -> Layout:
    """`agents` agents on every device of these places."""
    specs = [
        AgentSpec(host=host.name, device=device.name, slot=slot)
        for host, devices in places
        for device in devices
        for slot in range(agents)
    ]
    return Layout(agents=tuple(sorted(specs)), po2=po2)


def whole(hosts: Iterable[Host]) -> tuple[Placement, ...]:
    """All devices of these hosts; hosts without any are left out."""
    return tuple((host, host.devices) for host in hosts if host.devices)


def in_service(inventory: Inventory, usable: frozenset[str]) -> tuple[Host, ...]:
    """The usable hosts that prove today, in the inventory's order."""
    return tuple(h for h in inventory.hosts if h.name in usable and not h.candidate and h.devices)


def candidates(inventory: Inventory, usable: frozenset[str]) -> tuple[Host, ...]:
    """The usable hosts that could be added, in the inventory's order."""
    return tuple(h for h in inventory.hosts if h.name in usable and h.candidate and h.devices)


def devices_of(inventory: Inventory, layout: Layout) -> tuple[Device, ...]:
    """The devices of a layout, in the layout's order. KeyError where the inventory lacks one."""
    by_name = {(host.name, device.name): device for host in inventory.hosts for device in host.devices}
    return tuple(by_name[pair] for pair in layout.devices)
