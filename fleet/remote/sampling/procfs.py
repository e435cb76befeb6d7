"""What Linux tells about a host under /proc and /sys: parsers of its texts, a reading of them all. No file: None."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_INNER = ("lo", "veth", "docker", "br-", "virbr")
"""Network interfaces whose bytes stay on the host, or are counted again by another interface."""
_KIB = 1024
_MICROSECONDS = 1e6
_IDLE, _WAITING, _COUNTED = 3, 4, 8
_RECEIVED, _SENT = 0, 8
_DROPPED = (2, 3, 10, 11)
"""Columns of /proc/net/dev: errors and drops, received and sent."""
_DISK = re.compile(r"(?:[svh]d[a-z]+|xvd[a-z]+|nvme[0-9]+n[0-9]+|mmcblk[0-9]+)\Z")
"""Whole disks: what is made of them (partitions, volumes, loops) would be counted again."""
_SIZES = re.compile(r"^(MemTotal|MemAvailable):\s+([0-9]+) kB$", re.MULTILINE)
_STALLS = re.compile(r"^(some|full) .*total=([0-9]+)$", re.MULTILINE)
_CORES = re.compile(r"^(cpu[0-9]+) (.*)$", re.MULTILINE)
_SECTOR = 512
_DISK_READ, _DISK_WRITTEN, _DISK_BUSY = 5, 9, 12
_USER, _SYSTEM, _BORN, _RESIDENT = 10, 11, 18, 20
"""Fields of /proc/PID/stat after the state."""


class Busy(NamedTuple):
    """Clock ticks of one processor since boot, or of all: those with work, and all."""

    busy: int
    total: int


class Traffic(NamedTuple):
    """Bytes over the interfaces that lead off the host, and packets dropped or damaged there, since boot."""

    received: int
    sent: int
    drops: int = 0


class Disks(NamedTuple):
    """Bytes read from and written to all disks since boot, and by disk the seconds in which it was busy."""

    read: int
    written: int
    busy: Mapping[str, float]


class Numa(NamedTuple):
    """Bytes in use by memory node, and pages that came from another node than was wanted, since boot."""

    used: tuple[int, ...]
    misses: int


class Process(NamedTuple):
    """A process: the seconds of CPU that it has used, its resident bytes, its start in clock ticks since boot."""

    cpu: float
    memory: int
    born: int


class Slow(NamedTuple):
    """What changes slowly, or only counts, read at `at` (monotonic seconds).

    `cores` by the names of /proc/stat: `cpu0` is the first. Stalls: seconds since boot in which some task waited for
    that resource; `…_full`: in which all did.
    """

    at: float = 0.0
    cores: Mapping[str, Busy] = {}
    memory_used: int | None = None
    memory_total: int | None = None
    cpu_stalled: float | None = None
    cpu_full: float | None = None
    memory_stalled: float | None = None
    memory_full: float | None = None
    io_stalled: float | None = None
    io_full: float | None = None
    traffic: Traffic | None = None
    disks: Disks | None = None
    numa: Numa | None = None


class Reading(NamedTuple):
    """The counters of a host at one time: all its processors together, the tasks that run or could.

    `stat`: /proc/stat as it was, for who needs a core of its own; to read all of many takes long.
    """

    cpu: Busy | None
    runnable: int | None
    stat: str
    slow: Slow


def parse_busy(stat: str, name: str = "cpu") -> Busy | None:
    """/proc/stat: the ticks of the processor of that name, `cpu` being all of them. See proc_stat(5).

    Guest time is within user time already, and waiting for I/O is idle time.
    """
    words = _words(stat, name)
    return _busy(words) if words else None


def parse_cores(stat: str) -> dict[str, Busy]:
    """/proc/stat: the ticks of each core, likewise."""
    return {name: _busy(rest.split()) for name, rest in _CORES.findall(stat)}


def parse_runnable(stat: str) -> int | None:
    """/proc/stat: how many tasks run or could."""
    words = _words(stat, "procs_running")
    return int(words[0]) if words else None


def _busy(words: Sequence[str]) -> Busy:
    ticks = list(map(int, words[:_COUNTED]))
    total = sum(ticks)
    return Busy(total - ticks[_IDLE] - ticks[_WAITING], total)


def _words(stat: str, name: str) -> list[str]:
    """What follows a name on its line. The file has thousands of words, of which a few are wanted at a time."""
    begin = stat.find(f"{name} ")
    end = stat.find("\n", begin)
    return [] if begin < 0 else stat[begin : end if end >= 0 else None].split()[1:]


def parse_meminfo(text: str) -> tuple[int, int] | None:
    """/proc/meminfo: bytes in use, that is not available to new programs without swapping; and all bytes."""
    sizes = dict(_SIZES.findall(text))
    if len(sizes) < 2:  # noqa: PLR2004 (both)
        return None
    total = int(sizes["MemTotal"])
    return (total - int(sizes["MemAvailable"])) * _KIB, total * _KIB


def parse_pressure(text: str) -> tuple[float | None, float | None]:
    """/proc/pressure/*: seconds in which some tasks were stalled, and in which all were (`full`), by `total=`."""
    found = {kind: int(total) / _MICROSECONDS for kind, total in _STALLS.findall(text)}
    return found.get("some"), found.get("full")


def parse_net_dev(text: str) -> Traffic | None:
    """/proc/net/dev: the sum over the interfaces that lead off the host; None where there is none."""
    counters = [
        [int(word) for word in rest.split()]
        for name, colon, rest in (line.lstrip().partition(":") for line in text.splitlines())
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
    """/proc/PID/stat; None where the process is gone, or waits to be reaped. See proc_pid_stat(5)."""
    state, *fields = text.rpartition(")")[2].split() or ["X"]
    if state in "ZX" or len(fields) <= _RESIDENT:
        return None
    ticks = int(fields[_USER]) + int(fields[_SYSTEM])
    memory = int(fields[_RESIDENT]) * os.sysconf("SC_PAGE_SIZE")
    return Process(cpu=ticks / os.sysconf("SC_CLK_TCK"), memory=memory, born=int(fields[_BORN]))


def share(before: Busy | None, after: Busy | None) -> float | None:
    """Of the ticks between two readings of a processor, the part with work, 0 to 1."""
    if before is None or after is None or after.total <= before.total:
        return None
    return min(1.0, max(0.0, (after.busy - before.busy) / (after.total - before.total)))


def parse_numa(nodes: Sequence[tuple[str, str]]) -> Numa:
    """The meminfo and numastat of each memory node, in order."""
    used, misses = [], 0
    for memory, counts in nodes:
        sizes = {words[2].rstrip(":"): int(words[3]) for words in map(str.split, memory.splitlines())}
        used.append((sizes.get("MemTotal", 0) - sizes.get("MemFree", 0)) * _KIB)
        misses += int(dict(line.split() for line in counts.splitlines()).get("numa_miss", 0))
    return Numa(used=tuple(used), misses=misses)
