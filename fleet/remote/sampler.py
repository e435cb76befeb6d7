"""Takes samples of a host and its devices at a steady beat, and appends them to the spool that is fetched later."""

from __future__ import annotations

import ipaddress
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import assert_never

from fleet.codec.text import dump_line
from fleet.errors import MeasureError
from fleet.model.inventory import Device, DeviceKind
from fleet.model.record import DeviceSample, HostSample
from fleet.model.wire import MissedTicks, NodeConfig, RemoteError, Spooled
from fleet.remote.cores import core_of
from fleet.remote.paths import paths, private, resolve
from fleet.remote.procfs import Reading, read_host, share
from fleet.remote.prover.state import DeviceUsage, read_usage, state_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All counters at one time: `at` on the monotonic clock, `time` in Unix seconds."""

    at: float
    time: float
    host: Reading
    usage: dict[str, DeviceUsage]


def snapshot(config: NodeConfig) -> Snapshot:
    """Read everything now. MeasureError where the agents' shared state cannot be read."""
    state = state_file(paths(config.work_dir).prover)
    return Snapshot(
        at=time.monotonic(),
        time=time.time(),
        host=read_host(),
        usage={device.name: read_usage(state, device.name) for device in config.devices},
    )


def samples(config: NodeConfig, before: Snapshot, after: Snapshot, allowed: Sequence[int]) -> list[Spooled]:
    """What happened between two snapshots: the host's sample, then one of each device. `allowed`: our cores."""
    return [
        _host_sample(config, before, after),
        *(_device_sample(config, device, before, after, allowed) for device in config.devices),
    ]


def next_tick(start: float, interval: float, taken: int, now: float) -> tuple[int, int]:
    """(the number of the tick to wait for, how many were missed) after tick `taken`; tick k is at start + k·interval.

    A tick that is due counts as taken late while its interval lasts.
    """
    due = max(taken + 1, int((now - start) // interval))
    return due, due - taken - 1


class Sampler:
    """A thread that samples until it is stopped. What goes wrong is reported once, and sampling goes on."""

    def __init__(self, config: NodeConfig, report: Callable[[RemoteError], None]) -> None:
        self._config = config
        self._report = report
        self._reported: set[str] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        """Begin; the first sample comes one interval later."""
        self._thread.start()

    def stop(self) -> None:
        """End, between two samples."""
        self._stopped.set()

    def _run(self) -> None:
        allowed = sorted(os.sched_getaffinity(0))
        start, taken = time.monotonic(), 0
        before = self._snapshot()
        self._append(())
        while True:
            tick, missed = next_tick(start, self._config.interval, taken, time.monotonic())
            if self._stopped.wait(max(0.0, start + tick * self._config.interval - time.monotonic())):
                return
            after = self._snapshot()
            lines: list[Spooled] = []
            if missed:
                lines.append(MissedTicks(host=self._config.host, time=time.time(), count=missed))
            if before is not None and after is not None:
                lines += samples(self._config, before, after, allowed)
            self._append(lines)
            before, taken = after or before, tick

    def _snapshot(self) -> Snapshot | None:
        try:
            return snapshot(self._config)
        except MeasureError as error:
            self._complain(error.message)
            return None

    def _append(self, lines: Sequence[Spooled]) -> None:
        data = "".join(f"{dump_line(line)}\n" for line in lines).encode()
        path = resolve(self._config.spool)
        try:
            private(path.parent)
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            return self._complain(f"the spool {path} cannot be opened: {error.strerror}")
        size = os.fstat(descriptor).st_size
        try:
            if size + len(data) > self._config.spool_limit:
                return self._complain(f"the spool {path} is full; no more telemetry from this host")
            if os.write(descriptor, data) < len(data):
                os.ftruncate(descriptor, size)
        except OSError as error:
            self._complain(f"the spool {path} cannot be written: {error.strerror}")
            with suppress(OSError):
                os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)

    def _complain(self, message: str) -> None:
        if message not in self._reported:
            self._reported.add(message)
            self._report(RemoteError(host=self._config.host, message=message, fatal=False))


def _host_sample(config: NodeConfig, before: Snapshot, after: Snapshot) -> HostSample:
    seconds = after.at - before.at
    old, new = before.host, after.host
    # All hosts of a machine share its loopback interface: what passes there is nobody's in particular.
    inner = _loopback(config.address)
    traffic = None if inner or old.traffic is None else new.traffic
    base = old.traffic or new.traffic
    return HostSample(
        host=config.host,
        time=after.time,
        cpu_busy=share(old.cpus.get("cpu"), new.cpus.get("cpu")),
        memory_used=new.memory_used,
        cpu_pressure=_part(old.cpu_stalled, new.cpu_stalled, seconds),
        memory_pressure=_part(old.memory_stalled, new.memory_stalled, seconds),
        io_pressure=_part(old.io_stalled, new.io_stalled, seconds),
        runnable=new.runnable,
        received=(traffic.received - base.received) / seconds if traffic and base else None,
        sent=(traffic.sent - base.sent) / seconds if traffic and base else None,
    )


def _device_sample(
    config: NodeConfig, device: Device, before: Snapshot, after: Snapshot, allowed: Sequence[int]
) -> DeviceSample:
    seconds = after.at - before.at
    old, new = before.usage[device.name], after.usage[device.name]
    sample = DeviceSample(host=config.host, device=device.name, time=after.time, emulated=False)
    match device.kind:
        case DeviceKind.EMULATED:
            bus = None
            if config.bus is not None:
                bus = _part(old.bus_seconds_total, new.bus_seconds_total, seconds)
            return replace(
                sample,
                emulated=True,
                busy=_part(old.busy_seconds_total, new.busy_seconds_total, seconds),
                bus_busy=bus,
                memory_used=new.memory_used,
            )
        case DeviceKind.CPU:
            core = f"cpu{core_of(device.name, config.devices, allowed)}"
            busy = share(before.host.cpus.get(core), after.host.cpus.get(core))
            return replace(sample, busy=busy, memory_used=new.memory_used)
        case DeviceKind.CUDA:
            return sample
        case _:
            assert_never(device.kind)


def _part(before: float | None, after: float | None, seconds: float) -> float | None:
    """The part of an interval that a counter of seconds grew by, 0 to 1."""
    if before is None or after is None or seconds <= 0:
        return None
    return min(1.0, max(0.0, (after - before) / seconds))


def _loopback(address: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(address).is_loopback
    return False
