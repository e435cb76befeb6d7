"""What the agents of one host share while they prove: turns on bus and devices, memory, busy time. Survives kill -9.

One file, mapped into every agent and guarded by `flock`, which the kernel releases with the process that held it. The
sampler reads it with `read_usages` and needs neither numpy nor numba for that.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fleet.errors import MeasureError
from fleet.remote.prover.layout import (
    HEADER_BYTES,
    SIZE,
    DeviceState,
    HostState,
    Seat,
    Starts,
    alive,
    born,
    find,
    find_or_add,
    header,
    living,
    take_seat,
)
from fleet.remote.prover.memory import OutOfMemory
from fleet.remote.prover.turns import Turn, cut, passed, take
from fleet.units import format_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceUsage:
    """One device up to now: real seconds (the bus is the whole host's), and bytes.

    A share of an interval is the difference of two readings over the real time between them. The seconds only grow,
    but for the task that a CPU device's agent was killed in: how long it was at work is known to nobody. `pids`: the
    processes of its living agents.
    """

    busy_seconds_total: float = 0.0
    bus_seconds_total: float = 0.0
    memory_used: int = 0
    pids: tuple[int, ...] = ()


def state_file(state_dir: Path) -> Path:
    """Where the agents of the host with this state directory keep what they share."""
    return state_dir / "prover.state"


def read_usages(state_path: Path, devices: Collection[str], starts: Starts = born) -> dict[str, DeviceUsage]:
    """How busy each of these devices and the host's bus have been, all at one time; zero where no agent was opened yet.

    MeasureError where the file cannot be read.
    """
    try:
        with state_path.open("rb") as file, _locked(file, fcntl.LOCK_SH):
            content = file.read(SIZE)
    except FileNotFoundError:
        content = b""
    except OSError as error:
        raise MeasureError(f"the agents' shared state {state_path} cannot be read: {error.strerror}") from error
    if not _valid(content):
        return dict.fromkeys(devices, DeviceUsage())
    host, now = HostState.from_buffer_copy(content), time.monotonic()
    bus = passed(host.bus, now)
    return {device: _usage(find(host, device), bus, now, starts) for device in devices}


def _usage(state: DeviceState | None, bus: float, now: float, starts: Starts) -> DeviceUsage:
    seats = [] if state is None else living(state, starts)
    return DeviceUsage(
        busy_seconds_total=passed(state.turns, now) + state.worked + _unsettled(state, seats, now) if state else 0.0,
        bus_seconds_total=bus,
        memory_used=sum(seat.memory for seat in seats),
        pids=tuple(sorted(seat.pid for seat in seats)),
    )


def reset(state_path: Path) -> None:
    """Before a trial: every bus and device is free from now on, dead agents' memory is too. Living agents keep theirs.

    The totals go on, so that a sampler sees no step. Nothing to do where no agent was ever opened.
    """
    try:
        with state_path.open("r+b") as file, _locked(file):
            if not _valid(file.read(SIZE)):
                return
            host, now = HostState.from_buffer(mmap.mmap(file.fileno(), SIZE)), time.monotonic()
            for turns in (host.bus, *(device.turns for device in host.devices)):
                cut(turns, now)
            for seat in (seat for device in host.devices for seat in device.seats if not alive(seat)):
                seat.pid = 0
    except FileNotFoundError:
        return
    except OSError as error:
        raise MeasureError(f"the agents' shared state {state_path} cannot be used: {error.strerror}") from error


class AgentSeat:
    """One agent's place on a device, by name: holds the shared file open, and memory, until it is closed.

    MeasureError where the file cannot be made, or has no room for the device or the agent.
    """

    def __init__(self, path: Path, device: str) -> None:
        self._name = device
        self._mutex = threading.Lock()
        self._at_work = 0
        try:
            self._file = _open(path)
        except OSError as error:
            raise MeasureError(f"the agents' shared state {path} cannot be used: {error.strerror}") from error
        self._host = HostState.from_buffer(mmap.mmap(self._file.fileno(), SIZE))
        try:
            with self._alone():
                self._device = find_or_add(self._host, device)
                self._seat = take_seat(self._device, os.getpid())
        except MeasureError:
            self._file.close()
            raise

    def take_bus(self, arrival: float, seconds: float) -> Turn:
        """Reserve the host's bus for so many real seconds from `arrival`, or when it is free. Does not wait."""
        with self._alone():
            return take(self._host.bus, arrival, seconds)

    def take_device(self, arrival: float, seconds: float) -> Turn:
        """Reserve the device's compute, likewise."""
        with self._alone():
            return take(self._device.turns, arrival, seconds)

    def hold_memory(self, wanted: int, capacity: int | None) -> None:
        """Hold at least `wanted` bytes of the device's `capacity` (None = no limit) until closed.

        OutOfMemory where what the device's other living agents hold leaves less than that.
        """
        with self._alone():
            mine = self._seat.memory
            if wanted <= mine:
                return
            others = sum(seat.memory for seat in living(self._device)) - mine
            if capacity is not None and others + wanted > capacity:
                free = format_bytes(max(0, capacity - others))
                raise OutOfMemory(f"{self._name}: {format_bytes(wanted)} wanted, {free} free")
            self._seat.memory = wanted

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the device as busy meanwhile, once however many agents work on it; for devices without turns.

        Once, too, where an agent's threads are at work together.
        """
        with self._alone():
            self._at_work += 1
            if self._at_work == 1:
                self._seat.since = time.monotonic()
        try:
            yield
        finally:
            with self._alone():
                self._at_work -= 1
                if not self._at_work:
                    now = time.monotonic()
                    self._device.worked += _unsettled(self._device, living(self._device), now)
                    self._device.settled = now
                    self._seat.since = 0.0

    def close(self) -> None:
        """Give seat and memory back. Never raises, may be called twice."""
        if self._file.closed:
            return
        with suppress(OSError), self._alone():
            self._seat.pid = 0
        self._file.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._mutex, _locked(self._file):
            yield


def _open(path: Path) -> BinaryIO:
    """The file, made, or made anew where it is of another version or boot, in its full size."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    file = os.fdopen(descriptor, "r+b", buffering=0)
    try:
        with _locked(file):
            if not _valid(file.read(SIZE)):
                # Written out, not truncated to size: on a full disk a hole in the map would end the process by SIGBUS.
                os.pwrite(file.fileno(), bytes(HostState(header=header())), 0)
    except BaseException:
        file.close()
        raise
    return file


@contextmanager
def _locked(file: BinaryIO, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    fcntl.flock(file, how)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _valid(content: bytes) -> bool:
    return len(content) == SIZE and content[:HEADER_BYTES].rstrip(b"\0") == header()


def _unsettled(device: DeviceState, seats: Iterable[Seat], now: float) -> float:
    """Working time not in `worked` yet: since the first of the living agents at work began, or the last ended."""
    since = [seat.since for seat in seats if seat.since]
    return now - max(min(since), device.settled) if since else 0.0
