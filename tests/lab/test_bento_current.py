"""A Bento of the current stack, measured by the whole command: real Docker, Compose and Redis; emulated cards."""

from __future__ import annotations

import json
from collections.abc import Iterator

import bento_labs
import compose_plugin
import pytest
from bento_labs import Lab

pytestmark = bento_labs.marks("redis-server", "redis-server")

TEXT = """\
fleet: bento-current
prices: {gpu: 1600 once, worker: 2800 once}
current: {po2: 18, agents_per_gpu: 1}
po2_range: [18, 20]
workload: {iterations: 256, executor_rate: 200MHz}
lab: {backend: loopback, time_scale: 4}  # with 10, at a load of 12, cards were 6 to 18 % late
bento:
  compose: /opt/bento/prover-compose.yml
  env_file: /opt/bento/.env.broker
  project: bento-lab
  stack: current
  api: http://127.0.0.93:8081
devices:
  card: {kind: emulated, model: Card, memory: 16GB, cycles_per_second: 1MHz, overhead: 1s, join: 0.5s, traffic: 9}
hosts:
  box: {role: head, address: 127.0.0.93, port: {0}, devices: [card]}
  far: {address: 127.0.0.94, port: {1}, devices: [card], candidate: true}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """With Compose v2: each word of v1's takes a second of a processor."""
    folder, plugin = tmp_path_factory.mktemp("bento-current"), compose_plugin.got(request)
    with bento_labs.kept(folder, TEXT, compose=plugin) as up:
        yield up


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
    assert json.loads(said.stdout)["gain"]["value"] > 0.1, said.stdout + said.stderr
    assert lab.containers() == before
    assert not (lab.hosts / "far" / "bento-worker").exists()
    assert "candidate: true" in lab.inventory.read_text()
