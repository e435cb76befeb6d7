"""The whole road, by the command line, on real parts: SSH servers, a Ray cluster of several nodes, a store."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

INVENTORIES = Path(__file__).parents[2] / "inventory"
FLEET = [str(Path(sys.executable).with_name("fleet"))]

pytestmark = [pytest.mark.lab, pytest.mark.alone, pytest.mark.timeout(420)]


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment in which fleet has never run."""
    return {
        **{key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ},
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }


def fleet(home: dict[str, str], *words: str, timeout: float = 400) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FLEET, *words], env=home, capture_output=True, text=True, timeout=timeout, check=False)


def leftovers(home: dict[str, str]) -> list[str]:
    """Command lines of processes that belong to this test's lab: their environment or words name its folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            around = (entry / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if home["HOME"] in words or home["HOME"] in around:
            found.append(words)
    return found


def gone(home: dict[str, str], within: float = 30.0) -> list[str]:
    """Wait for every process of the lab to end; what is left after `within` seconds is returned."""
    until = time.monotonic() + within
    while (left := leftovers(home)) and time.monotonic() < until:
        time.sleep(0.3)
    return left


@pytest.mark.parametrize(
    ("inventory", "choice"),
    [("lab.yaml", "add_remote_worker"), ("lab-gpu.yaml", "add_gpu"), ("lab-tune.yaml", "tune")],
)
def test_each_lab_gives_the_verdict_that_was_planted(home: dict[str, str], inventory: str, choice: str) -> None:
    done = fleet(home, "bench", str(INVENTORIES / inventory), "--json")

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["verdict"]["choice"] == choice
    assert report["verdict"]["confidence"] >= 0.95
    assert report["emulated"] is True
    assert gone(home) == []

    again = fleet(home, "report", "latest", "--json")
    assert json.loads(again.stdout) == report

    listed = fleet(home, "runs")
    assert report["run"] in listed.stdout


def test_this_machine_as_it_is_can_be_measured(home: dict[str, str]) -> None:
    done = fleet(home, "bench", str(INVENTORIES / "local.yaml"), "--json", "--trials", "4")

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["emulated"] is False
    assert all(row["hz"]["value"] > 0 for row in report["throughput"])
    assert gone(home) == []


def test_one_host_down_is_listed_and_the_rest_is_reported(home: dict[str, str], tmp_path: Path) -> None:
    text = (INVENTORIES / "lab.yaml").read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    down = f"\n  down: {{address: 127.0.0.1, port: {port}, devices: [a4000], candidate: true, lab: false}}\n"
    inventory = tmp_path / "down.yaml"
    inventory.write_text(text.rstrip("\n") + down)

    done = fleet(home, "bench", str(inventory), "--json", "--trials", "4")

    assert done.returncode == 3, done.stderr
    assert "down" in done.stderr
    assert json.loads(done.stdout)["throughput"]
    assert gone(home) == []


def started(home: dict[str, str], *words: str, until: str) -> subprocess.Popen[str]:
    """Start fleet and wait until its plain log says `until`."""
    process = subprocess.Popen([*FLEET, *words], env=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if until in line:
            return process
    raise AssertionError(f"it ended before it said {until!r}")


def test_control_c_stops_everything_and_the_run_can_be_resumed(home: dict[str, str]) -> None:
    lab = str(INVENTORIES / "lab.yaml")
    process = started(home, "bench", lab, "--trials", "4", until="trial 2")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "--resume" in said
    assert gone(home) == []

    run = json.loads(fleet(home, "report", "latest", "--json").stdout)["run"]
    resumed = fleet(home, "bench", lab, "--trials", "4", "--resume", run, "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["trials"] == 4


def trials_of(home: dict[str, str], run: str) -> list[str]:
    """The identities of a run's trials, in order."""
    with contextlib.closing(sqlite3.connect(f"{home['XDG_DATA_HOME']}/fleet/fleet.db")) as store:
        return [row[0] for row in store.execute("SELECT trial FROM observations WHERE run = ? ORDER BY seq", (run,))]


def test_kill_9_leaves_nothing_behind_and_loses_only_the_running_trial(home: dict[str, str]) -> None:
    lab = str(INVENTORIES / "lab.yaml")
    process = started(home, "bench", lab, "--trials", "4", until="trial 3")
    process.kill()
    process.communicate(timeout=60)
    assert gone(home) == []

    report = json.loads(fleet(home, "report", "latest", "--json").stdout)
    assert report["trials"] == 2
    resumed = fleet(home, "bench", lab, "--trials", "4", "--resume", report["run"], "--json")
    assert resumed.returncode == 0, resumed.stderr
    unbroken = fleet(home, "bench", lab, "--trials", "4", "--json")
    assert trials_of(home, report["run"]) == trials_of(home, json.loads(unbroken.stdout)["run"])


def test_plan_touches_nothing(home: dict[str, str]) -> None:
    done = fleet(home, "plan", str(INVENTORIES / "lab.yaml"))

    assert done.returncode == 0, done.stderr
    assert "would" in done.stdout
    assert not list((Path(home["XDG_STATE_HOME"]) / "fleet" / "lab").glob("*/hosts/*/.fleet*"))
    assert gone(home) == []


def test_provisioning_twice_changes_nothing_the_second_time(home: dict[str, str]) -> None:
    lab = str(INVENTORIES / "lab.yaml")
    first = fleet(home, "provision", lab)
    second = fleet(home, "provision", lab)

    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert "changed" in first.stdout
    assert "changed" not in second.stdout.lower()


def processes_of(home: dict[str, str], host: str) -> list[int]:
    """Everything that runs on a lab host: its server, its Ray node, its agents."""
    folder = re.compile(
        re.escape(f"{home['XDG_STATE_HOME']}/fleet/lab/lab-").encode() + rb"[0-9a-f]{8}/hosts/" + host.encode()
    )
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and folder.search(
                (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_a_host_that_dies_in_the_middle_of_a_trial_is_lost_and_the_rest_goes_on(home: dict[str, str]) -> None:
    process = started(home, "bench", str(INVENTORIES / "lab.yaml"), "--trials", "9", "--json", until="remote, box")
    time.sleep(0.5)
    for pid in processes_of(home, "far-1"):
        os.kill(pid, signal.SIGKILL)
    out, said = process.communicate(timeout=300)

    assert process.returncode == 0, said
    report = json.loads(out)
    assert "host_lost" in {refusal["code"] for refusal in report["refused"]}
    assert any("far-2" in row["layout"] for row in report["throughput"])
    assert gone(home) == []


def test_a_full_disk_ends_measuring_and_what_was_measured_is_still_reported(home: dict[str, str]) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: to mount a small disk")
    disk = Path(home["HOME"]) / "small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=220k", "tmpfs", str(disk)], check=True)
    try:
        done = fleet(home, "bench", str(INVENTORIES / "lab.yaml"), "--json", "--store", str(disk / "fleet.db"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)

    assert done.returncode == 6, done.stderr
    assert json.loads(done.stdout)["trials"] >= 1
    assert gone(home) == []
