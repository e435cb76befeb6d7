"""Looks at the processes of a cluster from outside: who they are, what they listen on. Linux; only /proc is read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_LISTENING = "0A"


def processes(folder: Path) -> dict[int, str]:
    """This user's living processes that have to do with a folder, by their environment or their words; words by id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes()
                if str(folder).encode() in words + (entry / "environ").read_bytes():
                    found[int(entry.name)] = words.replace(b"\0", b" ").decode(errors="replace")
    return found


def node_of(folder: Path) -> int:
    """The guardian of the node that uses a work folder: the parent of its Ray node."""
    mark = f"FLEET_NODE={folder}".encode()
    for pid, words in processes(folder).items():
        around = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if "fleet.remote.cluster.raynode" in words and mark in around:
            return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    raise AssertionError(f"no node uses {folder}")


def children(root: int) -> set[int]:
    """All processes below one."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    below = {root}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return below - {root}


def listening(pid: int) -> set[int]:
    """The TCP ports on which a process listens."""
    inodes = set()
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                name = str(link.readlink())
                if name.startswith("socket:["):
                    inodes.add(name[8:-1])
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == _LISTENING and words[9] in inodes:
                ports.add(int(words[1].rpartition(":")[2], 16))
    return ports


def eventually(holds: Callable[[], bool], within: float) -> bool:
    """Whether it holds at last."""
    until = time.monotonic() + within
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
