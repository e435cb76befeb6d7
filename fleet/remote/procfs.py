"""What Linux tells about a host under /proc: parsers of its texts, and a reading of them all. No file: None."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_INNER = ("lo", "veth", "docker", "br-", "virbr")
"""Network interfaces whose bytes stay on the host, or are counted again by another interface."""
_KIB = 1024
_MICROSECONDS = 1e6
_IDLE, _WAITING, _COUNTED = 3, 4, 8
_RECEIVED, _SENT = 0, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Clock ticks of one processor since boot, or of all: those with work, and all."""

    busy: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes over the interfaces that lead off the host, since boot."""

    received: int
    sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The counters of a host at one time. Stalls: seconds since boot in which some task waited for that resource.

    `cpus` by the names of /proc/stat: `cpu` is all of them, `cpu0` the first.
    """

    cpus: Mapping[str, Busy]
    runnable: int | None
    memory_used: int | None
    cpu_stalled: float | None
    memory_stalled: float | None
    io_stalled: float | None
    traffic: Traffic | None


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


def parse_meminfo(text: str) -> int | None:
    """/proc/meminfo: bytes in use, that is not available to new programs without swapping."""
    sizes = {name: words.split()[0] for name, _, words in (line.partition(":") for line in text.splitlines())}
    if "MemTotal" not in sizes or "MemAvailable" not in sizes:
        return None
    return (int(sizes["MemTotal"]) - int(sizes["MemAvailable"])) * _KIB


def parse_pressure(text: str) -> float | None:
    """/proc/pressure/*: seconds in which some task was stalled (the `total=` of its `some` line)."""
    for line in text.splitlines():
        if line.startswith("some "):
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
    return Traffic(received=sum(each[_RECEIVED] for each in counters), sent=sum(each[_SENT] for each in counters))


def share(before: Busy | None, after: Busy | None) -> float | None:
    """Of the ticks between two readings of a processor, the part with work, 0 to 1."""
    if before is None or after is None or after.total <= before.total:
        return None
    return min(1.0, max(0.0, (after.busy - before.busy) / (after.total - before.total)))


def read_host(root: Path = Path("/proc")) -> Reading:
    """The counters of this host now."""
    cpus, runnable = parse_stat(_text(root / "stat"))
    return Reading(
        cpus=cpus,
        runnable=runnable,
        memory_used=parse_meminfo(_text(root / "meminfo")),
        cpu_stalled=parse_pressure(_text(root / "pressure/cpu")),
        memory_stalled=parse_pressure(_text(root / "pressure/memory")),
        io_stalled=parse_pressure(_text(root / "pressure/io")),
        traffic=parse_net_dev(_text(root / "net/dev")),
    )


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="ascii", errors="replace")
    return ""
