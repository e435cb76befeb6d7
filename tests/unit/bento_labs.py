"""A lab with a Bento on this machine, kept up for some tests: what it needs, its operator's commands, what is there."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.lab import openssh

FLEET = [str(Path(sys.executable).with_name("fleet"))]
_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OTHERS = {"PGPASSWORD", "REDISCLI_AUTH", "FLEET_STORE"}
"""What the shell that runs the tests may have set, and the operator of the lab has not."""


def marks(server: str, package: str) -> list[pytest.MarkDecorator]:
    """The marks of a module whose lab needs an engine of its own and this task database's server."""
    why = _obstacle(server, package)
    return [
        pytest.mark.lab,
        pytest.mark.alone,
        pytest.mark.skipif(why is not None, reason=why or ""),
        pytest.mark.timeout(900),  # a busy machine starts an engine and agents slowly
    ]


def _obstacle(server: str, package: str) -> str | None:
    if os.geteuid() != 0:
        return "a Bento's lab starts an engine of its own: root only"
    if missing := [name for name in ("dockerd", "docker", server) if shutil.which(name, path=_SEARCH) is None]:
        return f"not installed: {', '.join(missing)} (apt-get install docker.io {package})"
    return "apt-get install openssh-server" if openssh.program() is None else None


@dataclass(frozen=True)
class Lab:
    """The kept lab, and the folder in which its hosts have their homes. `home`: the operator's environment."""

    home: dict[str, str]
    inventory: Path
    hosts: Path

    def fleet(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One of the operator's commands, to its end."""
        return subprocess.run([*FLEET, *words], env=self.home, capture_output=True, text=True, timeout=600, check=False)

    def engine(self, *words: str) -> str:
        """What the head's engine says."""
        home = {**self.home, "HOME": str(self.hosts / "box")}
        done = subprocess.run(["docker", *words], env=home, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    def containers(self) -> dict[str, tuple[str, str]]:
        """Each container's id and state, by name."""
        said = self.engine("ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}} {{.State}}")
        return {name: (number, state) for name, number, state in map(str.split, said.splitlines())}

    def main_process(self, container: str) -> int:
        """The number that this machine has for a container's first process."""
        return int(self.engine("inspect", "--format", "{{.State.Pid}}", container))

    def files(self) -> dict[str, bytes]:
        """The operator's files on the head."""
        return {str(file): file.read_bytes() for file in (self.hosts / "box/opt").rglob("*") if file.is_file()}


def listening(address: str, port: int) -> bool:
    """Whether somebody listens there within two minutes: a container that is up may still be starting."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            socket.create_connection((address, port), timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return True
    return False


@contextmanager
def kept(folder: Path, text: str, *, compose: Path | None = None) -> Iterator[Lab]:
    """A lab of this inventory, in which {0} and {1} become free ports. `compose`: the user's own plug-in for docker."""
    home = {key: value for key, value in os.environ.items() if key not in _OTHERS}
    home |= {"HOME": str(folder), "XDG_STATE_HOME": f"{folder}/state", "XDG_DATA_HOME": f"{folder}/data"}
    if compose is not None:
        plugins = folder / ".docker" / "cli-plugins"
        plugins.mkdir(parents=True)
        shutil.copy(compose, plugins / "docker-compose")
    inventory = folder / "bento.yaml"
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        inventory.write_text(text.replace("{0}", str(one.getsockname()[1])).replace("{1}", str(two.getsockname()[1])))
    up = [*FLEET, "lab", "up", str(inventory)]
    said = subprocess.run(up, env=home, capture_output=True, text=True, timeout=300, check=False)
    assert said.returncode == 0, said.stderr
    hosts = next((folder / "state" / "fleet" / "lab").glob("*/hosts"))
    if (hosts / "far").is_dir():
        # The worker's own engine: here the head's, as its programs would find it.
        shutil.copytree(hosts / "box" / ".docker", hosts / "far" / ".docker", symlinks=True)
    try:
        yield Lab(home=home, inventory=inventory, hosts=hosts)
    finally:
        subprocess.run([*FLEET, "lab", "down", str(inventory)], env=home, timeout=100, check=False)
