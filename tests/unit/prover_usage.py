"""How busy one device has been, as the sampler reads it."""

from __future__ import annotations

from pathlib import Path

from fleet.remote.prover.state import DeviceUsage, read_usages


def read_usage(state_path: Path, device: str) -> DeviceUsage:
    """Of one of the host's devices."""
    return read_usages(state_path, (device,))[device]
