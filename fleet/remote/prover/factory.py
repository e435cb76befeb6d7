"""Opens an agent's device as the inventory declares it: the one place that knows every kind."""

from __future__ import annotations

import math
from pathlib import Path
from typing import assert_never

from fleet.errors import ConfigurationError
from fleet.model.inventory import Device, DeviceKind
from fleet.remote.prover.cpu_device import CpuDevice
from fleet.remote.prover.cuda import CudaDevice, open_card
from fleet.remote.prover.device import ProverDevice
from fleet.remote.prover.emulated import EmulatedDevice
from fleet.remote.prover.mps import choose_mps
from fleet.remote.prover.state import AgentSeat, state_file


def open_device(
    device: Device,
    *,
    host_bus: float | None,
    time_scale: float,
    state_dir: Path,
    core: int | None,
    columns: int,
    effort: int = 1,
) -> ProverDevice:
    """One agent's handle on a device; `host_bus` in bytes per emulated second, `core` for CPU devices.

    `effort`: how often a card does the work of each segment and join before it answers.

    ConfigurationError for a device that cannot be opened as declared, MeasureError where `state_dir` cannot be used.
    """
    match device.kind:
        case DeviceKind.CPU:
            _in_real_time(device, time_scale)
            seat = AgentSeat(state_file(state_dir), device.name)
            return CpuDevice(memory=device.memory, core=core, columns=columns, seat=seat)
        case DeviceKind.EMULATED:
            return _open_emulated(
                device, host_bus=host_bus, time_scale=time_scale, state_dir=state_dir, columns=columns
            )
        case DeviceKind.CUDA:
            return _open_cuda(device, time_scale=time_scale, state_dir=state_dir, columns=columns, effort=effort)
        case _:
            assert_never(device.kind)


def _in_real_time(device: Device, time_scale: float) -> None:
    if time_scale != 1:
        hint = "time_scale must be 1 unless all are emulated"
        raise ConfigurationError(f"device {device.name} runs in real time", hint=hint)


def _open_cuda(device: Device, *, time_scale: float, state_dir: Path, columns: int, effort: int) -> CudaDevice:
    _in_real_time(device, time_scale)
    choose_mps(device.name, wanted=device.mps)
    board = open_card(device.name)
    try:
        seat = AgentSeat(state_file(state_dir), device.name)
        return CudaDevice(board, memory=device.memory, columns=columns, seat=seat, effort=effort)
    except BaseException:
        board.close()
        raise


def _open_emulated(
    device: Device, *, host_bus: float | None, time_scale: float, state_dir: Path, columns: int
) -> EmulatedDevice:
    declared = device.emulation
    if declared is None:
        raise ConfigurationError(f"device {device.name} is emulated but declares no figures", hint="add `emulation:`")
    rates = (declared.cycles_per_second, time_scale, 1.0 if host_bus is None else host_bus)
    if not all(math.isfinite(rate) and rate > 0 for rate in rates):
        raise ConfigurationError(f"device {device.name}: cycles_per_second, bus and time_scale must be above zero")
    return EmulatedDevice(
        declared,
        memory=device.memory,
        bus=host_bus,
        time_scale=time_scale,
        columns=columns,
        seat=AgentSeat(state_file(state_dir), device.name),
    )
