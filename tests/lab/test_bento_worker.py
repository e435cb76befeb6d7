"""A kept lab with a Bento head in a real Docker Engine: doors tried, the past read, a worker attached and put back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import bento_labs
import pytest
from bento_labs import Lab

pytestmark = bento_labs.marks("psql", "postgresql")

TEXT = """\
fleet: bento-worker
current: {po2: 18, agents_per_gpu: 1}
po2_range: [18, 20]
workload: {iterations: 256, executor_rate: 200MHz}
lab: {backend: loopback, time_scale: 10}
bento:
  compose: /opt/bento/compose.yml
  env_file: /opt/bento/.env.broker
  project: bento-lab
  api: http://127.0.0.91:8081
devices:
  card: {kind: emulated, model: Card, memory: 16GB, cycles_per_second: 4MHz, overhead: 0.1s, join: 0.1s, traffic: 9}
hosts:
  box: {role: head, address: 127.0.0.91, port: {0}, devices: [card]}
  far: {address: 127.0.0.92, port: {1}, devices: [card], candidate: true}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with bento_labs.kept(tmp_path_factory.mktemp("bento-worker"), TEXT) as up:
        yield up


def test_the_doctor_gets_in_by_the_default_password(lab: Lab) -> None:
    """PostgreSQL by worker/password and the API by nothing are red, with cures; what is not there is not named."""
    assert bento_labs.listening("127.0.0.91", 8081)
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
