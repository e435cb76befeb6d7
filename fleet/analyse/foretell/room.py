"""What is possible at all: slots and power in the box, memory on the devices, sizes that ran out of it."""

from __future__ import annotations

from fleet.analyse.evidence.findings import Findings
from fleet.analyse.foretell.changes import parts_of
from fleet.analyse.foretell.outlook import Workbench
from fleet.model.inventory import Device
from fleet.model.record import Outcome
from fleet.model.samples import DeviceSample
from fleet.model.trial import Layout
from fleet.units import format_setting


def no_room(found: Findings, gpus: int) -> str | None:
    """Why so many more GPUs cannot go into the box; None where they can, or nobody says.

    Each is taken to draw what the box's own ones drew at most.
    """
    box = found.box
    if box.free_slots is not None and gpus > box.free_slots:
        slots = "no free slot" if box.free_slots == 0 else f"{box.free_slots} free slot{'s' * (box.free_slots > 1)}"
        return f"{box.name} has {slots}"
    if box.spare_power == 0:
        return f"{box.name} has no power to spare"
    drawn = _drawn(found)
    if box.spare_power is not None and drawn is not None and gpus * drawn > box.spare_power:
        return f"{box.name} has {box.spare_power:.0f} W to spare, and a device there drew up to {drawn:.0f} W"
    return None


def _drawn(found: Findings) -> float | None:
    """The most that one of the box's devices drew in any trial, in watts; None where none told."""
    samples = (s for seen in found.log.observations for s in seen.telemetry.samples if isinstance(s, DeviceSample))
    told = (s.power for s in samples if s.host == found.box.name and s.power is not None)
    return max(told, default=None)


def too_large(bench: Workbench, layout: Layout) -> str | None:
    """Why these segments and agents do not fit these devices; None where they do, as far as is known."""
    if bench.found.arm(layout) is not None:
        return None
    devices = _devices(bench, layout)
    each = "1 agent" if layout.agents_per_device == 1 else f"{layout.agents_per_device} agents"
    models = {device.model for device in devices}
    for seen in bench.found.log.observations:
        tried = seen.trial.layout
        if (
            seen.outcome is Outcome.OUT_OF_MEMORY
            and tried.po2 <= layout.po2
            and tried.agents_per_device <= layout.agents_per_device
            and models & {device.model for device in bench.found.devices(tried)}
        ):
            setting = format_setting(layout.po2)
            return f"{setting} with {each} a device does not fit: {tried.label} ran out of memory in this run"
    if _proven(bench, layout) or bench.premises.fits(devices, layout.agents_per_device, layout.po2):
        return None
    return f"{format_setting(layout.po2)} with {each} a device needs more memory than {', '.join(sorted(models))} has"


def _proven(bench: Workbench, layout: Layout) -> bool:
    """Whether the devices in service completed as large segments with as many agents."""
    return any(
        arm.layout.po2 >= layout.po2 and arm.layout.agents_per_device >= layout.agents_per_device
        for arm in bench.found.on_devices(bench.base.layout)
    )


def _devices(bench: Workbench, layout: Layout) -> tuple[Device, ...]:
    """The devices of a layout; those that are not there yet are like the first of the host they resemble."""
    inventory = bench.found.log.inventory
    found = []
    for part in parts_of(bench.found, layout):
        host = next((h for h in inventory.hosts if h.name == part.host), None) or inventory.host(part.like)
        known = {device.name: device for device in host.devices}
        found += [known.get(name, host.devices[0]) for name in part.devices]
    return tuple(found)
