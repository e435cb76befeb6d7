"""A Bento of the current stack, measured by the whole command: real Docker, Compose and Redis; emulated cards."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.lab import openssh

FLEET = [str(Path(sys.executable).with_name("fleet"))]
SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

TEXT = """\
fleet: bento-current
prices: {{gpu: 1600 once, worker: 2800 once}}
current: {{po2: 18, agents_per_gpu: 1}}
po2_range: [18, 20]
workload: {{iterations: 256, executor_rate: 200MHz}}
lab: {{backend: loopback, time_scale: 10}}
bento:
  compose: /opt/bento/prover-compose.yml
  env_file: /opt/bento/.env.broker
  project: bento-lab
  stack: current
  api: http://127.0.0.93:8081
devices:
  card: {{kind: emulated, model: Card, memory: 16GB, cycles_per_second: 1MHz, overhead: 1s, join: 0.5s, traffic: 9}}
hosts:
  box: {{role: head, address: 127.0.0.93, port: {0}, devices: [card]}}
  far: {{address: 127.0.0.94, port: {1}, devices: [card], candidate: true}}
"""


def obstacle() -> str | None:
    if os.geteuid() != 0:
        return "a Bento's lab starts an engine of its own: root only"
    if missing := [name for name in ("dockerd", "docker", "redis-server") if shutil.which(name, path=SEARCH) is None]:
        return f"not installed: {', '.join(missing)} (apt-get install docker.io redis-server)"
    return "apt-get install openssh-server" if openssh.program() is None else None


pytestmark = [
    pytest.mark.lab,
    pytest.mark.alone,
    pytest.mark.skipif(obstacle() is not None, reason=obstacle() or ""),
    pytest.mark.timeout(900),  # a busy machine starts an engine and agents slowly
]


@dataclass(frozen=True)
class Lab:
    """The kept lab, and the folder in which its hosts have their homes."""

    home: dict[str, str]
    inventory: Path
    hosts: Path

    def fleet(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*FLEET, *words], env=self.home, capture_output=True, text=True, check=False)

    def containers(self) -> dict[str, tuple[str, str]]:
        """Each container's id and state, by name, as the lab's engine has them."""
        words = ["docker", "ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}} {{.State}}"]
        home = {**self.home, "HOME": str(self.hosts / "box")}
        said = subprocess.run(words, env=home, capture_output=True, text=True, check=True)
        return {name: (number, state) for name, number, state in map(str.split, said.stdout.splitlines())}

    def files(self) -> dict[str, bytes]:
        """The operator's files."""
        return {str(file): file.read_bytes() for file in (self.hosts / "box/opt").rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("bento-current")
    home = {key: value for key, value in os.environ.items() if key not in {"REDISCLI_AUTH", "FLEET_STORE"}}
    home |= {"HOME": str(folder), "XDG_STATE_HOME": f"{folder}/state", "XDG_DATA_HOME": f"{folder}/data"}
    inventory = folder / "bento.yaml"
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        inventory.write_text(TEXT.format(one.getsockname()[1], two.getsockname()[1]))
    up = subprocess.run([*FLEET, "lab", "up", str(inventory)], env=home, capture_output=True, text=True, check=False)
    assert up.returncode == 0, up.stderr
    hosts = next((folder / "state" / "fleet" / "lab").glob("*/hosts"))
    # The worker's own engine: here the head's, as its programs would find it.
    shutil.copytree(hosts / "box" / ".docker", hosts / "far" / ".docker", symlinks=True)
    try:
        yield Lab(home=home, inventory=inventory, hosts=hosts)
    finally:
        subprocess.run([*FLEET, "lab", "down", str(inventory)], env=home, timeout=100, check=False)


def test_it_is_measured_to_the_known_verdict_and_put_back(lab: Lab) -> None:
    """Jobs by bento_cli over REST, followed and read in Redis; then the same containers run, on the same files.

    What is no worker yet is left out, and said by the exit code.
    """
    before, texts = lab.containers(), lab.files()
    said = lab.fleet("bench", str(lab.inventory), "--isolate", "--json", "--repeats", "2", "--trials", "4")
    assert said.returncode == 3, said.stderr
    assert "left out: far" in said.stderr
    report = json.loads(said.stdout)
    assert report["verdict"]["choice"] == "tune", said.stdout[:2000]
    assert lab.containers() == before
    assert lab.files() == texts


def test_a_worker_is_attached_its_gain_measured_and_put_back(lab: Lab) -> None:
    """It is told of the head's API, and of nothing that only the head can reach; the trial leaves nothing of it."""
    before = lab.containers()
    words = ("worker", "add", str(lab.inventory), "far", "--yes", "--isolate", "--trial", "--json", "--pairs", "2")
    said = lab.fleet(*words)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["gain"]["value"] > 0.1
    assert lab.containers() == before
    assert not (lab.hosts / "far" / "bento-worker").exists()
    assert "candidate: true" in lab.inventory.read_text()
