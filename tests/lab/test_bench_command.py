"""Commands of the operator's own, from inventory to verdict, on lab hosts: real programs, real seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SHIPPED = Path(__file__).parents[2] / "inventory" / "cpu-lab.yaml"

pytestmark = [pytest.mark.lab, pytest.mark.alone, pytest.mark.timeout(300)]

TURNS = """\
fleet: turns
prices: {{gpu: 1000 once, worker: 1000 once}}
current: {{agents_per_gpu: 1}}
command:
  run: [python3, -c, "import fcntl, time; f = open('{folder}/{{host}}', 'w'); fcntl.flock(f, 2); time.sleep(0.15)"]
  unit: frames/s
  items: 8
lab: {{backend: loopback}}
hosts:
  box: {{role: head, devices: [{{kind: cpu, count: 2}}], free_slots: 1, spare_power: 100}}
  far-1: {{devices: [{{kind: cpu}}], candidate: true}}
"""
"""Programs that sleep while they hold a lock of their host: as in a box whose devices take turns on one resource."""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment in which fleet has never run, at 80 columns."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "80", "LANG": "C.UTF-8"}


def fleet(home: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    program = [str(Path(sys.executable).with_name("fleet"))]
    return subprocess.run([*program, *words], env=home, capture_output=True, text=True, timeout=280, check=False)


def test_a_knob_that_is_turned_too_low_is_found(home: dict[str, str]) -> None:
    """Hashing small blocks takes longer to call than to do: tune, said in the operator's own words everywhere."""
    done = fleet(home, "bench", str(SHIPPED), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["verdict"]["choice"] == "tune"
    assert report["verdict"]["confidence"] >= 0.95
    assert report["emulated"] is False
    assert "block 16 → block " in report["verdict"]["label"]

    shown = fleet(home, "report")
    markdown = fleet(home, "report", "--markdown")
    assert shown.returncode == markdown.returncode == 0, shown.stderr
    for text in (done.stderr, shown.stdout, markdown.stdout):
        assert "MB/s" in text
        assert "kHz" not in text
        assert "po2" not in text
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_a_box_whose_devices_take_turns_wants_a_worker(home: dict[str, str], tmp_path: Path) -> None:
    """A second device in the box brings nothing, a remote worker doubles what is done; a queue shares out the runs."""
    inventory = tmp_path / "turns.yaml"
    inventory.write_text(TURNS.format(folder=tmp_path))
    done = fleet(home, "bench", str(inventory), "--json", "--trials", "16")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["verdict"]["choice"] == "add_remote_worker", report["verdict"]
    assert report["verdict"]["confidence"] >= 0.95
    assert report["verdict"]["gain"]["value"] > 0.3
    assert report["verdict"]["gain"]["low"] > 0  # how far below depends on what else the machine does
    assert report["verdict"]["gain"]["n"] > 0
    assert "frames/s" in done.stderr
