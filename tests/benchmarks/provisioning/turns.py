"""What a turn of a contender cost: seconds on the wall, and of the processors on both sides."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_OWN_FIELDS = slice(11, 15)
"""utime, stime, cutime and cstime of proc_pid_stat(5), after the name in parentheses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Seconds of one turn. `controller` and `hosts`: of processors, in user and system mode, with all child processes.

    Wall seconds say how long somebody waits, on a machine that does nothing else; processor seconds hold on a busy one.
    """

    wall: float
    controller: float
    hosts: float

    @property
    def processors(self) -> float:
        """Both sides together: they share this machine."""
        return self.controller + self.hosts


def children_seconds() -> float:
    """Processor seconds of all child processes of this one that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def listeners(folder: Path) -> Sequence[Path]:
    """The sshd that listen with a configuration below the folder: what they have is in /proc."""
    mark = f"-f {folder}/".encode()
    return [entry for entry in Path("/proc").iterdir() if entry.name.isdecimal() and mark in _called(entry)]


def _called(process: Path) -> bytes:
    try:
        called = (process / "cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:
        return b""
    return called if b"sshd" in called and b" -D " in called else b""


def host_seconds(found: Sequence[Path]) -> float:
    """Processor seconds of these and of all their sessions that have ended."""
    return sum(sum(map(int, _stat(process)[_OWN_FIELDS])) for process in found) / _TICKS


def _stat(process: Path) -> list[str]:
    return (process / "stat").read_text().rpartition(") ")[2].split()
