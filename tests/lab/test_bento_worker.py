"""A kept lab with a Bento head in a real Docker Engine: doors tried, the past read, a worker attached and put back."""

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

FLEET = [str(Path(sys.executable).with_name("fleet"))]

pytestmark = [
    pytest.mark.lab,
    pytest.mark.alone,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="a lab with Bento starts a Docker Engine of its own: run as root"),
    pytest.mark.skipif(shutil.which("dockerd") is None, reason="no dockerd: install the package `docker.io`"),
]

TEXT = """\
fleet: bento-worker
current: {{po2: 18, agents_per_gpu: 1}}
po2_range: [18, 20]
workload: {{iterations: 256, executor_rate: 200MHz}}
lab: {{backend: loopback, time_scale: 10}}
bento:
  compose: /opt/bento/compose.yml
  env_file: /opt/bento/.env.broker
  project: bento-lab
  api: http://127.0.0.91:8081
devices:
  card: {{kind: emulated, model: Card, memory: 16GB, cycles_per_second: 4MHz, overhead: 0.1s, join: 0.1s, traffic: 9}}
hosts:
  box: {{role: head, address: 127.0.0.91, port: {0}, devices: [card]}}
  far: {{address: 127.0.0.92, port: {1}, devices: [card], candidate: true}}
"""


@dataclass(frozen=True)
class Lab:
    """The kept lab, and the folder in which its hosts have their homes."""

    home: dict[str, str]
    inventory: Path
    hosts: Path

    def fleet(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*FLEET, *words], env=self.home, capture_output=True, text=True, timeout=250, check=False)

    def engine(self, *words: str) -> str:
        home = {**self.home, "HOME": str(self.hosts / "box")}
        done = subprocess.run(["docker", *words], env=home, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("bento-worker")
    home = {key: value for key, value in os.environ.items() if key not in {"PGPASSWORD", "FLEET_STORE"}}
    home |= {"HOME": str(folder), "XDG_STATE_HOME": f"{folder}/state", "XDG_DATA_HOME": f"{folder}/data"}
    inventory = folder / "bento.yaml"
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        inventory.write_text(TEXT.format(one.getsockname()[1], two.getsockname()[1]))
    up = subprocess.run(
        [*FLEET, "lab", "up", str(inventory)], env=home, capture_output=True, text=True, timeout=200, check=False
    )
    assert up.returncode == 0, up.stderr
    hosts = next((folder / "state" / "fleet" / "lab").glob("*/hosts"))
    # The worker's own engine: here the head's, as its programs would find it.
    shutil.copytree(hosts / "box" / ".docker", hosts / "far" / ".docker", symlinks=True)
    try:
        yield Lab(home=home, inventory=inventory, hosts=hosts)
    finally:
        subprocess.run([*FLEET, "lab", "down", str(inventory)], env=home, timeout=100, check=False)


def test_the_doctor_gets_in_by_the_default_password(lab: Lab) -> None:
    """PostgreSQL by worker/password and the API by nothing are red, with cures; what is not there is not named."""
    done = lab.fleet("doctor", str(lab.inventory), "--json")
    told = json.loads(done.stdout)
    checks = {check["name"]: check for checkup in told["checkups"] for check in checkup["checks"]}
    assert done.returncode == 3
    assert checks["PostgreSQL"]["light"] == "red"
    assert "worker/password" in checks["PostgreSQL"]["seen"]
    assert "POSTGRES_PASSWORD" in checks["PostgreSQL"]["cure"]
    assert checks["REST API"]["light"] == "red"
    assert not {"Redis", "MinIO"} & checks.keys()


def test_the_past_is_read_with_the_env_files_own_login(lab: Lab) -> None:
    """No --at, no password of ours: user, password, host and port are those of the cluster's own file."""
    done = lab.fleet("bento", "analyse", str(lab.inventory), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["archive"]["place"] == "postgresql://worker@127.0.0.91:5432/taskdb of box"


def test_a_worker_is_attached_and_put_back(lab: Lab) -> None:
    """Its agent is the head's image and nothing else runs for it; after a trial neither containers nor files are left.

    No password of the head is said on the way.
    """
    before = lab.engine("ps", "-aq", "--no-trunc")
    kept = lab.fleet("worker", "add", str(lab.inventory), "far", "--yes")
    assert kept.returncode == 0, kept.stderr
    assert "far proves for box: 1 agents of fleet-lab/bento:emulated, the same image as there" in kept.stderr
    label = "label=com.docker.compose.project=fleet-bento-worker"
    rows = lab.engine("ps", "--filter", label, "--format", "{{.Image}} {{.State}}").splitlines()
    assert [row.split()[-1] for row in rows] == ["running"]
    env = lab.hosts / "far" / "bento-worker" / "head.env"
    assert env.stat().st_mode & 0o777 == 0o600
    assert "POSTGRES_HOST=127.0.0.91" in env.read_text()
    # The password is `password`, which every word about it would show, too: look for how the file has it.
    assert 'POSTGRES_PASSWORD="password"' not in kept.stdout + kept.stderr
    assert "candidate" not in lab.inventory.read_text()
    gone = lab.fleet("worker", "remove", str(lab.inventory), "far")
    assert gone.returncode == 0, gone.stderr
    assert lab.engine("ps", "-aq", "--no-trunc") == before
    assert not (lab.hosts / "far" / "bento-worker").exists()
