"""Leaving a host: what earlier runs may have left running there is ended, and what they wrote is removed.

Its words: the work folder, then the names in it that stay. Exit status 3: a run is under way, and nothing was done.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from fleet.remote.paths import Paths, paths
from fleet.remote.processes import end, marked

BUSY, STUCK = 3, 4


def left_by_runs(of: Paths) -> tuple[Path, ...]:
    """What runs write below a work folder, and their short name for it. What provisioning made is not among it."""
    return of.run, of.work / "agents", of.work / "spool", of.short(), of.lock


def main(words: list[str]) -> int:
    """Leave the work folder named first."""
    of, kept = paths(words[0]), set(words[1:])
    if not of.work.is_dir():
        return 0
    descriptor = os.open(of.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return BUSY
    if end(lambda: marked(of.work)):
        return STUCK
    for file in left_by_runs(of):
        if file.name not in kept:
            _remove(file, folder_stays=file.name == "spool")
    return 0


def _remove(file: Path, *, folder_stays: bool) -> None:
    if file.is_dir() and not file.is_symlink():
        if folder_stays:
            for inner in file.iterdir():
                _remove(inner, folder_stays=False)
        else:
            shutil.rmtree(file, ignore_errors=True)
        return
    with suppress(FileNotFoundError):
        file.unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
