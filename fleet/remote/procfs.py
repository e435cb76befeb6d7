"""What Linux tells about a host under /proc and /sys: parsers of its texts, a reading of them all. No file: None."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_INNER = ("lo", "veth", "docker", "br-", "virbr")
"""Network interfaces whose bytes stay on the host, or are counted again by another interface."""
_KIB = 1024
_READ = 2**16
_MICROSECONDS = 1e6
_IDLE, _WAITING, _COUNTED = 3, 4, 8
_RECEIVED, _SENT = 0, 8
_DROPPED = (2, 3, 10, 11)
"""Columns of /proc/net/dev: errors and drops, received and sent."""
_DISK = re.compile(r"(?:[svh]d[a-z]+|xvd[a-z]+|nvme[0-9]+n[0-9]+|mmcblk[0-9]+)\Z")
"""Whole disks: what is made of them (partitions, volumes, loops) would be counted again."""
_SECTOR = 512
_DISK_READ, _DISK_WRITTEN, _DISK_BUSY = 5, 9, 12
_USER, _SYSTEM, _RESIDENT = 10, 11, 20
"""Fields of /proc/PID/stat after the state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Clock ticks of one processor since boot, or of all: those with work, and all."""

    busy: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes over the interfaces that lead off the host, and packets dropped or damaged there, since boot."""

    received: int
    sent: int
    drops: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Disks:
    """Bytes read from and written to all disks since boot, and by disk the seconds in which it was busy."""

    read: int
    written: int
    busy: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Numa:
    """Bytes in use by memory node, and pages that came from another node than was wanted, since boot."""

    used: tuple[int, ...]
    misses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process: the seconds of CPU that it has used, and its resident bytes."""

    cpu: float
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The counters of a host at one time. Stalls: seconds since boot in which some task waited for that resource.

    `cpus` by the names of /proc/stat: `cpu` is all of them, `cpu0` the first. `…_full`: seconds in which all waited.
    """

    cpus: Mapping[str, Busy]
    runnable: int | None
    memory_used: int | None
    cpu_stalled: float | None
    memory_stalled: float | None
    io_stalled: float | None
    traffic: Traffic | None
    cpu_full: float | None = None
    memory_full: float | None = None
    io_full: float | None = None
    memory_total: int | None = None
    disks: Disks | None = None
    numa: Numa | None = None


def parse_stat(text: str) -> tuple[dict[str, Busy], int | None]:
    """/proc/stat: ticks by processor, and how many tasks run or could. See proc_stat(5).

    Guest time is within user time already, and waiting for I/O is idle time.
    """
    cpus: dict[str, Busy] = {}
    runnable = None
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if name.startswith("cpu"):
            ticks = [int(word) for word in rest.split()[:_COUNTED]]
            total = sum(ticks)
            cpus[name] = Busy(busy=total - ticks[_IDLE] - ticks[_WAITING], total=total)
        elif name == "procs_running":
            runnable = int(rest)
    return cpus, runnable


def parse_meminfo(text: str) -> tuple[int, int] | None:
    """/proc/meminfo: bytes in use, that is not available to new programs without swapping; and all bytes."""
    sizes = {name: words.split()[0] for name, _, words in (line.partition(":") for line in text.splitlines())}
    if "MemTotal" not in sizes or "MemAvailable" not in sizes:
        return None
    total = int(sizes["MemTotal"])
    return (total - int(sizes["MemAvailable"])) * _KIB, total * _KIB


def parse_pressure(text: str, who: str = "some") -> float | None:
    """/proc/pressure/*: seconds in which `some` tasks were stalled, or all (`full`): the `total=` of that line."""
    for line in text.splitlines():
        if line.startswith(f"{who} "):
            return int(line.rpartition("total=")[2]) / _MICROSECONDS
    return None


def parse_net_dev(text: str) -> Traffic | None:
    """/proc/net/dev: the sum over the interfaces that lead off the host; None where there is none."""
    counters = [
        [int(word) for word in rest.split()]
        for name, colon, rest in (line.strip().partition(":") for line in text.splitlines())
        if colon and not name.startswith(_INNER)
    ]
    if not counters:
        return None
    return Traffic(
        received=sum(each[_RECEIVED] for each in counters),
        sent=sum(each[_SENT] for each in counters),
        drops=sum(each[column] for each in counters for column in _DROPPED),
    )


def parse_diskstats(text: str) -> Disks | None:
    """/proc/diskstats: the sum over whole disks; None where there is none (containers, diskless hosts)."""
    rows = [
        row for row in (line.split() for line in text.splitlines()) if len(row) > _DISK_BUSY and _DISK.match(row[2])
    ]
    if not rows:
        return None
    return Disks(
        read=sum(int(row[_DISK_READ]) for row in rows) * _SECTOR,
        written=sum(int(row[_DISK_WRITTEN]) for row in rows) * _SECTOR,
        busy={row[2]: int(row[_DISK_BUSY]) / 1e3 for row in rows},
    )


def parse_process(text: str) -> Process | None:
    """/proc/PID/stat; None where the process is gone. See proc_pid_stat(5)."""
    fields = text.rpartition(")")[2].split()[1:]
    if len(fields) <= _RESIDENT:
        return None
    ticks = int(fields[_USER]) + int(fields[_SYSTEM])
    return Process(cpu=ticks / os.sysconf("SC_CLK_TCK"), memory=int(fields[_RESIDENT]) * os.sysconf("SC_PAGE_SIZE"))


def share(before: Busy | None, after: Busy | None) -> float | None:
    """Of the ticks between two readings of a processor, the part with work, 0 to 1."""
    if before is None or after is None or after.total <= before.total:
        return None
    return min(1.0, max(0.0, (after.busy - before.busy) / (after.total - before.total)))


def read_host(root: Path = Path("/proc"), nodes: Path = Path("/sys/devices/system/node")) -> Reading:
    """The counters of this host now."""
    cpus, runnable = parse_stat(_text(root / "stat"))
    memory = parse_meminfo(_text(root / "meminfo"))
    cpu, stalled, io = (_text(root / "pressure" / name) for name in ("cpu", "memory", "io"))
    return Reading(
        cpus=cpus,
        runnable=runnable,
        memory_used=memory[0] if memory else None,
        cpu_stalled=parse_pressure(cpu),
        memory_stalled=parse_pressure(stalled),
        io_stalled=parse_pressure(io),
        traffic=parse_net_dev(_text(root / "net/dev")),
        cpu_full=parse_pressure(cpu, "full"),
        memory_full=parse_pressure(stalled, "full"),
        io_full=parse_pressure(io, "full"),
        memory_total=memory[1] if memory else None,
        disks=parse_diskstats(_text(root / "diskstats")),
        numa=read_numa(nodes),
    )


def read_process(pid: int, root: Path = Path("/proc")) -> Process | None:
    """One process now."""
    return parse_process(_text(root / str(pid) / "stat"))


def read_numa(nodes: Path) -> Numa | None:
    """The memory nodes; None on a machine that has one only, where there is no other to be missed."""
    folders = sorted(nodes.glob("node[0-9]*"), key=lambda folder: int(folder.name.removeprefix("node")))
    if len(folders) < 2:  # noqa: PLR2004 (several)
        return None
    used, misses = [], 0
    for folder in folders:
        memory = {
            words[2].rstrip(":"): int(words[3]) for words in map(str.split, _text(folder / "meminfo").splitlines())
        }
        used.append((memory.get("MemTotal", 0) - memory.get("MemFree", 0)) * _KIB)
        counts = dict(line.split() for line in _text(folder / "numastat").splitlines())
        misses += int(counts.get("numa_miss", 0))
    return Numa(used=tuple(used), misses=misses)


def _text(path: Path) -> str:
    """A file of the kernel's, read at once: it is made up at each read, and this is done many times a second."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        parts = []
        while part := os.read(descriptor, _READ):
            parts.append(part)
        return b"".join(parts).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
