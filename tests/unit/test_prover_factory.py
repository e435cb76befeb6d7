"""Devices are opened as declared, or refused in one line."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest
from prover_usage import read_usage

from fleet.errors import ConfigurationError
from fleet.model.inventory import Device, DeviceKind, Emulation
from fleet.remote.prover import cpu
from fleet.remote.prover.device import ProverDevice
from fleet.remote.prover.factory import open_device
from fleet.remote.prover.memory import OutOfMemory
from fleet.remote.prover.state import state_file
from fleet.remote.prover.trace import make_trace

CORE = Device(name="core0", kind=DeviceKind.CPU, model="core")


def opened(device: Device, state_dir: Path, time_scale: float = 1.0, bus: float | None = None) -> ProverDevice:
    """The device, for traces of four columns."""
    return open_device(device, host_bus=bus, time_scale=time_scale, state_dir=state_dir, core=None, columns=4)


def test_a_cpu_device_proves_the_whole_trace_in_real_time(tmp_path: Path) -> None:
    """Digest as computed directly, time as it passed, memory and busy time as used."""
    trace = make_trace(1, 0, 9, 4)
    with closing(opened(CORE, tmp_path)) as device:
        device.warm_up(9)
        proved = device.prove(trace, 9)
        usage = read_usage(state_file(tmp_path), "core0")
    assert proved.digest == cpu.prove(trace, 4)
    assert proved.transfer_seconds == proved.late == 0.0
    assert 0.0 < proved.seconds <= usage.busy_seconds_total
    assert usage.memory_used == cpu.working_memory(9, 4)


def test_a_cpu_device_keeps_to_declared_memory(tmp_path: Path) -> None:
    """A limit is a limit, on real devices too."""
    device = Device(name="core0", kind=DeviceKind.CPU, model="core", memory=cpu.working_memory(9, 4))
    with closing(opened(device, tmp_path)) as agent:
        agent.warm_up(9)
        with pytest.raises(OutOfMemory):
            agent.warm_up(10)


def test_a_cpu_device_refuses_a_trace_of_another_size(tmp_path: Path) -> None:
    """Real rows for real cycles: a small trace in a large segment's place would be a wrong figure."""
    with closing(opened(CORE, tmp_path)) as device, pytest.raises(ValueError, match=r"2\^10 cycles .* not 2\^9"):
        device.prove(make_trace(1, 0, 9, 4), 10)


def test_a_cpu_device_is_pinned_to_its_core(tmp_path: Path) -> None:
    """The agent's thread stays on the core it was given; a core that is not there is no reason to fail."""
    allowed = os.sched_getaffinity(0)
    try:
        for core in (min(allowed), 100_000):
            open_device(CORE, host_bus=None, time_scale=1, state_dir=tmp_path, core=core, columns=4).close()
            assert os.sched_getaffinity(0) == {min(allowed)}
    finally:
        os.sched_setaffinity(0, allowed)


def emulated(emulation: Emulation | None) -> Device:
    """A card of that kind."""
    return Device(name="gpu0", kind=DeviceKind.EMULATED, model="card", emulation=emulation)


@pytest.mark.parametrize(
    ("device", "time_scale", "bus", "complaint"),
    [
        (Device(name="gpu0", kind=DeviceKind.CUDA, model="A4000"), 1.0, None, "gpu0: CUDA cannot .*(cuda13|smi)"),
        (CORE, 25.0, None, "core0 runs in real time .*time_scale"),
        (emulated(None), 1.0, None, "gpu0 is emulated but declares no figures"),
        (emulated(Emulation(cycles_per_second=0.0)), 1.0, None, "gpu0: cycles_per_second"),
        (emulated(Emulation(cycles_per_second=float("nan"))), 1.0, None, "above zero"),
        (emulated(Emulation(cycles_per_second=1.0)), float("inf"), None, "above zero"),
        (emulated(Emulation(cycles_per_second=1.0)), 1.0, -1.0, "above zero"),
    ],
)
def test_what_cannot_be_opened_is_refused(
    device: Device, time_scale: float, bus: float | None, complaint: str, tmp_path: Path
) -> None:
    """One line that names the device and the cure; nothing is left behind, and CUDA is never imitated."""
    with pytest.raises(ConfigurationError, match=complaint):
        opened(device, tmp_path, time_scale, bus)
    assert list(tmp_path.iterdir()) == []
