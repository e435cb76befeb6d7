"""A PostgreSQL server of the benchmark's own: in a folder that goes away with it, reached by a socket in there."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SETTINGS = """
fsync = off
listen_addresses = ''
unix_socket_directories = '{folder}'
autovacuum = off
max_connections = 400
"""


class NoServer(Exception):  # noqa: N818 (it says what is wrong)
    """PostgreSQL's server programs are not here."""


@contextmanager
def server() -> Iterator[str]:
    """The URL of an empty database on a running server. NoServer where its programs are missing."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise NoServer("no initdb below /usr/lib/postgresql: install the package `postgresql`")
    programs, owner = found[-1].parent, "postgres" if os.getuid() == 0 else getpass.getuser()
    folder = Path(tempfile.mkdtemp(prefix="fleet-taskdb-"))
    shutil.chown(folder, owner)
    data = folder / "data"

    def run(program: str, *words: str) -> None:
        as_owner = ("runuser", "-u", owner, "--") if os.getuid() == 0 else ()
        done = subprocess.run(
            [*as_owner, str(programs / program), "-D", str(data), *words],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            timeout=120,
        )
        if done.returncode:
            raise NoServer(f"{program}: {done.stderr.decode(errors='replace').strip()}")

    try:
        run("initdb", "-A", "trust", "-U", owner, "-E", "UTF8", "--locale=C", "--no-sync")
        with (data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(_SETTINGS.format(folder=folder))
        run("pg_ctl", "-l", f"{folder}/log", "-w", "-t", "60", "start")
        yield f"postgresql://{owner}@/postgres?host={folder}"
    finally:
        if (data / "postmaster.pid").exists():
            run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
