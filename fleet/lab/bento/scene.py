"""What the stand-ins emulate: a small JSON file that every container of the lab can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from fleet.model.inventory import Device, DeviceKind, Emulation, Host, Inventory

PLACE = Path("/run/fleet-lab")
"""Where containers have their host's home: the scene is in it, and what their agents share, where samplers look."""
FILE = "bento-scene.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The head's cards as they are declared, its bus (bytes per emulated second), and the synthetic guest's figures."""

    devices: tuple[Device, ...]
    bus: float | None
    time_scale: float
    executor_rate: float
    columns: int
    trace_po2: int


def scene_of(inventory: Inventory, head: Host) -> Scene:
    """The scene that an inventory declares for its head."""
    guest = inventory.workload
    return Scene(
        devices=head.devices,
        bus=head.bus,
        time_scale=inventory.time_scale,
        executor_rate=guest.executor_rate,
        columns=guest.columns,
        trace_po2=guest.trace_po2,
    )


def written(scene: Scene) -> str:
    """As JSON."""
    return json.dumps(asdict(scene))


def read(folder: Path = PLACE) -> Scene:
    """The scene of a folder, as fleet itself wrote it."""
    found = json.loads((folder / FILE).read_text("utf-8"))
    return Scene(**{**found, "devices": tuple(_device(each) for each in found["devices"])})


def _device(found: Mapping[str, object]) -> Device:
    name, model, memory, emulation = (found[key] for key in ("name", "model", "memory", "emulation"))
    return Device(
        name=str(name),
        kind=DeviceKind(str(found["kind"])),
        model=str(model),
        memory=memory if isinstance(memory, int) else None,
        emulation=Emulation(**emulation) if isinstance(emulation, dict) else None,
    )
