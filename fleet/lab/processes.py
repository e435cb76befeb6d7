"""Processes of this machine, as Linux's /proc has them: who is alive, who descends from whom; and two prctl calls."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# Positions in /proc/PID/stat (man 5 proc), counted after the command's name, which may hold anything.
_STATE, _PARENT, _START = 0, 1, 19


def supported() -> bool:
    """Whether this machine has what a lab's keeper needs."""
    return (_PROC / "self" / "stat").exists()


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot: with its id, its identity. None where it has ended."""
    fields = _stat(pid)
    return int(fields[_START]) if fields and fields[_STATE] not in "ZX" else None


def descendants(ancestor: int) -> set[int]:
    """Children, their children and so on, zombies included."""
    parents = {int(entry.name): _stat(int(entry.name)) for entry in _PROC.iterdir() if entry.name.isdigit()}
    children: dict[int, list[int]] = {}
    for pid, fields in parents.items():
        if fields:
            children.setdefault(int(fields[_PARENT]), []).append(pid)
    found: set[int] = set()
    edge = [ancestor]
    while edge:
        edge = [child for pid in edge for child in children.get(pid, ())]
        found.update(edge)
    return found


def with_home(home: Path, among: Iterable[int]) -> set[int]:
    """Those processes that were started with this home directory."""
    found = set()
    for pid in among:
        with suppress(OSError):
            if f"HOME={home}".encode() in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                found.add(pid)
    return found


def send_signal(pids: Iterable[int], sign: signal.Signals) -> None:
    """Signal them all; one that has ended meanwhile is no matter."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, sign)


def reap() -> None:
    """Collect every child that has ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def adopt_orphans() -> None:
    """From now on descendants whose parent ends become this process's children, not init's."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """The kernel kills this process when its parent ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _stat(pid: int) -> list[str]:
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
