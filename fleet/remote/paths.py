"""Where everything of a host lies under its work folder. Nothing is made here but what `private` is asked for."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from fleet.errors import MeasureError

SOCKET_PATH_LIMIT = 107
"""Bytes of a Unix socket's path on Linux (sun_path less its end)."""
LONGEST_SOCKET = "/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
"""What Ray appends to its temporary folder, at its longest (the last number is a process's)."""

SHORT_ROOT = "/tmp"  # noqa: S108 (`private` makes sure that the folder there is ours; TMPDIR may be as long as any)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The absolute paths of one host. `run` holds what lives only as long as a run and is emptied before the next."""

    work: Path

    @property
    def run(self) -> Path:
        """Private to the user; Ray opens its own folders to everybody, so nobody may get this far."""
        return self.work / "run"

    @property
    def lock(self) -> Path:
        """Held by the node that uses this work folder."""
        return self.work / "node.lock"

    @property
    def ray(self) -> Path:
        """Ray's sessions, sockets and logs."""
        return self.run / "ray"

    @property
    def node_log(self) -> Path:
        """What Ray's processes write where nobody reads: the first place to look when a node does not start."""
        return self.run / "node.log"

    @property
    def prover(self) -> Path:
        """What the agents of the host share."""
        return self.run / "prover"

    def agent_log(self, agent: str) -> Path:
        """The log of one agent, by its name."""
        return self.work / "agents" / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', agent)}.log"

    def short(self) -> Path:
        """A private folder with a short name, always the same for this work folder and user."""
        name = hashlib.sha256(os.fsencode(self.work)).hexdigest()[:8]
        return Path(SHORT_ROOT) / f"fleet-{os.getuid()}-{name}"


def paths(work_dir: str) -> Paths:
    """The paths of a host's `work_dir`, which is relative to the user's home as a login shell's first folder is."""
    return Paths(work=Path.home() / Path(work_dir).expanduser())


def resolve(path: str) -> Path:
    """A path from the controller, absolute."""
    return Path.home() / Path(path).expanduser()


def private(folder: Path) -> Path:
    """The folder, made where it was not, for this user only. MeasureError where it is somebody else's or no folder."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise MeasureError(f"{folder} is not a folder of this user", hint="remove it, or choose another work_dir")
    folder.chmod(0o700)
    return folder


def ray_folder(of: Paths) -> Path:
    """Ray's folder under a path short enough for its sockets: its own, or a link to it from the system's /tmp."""
    own = private(of.run) / "ray"
    own.mkdir(exist_ok=True, mode=0o700)
    if len(os.fsencode(own)) + len(LONGEST_SOCKET) <= SOCKET_PATH_LIMIT:
        return own
    link = private(of.short()) / "ray"
    link.unlink(missing_ok=True)
    link.symlink_to(own)
    return link
