"""The shared file of a host's devices, byte by byte: turns on bus and devices, and who holds how much memory.

Times are real seconds of the host's monotonic clock, which all its processes share. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import ClassVar

from fleet.errors import MeasureError
from fleet.remote.prover.turns import Turns

_VERSION = b"fleet prover state 1 "
HEADER_BYTES = 64
MAX_DEVICES = 64
MAX_SEATS = 32
_NAME_BYTES = 96
_STAT = 4096
"""Bytes of /proc/PID/stat at most: 52 numbers, and a name of 64."""


class Seat(ctypes.Structure):
    """One agent on a device: its process (number, and start in clock ticks), its memory, since when it works (or 0)."""

    _fields_: ClassVar = [
        ("pid", ctypes.c_int64),
        ("born", ctypes.c_uint64),
        ("memory", ctypes.c_uint64),
        ("since", ctypes.c_double),
    ]
    pid: int
    born: int
    memory: int
    since: float


_PIDS = struct.Struct("=" + "q24x" * MAX_SEATS)
"""The process numbers of all seats, read at once: most seats are free, and ctypes takes a microsecond for each."""


class DeviceState(ctypes.Structure):
    """One device, found by its name (UTF-8; empty = this place is free).

    `worked`: seconds that agents without turns were at work, side by side counted once, up to `settled`.
    """

    _fields_: ClassVar = [
        ("name", ctypes.c_char * _NAME_BYTES),
        ("turns", Turns),
        ("worked", ctypes.c_double),
        ("settled", ctypes.c_double),
        ("seats", Seat * MAX_SEATS),
    ]
    name: bytes
    turns: Turns
    worked: float
    settled: float
    seats: ctypes.Array[Seat]


class HostState(ctypes.Structure):
    """The whole file; `header` is that of this version and this boot of the machine, or the rest means nothing."""

    _fields_: ClassVar = [
        ("header", ctypes.c_char * HEADER_BYTES),
        ("bus", Turns),
        ("devices", DeviceState * MAX_DEVICES),
    ]
    header: bytes
    bus: Turns
    devices: ctypes.Array[DeviceState]


SIZE = ctypes.sizeof(HostState)


@cache
def header() -> bytes:
    """What a valid file begins with; the boot is in it because the monotonic clock starts anew with the machine."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    except OSError:
        boot = b""
    return (_VERSION + boot)[: HEADER_BYTES - 1]


def born(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None where it is gone or waits to be reaped (Linux)."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        stat = os.read(descriptor, _STAT)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    state, *fields = stat.rpartition(b")")[2].split()
    return None if state in b"ZX" else int(fields[18])


Starts = Callable[[int], int | None]
"""`born`, or what answers as it does: who asks often keeps the files open."""


def alive(seat: Seat, starts: Starts = born) -> bool:
    """Whether the agent that took this seat still runs; a process number used again is told by its start."""
    return seat.pid != 0 and starts(seat.pid) == seat.born


def living(device: DeviceState, starts: Starts = born) -> list[Seat]:
    """The seats whose agents are alive."""
    taken = _PIDS.unpack_from(device.seats)
    return [device.seats[number] for number, pid in enumerate(taken) if pid and alive(device.seats[number], starts)]


def find(host: HostState, name: str) -> DeviceState | None:
    """The device of that name, if any agent ever sat on it."""
    wanted = name.encode()
    for device in host.devices:
        if (found := device.name) == wanted:
            return device
        if not found:  # places are taken in order, and never given up
            return None
    return None


def find_or_add(host: HostState, name: str) -> DeviceState:
    """The device of that name, added where it is new. MeasureError where the name or the file is too long."""
    known = find(host, name)
    if known is not None:
        return known
    if not 0 < len(name.encode()) < _NAME_BYTES:
        raise MeasureError(f"device name {name!r:.100} must have 1 to {_NAME_BYTES - 1} bytes")
    free = next((device for device in host.devices if not device.name), None)
    if free is None:
        raise MeasureError(f"a host has at most {MAX_DEVICES} devices")
    free.name = name.encode()
    return free


def take_seat(device: DeviceState, pid: int) -> Seat:
    """A free seat, or that of a dead agent, now this process's. MeasureError where all are taken."""
    seat = next((seat for seat in device.seats if not alive(seat)), None)
    if seat is None:
        raise MeasureError(f"a device has at most {MAX_SEATS} agents")
    seat.pid, seat.born, seat.memory, seat.since = pid, born(pid) or 0, 0, 0.0
    return seat
