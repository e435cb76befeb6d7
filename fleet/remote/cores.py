"""Which core a CPU device is: agents are pinned to it, and the sampler reads its counters. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleet.model.inventory import Device, DeviceKind


def core_of(device: str, devices: Sequence[Device], allowed: Iterable[int]) -> int | None:
    """The core of a host's CPU device: its n-th CPU device is the n-th core allowed, in turns where there are fewer.

    None for a device that is no CPU.
    """
    cores = sorted(allowed)
    names = [each.name for each in devices if each.kind is DeviceKind.CPU]
    return cores[names.index(device) % len(cores)] if device in names and cores else None
