"""The kernel's files about a host, held open: it makes them up at each read, and opening one takes as long as that."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from fleet.remote.sampling.procfs import (
    Numa,
    Process,
    Reading,
    Slow,
    parse_busy,
    parse_cores,
    parse_diskstats,
    parse_meminfo,
    parse_net_dev,
    parse_numa,
    parse_pressure,
    parse_process,
    parse_runnable,
)

SLOW_SECONDS = 0.95
"""What changes slowly, or only counts, is not read more often than this, however often the rest is."""
_READ = 2**16
_SURELY_ALL = 2**11
"""A shorter piece is the file's end: the kernel makes up whole pages of such files, but for a line that would not fit.
Asking whether there is more makes it up once more."""
_PRESSURES = ("cpu", "memory", "io")


class KernelFile:
    """One such file. Where there is none, or it has gone (a process that ended), its text is empty."""

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1

    def text(self) -> str:
        """What it says now."""
        if self._descriptor < 0:
            return ""
        found = b""
        try:
            while part := os.pread(self._descriptor, _READ, len(found)):
                found += part
                if len(part) < _SURELY_ALL:
                    break
        except OSError:
            return ""
        return found.decode("ascii", "replace")

    def close(self) -> None:
        """Let go of it. Never raises, may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


class HostFiles:
    """Everything a host tells under /proc and /sys. Used by one thread."""

    def __init__(self, root: Path = Path("/proc"), nodes: Path = Path("/sys/devices/system/node")) -> None:
        self._stat, self._memory, self._net, self._disks = (
            KernelFile(root / name) for name in ("stat", "meminfo", "net/dev", "diskstats")
        )
        self._pressure = tuple(KernelFile(root / "pressure" / name) for name in _PRESSURES)
        self._nodes = _node_files(nodes)
        self._slow: Slow | None = None

    def read(self) -> Reading:
        """The processors' counters now, all else as it was up to `SLOW_SECONDS` ago."""
        now, stat = time.monotonic(), self._stat.text()
        if self._slow is None or now - self._slow.at >= SLOW_SECONDS:
            self._slow = self._read_slow(now, stat)
        return Reading(parse_busy(stat), parse_runnable(stat), stat, self._slow)

    def close(self) -> None:
        """Let go of them all."""
        nodes = (file for pair in self._nodes for file in pair)
        for file in (self._stat, self._memory, self._net, self._disks, *self._pressure, *nodes):
            file.close()

    def _read_slow(self, now: float, stat: str) -> Slow:
        memory_used, memory_total = parse_meminfo(self._memory.text()) or (None, None)
        (cpu, cpu_full), (memory, memory_full), (io, io_full) = (parse_pressure(file.text()) for file in self._pressure)
        return Slow(
            at=now,
            cores=parse_cores(stat),
            memory_used=memory_used,
            memory_total=memory_total,
            cpu_stalled=cpu,
            cpu_full=cpu_full,
            memory_stalled=memory,
            memory_full=memory_full,
            io_stalled=io,
            io_full=io_full,
            traffic=parse_net_dev(self._net.text()),
            disks=parse_diskstats(self._disks.text()),
            numa=self._numa(),
        )

    def _numa(self) -> Numa | None:
        """The memory nodes; None on a machine that has one only, where there is no other to be missed."""
        if len(self._nodes) < 2:  # noqa: PLR2004 (several)
            return None
        return parse_numa([(memory.text(), counts.text()) for memory, counts in self._nodes])


class ProcessFiles:
    """The stat files of processes, by number. Used by one thread."""

    def __init__(self, root: Path = Path("/proc")) -> None:
        self._root = root
        self._files: dict[int, KernelFile] = {}
        self._told: dict[int, Process] = {}

    def born(self, pid: int) -> int | None:
        """When a process was started, in clock ticks since boot; None where it is gone or waits to be reaped."""
        for _ in range(2):  # where one has ended, its number may be another's by now
            if pid not in self._files:
                self._files[pid] = KernelFile(self._root / str(pid) / "stat")
            process = parse_process(self._files[pid].text())
            if process is not None:
                self._told[pid] = process
                return process.born
            self._forget(pid)
        return None

    def told(self, pids: frozenset[int]) -> Mapping[int, Process]:
        """What these processes told when `born` asked last; without those that had ended. Others are let go."""
        for pid in self._files.keys() - pids:
            self._forget(pid)
        return dict(self._told)

    def close(self) -> None:
        """Let go of them all."""
        self.told(frozenset())

    def _forget(self, pid: int) -> None:
        self._files.pop(pid).close()
        self._told.pop(pid, None)


def _node_files(nodes: Path) -> tuple[tuple[KernelFile, KernelFile], ...]:
    """Each memory node's meminfo and numastat, in order."""
    folders = sorted(nodes.glob("node[0-9]*"), key=lambda folder: int(folder.name.removeprefix("node")))
    return tuple((KernelFile(folder / "meminfo"), KernelFile(folder / "numastat")) for folder in folders)
