"""Processes that must not outlive us: adopt them, find them, end them. Linux; by process id, never by name."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

MARK = "FLEET_NODE"
"""The environment variable that everything started for a work folder carries, with that folder as its value."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_POLL = 0.02


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies (prctl(2), PR_SET_CHILD_SUBREAPER). OSError."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """Be killed when `parent`, which started us, dies (PR_SET_PDEATHSIG); at once if it is gone already. OSError."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def descendants(root: int) -> list[int]:
    """The processes below `root`, parents before children, those included that only wait to be reaped."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        parent = _parent(pid)
        if parent is not None:
            children.setdefault(parent, []).append(pid)
    below = list(children.get(root, ()))
    for pid in below:
        below.extend(children.get(pid, ()))
    return below


def marked(folder: Path) -> list[int]:
    """This user's processes that carry the mark of `folder`; ourselves and those above us are not among them."""
    return carrying(MARK, str(folder))


def carrying(variable: str, value: str) -> list[int]:
    """This user's processes whose environment says so; ourselves and those above us are not among them."""
    mark = f"{variable}={value}".encode()
    ours = set(_ancestors(os.getpid()))
    found = []
    for pid in _pids():
        with suppress(OSError):
            entry = Path(f"/proc/{pid}")
            mine = pid not in ours and entry.stat().st_uid == os.getuid()
            if mine and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def end(find: Callable[[], Iterable[int]], patience: float = 5.0) -> list[int]:
    """Kill the processes that `find` finds, again and again until it finds none. Our own children are reaped.

    By SIGKILL at once: nothing here has anything to save, and Ray's workers, told to end politely, wait for a raylet
    that is dead. Returns those that are left after `patience` seconds (stuck in the kernel); none, as a rule.
    """
    until = time.monotonic() + patience
    while left := list(find()):
        if time.monotonic() > until:
            return left
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL)
        reap()
    return []


def reap(but: int | None = None) -> None:
    """Collect the adopted children that have ended; not the child `but`, for whose end somebody else waits."""
    with suppress(ChildProcessError):
        while True:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None or ended.si_pid == but:
                return
            os.waitpid(ended.si_pid, os.WNOHANG)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _pids() -> list[int]:
    return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]


def _parent(pid: int) -> int | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[1])


def _ancestors(pid: int | None) -> Iterable[int]:
    while pid:
        yield pid
        pid = _parent(pid)
