"""What several folders of tests need: a PostgreSQL server of our own, small disks, programs that write to a store."""

from __future__ import annotations

import getpass
import itertools
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For tests/run: the same examples every time, so that more of them find nothing new after the first run.
settings.register_profile("gate", settings.get_profile("untimed"), derandomize=True, database=None, max_examples=30)
settings.load_profile("untimed")  # how busy the machine is says nothing about the code

# A shell ignores Ctrl-C for what it starts in the background, and what is ignored stays so in all that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
_MISSING = "PostgreSQL's server programs are missing (no initdb): install the package `postgresql`"
_ACCESS = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
_SETTINGS = "fsync = off\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{folder}'\nport = {port}\n"


Disk = Callable[..., Path]
Start = Callable[..., "subprocess.Popen[str]"]


@dataclass(frozen=True, slots=True)
class Server:
    """A server of our own: anybody may come by its socket in `folder`, by TCP only with a password."""

    programs: Path
    folder: Path
    port: int
    owner: str

    def url(self, database: str) -> str:
        """Where a database of it is, by the socket."""
        return f"postgresql://{self.owner}@/{database}?host={self.folder}&port={self.port}"

    def sql(self, database: str, statement: str) -> None:
        """Run a statement as the superuser."""
        self.run("psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", statement)

    def control(self, *words: str) -> None:
        """Start or stop it."""
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-l", f"{self.folder}/log", "-w", "-t", "60", *words)

    def run(self, program: str, *words: str) -> None:
        """Run one of the server's programs as its owner: they refuse root."""
        words = (str(self.programs / program), *words)
        if os.getuid() == 0:
            words = ("runuser", "-u", self.owner, "--", *words)
        done = subprocess.run(
            words, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")


def pytest_report_header() -> str:
    """Say on top which server the tests run against."""
    return f"postgresql: {_FOLDERS[-1].parent.name}" if _FOLDERS else f"postgresql: {_MISSING}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A running server, for as long as the tests run."""
    if not _FOLDERS:
        pytest.skip(_MISSING)
    folder = Path(tempfile.mkdtemp(prefix="fleet-pg-"))
    owner = "postgres" if os.getuid() == 0 else getpass.getuser()
    shutil.chown(folder, owner)
    server = Server(_FOLDERS[-1], folder, _free_port(), owner)
    data = folder / "data"
    try:
        server.run("initdb", "-D", str(data), "-A", "trust", "-U", owner, "-E", "UTF8", "--locale=C", "--no-sync")
        (data / "pg_hba.conf").write_text(_ACCESS, encoding="utf-8")
        with (data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(_SETTINGS.format(folder=folder, port=server.port))
        server.control("start")
        yield server
    finally:
        if (data / "postmaster.pid").exists():
            server.control("-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """1, 2, 3, … for names that must not be used twice."""
    return itertools.count(1)


@pytest.fixture
def database(postgres: Server, numbers: Iterator[int]) -> str:
    """The name of a new, empty database."""
    name = f"fleet{next(numbers)}"
    postgres.sql("postgres", f"CREATE DATABASE {name}")
    return name


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Makes a disk of its own (tmpfs) of so many bytes, below the test's folder or another."""
    mounted: list[Path] = []

    def mount(size: int, parent: Path = tmp_path) -> Path:
        folder = parent / f"disk{len(mounted)}"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "fleet-test", str(folder)], check=False, capture_output=True
        )
        if done.returncode:
            pytest.skip(f"no small disk can be mounted here (uid {os.getuid()}): {done.stderr.decode().strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@pytest.fixture
def start_adder() -> Iterator[Start]:
    """Starts adder.py (see there); `file_size`: no file of it may grow beyond so many bytes."""
    started: list[subprocess.Popen[str]] = []

    def start(store: str, run: str, first: int, count: int, file_size: int = -1) -> subprocess.Popen[str]:
        adder = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "store" / "adder.py"), store, run, str(first), str(count)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        resource.prlimit(adder.pid, resource.RLIMIT_FSIZE, (file_size, file_size))
        started.append(adder)
        return adder

    yield start
    for adder in started:
        adder.kill()
        adder.communicate()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
