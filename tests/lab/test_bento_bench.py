"""A Bento on this machine, measured by the whole command: real Docker Engine, Compose, PostgreSQL; emulated cards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import compose_plugin
import pytest

from fleet.lab import openssh

FLEET = [str(Path(sys.executable).with_name("fleet"))]
INVENTORY = Path(__file__).parents[2] / "inventory" / "bento-lab.yaml"
SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def obstacle() -> str | None:
    if os.geteuid() != 0:
        return "a Bento's lab starts an engine of its own: root only"
    if missing := [name for name in ("dockerd", "docker", "psql") if shutil.which(name, path=SEARCH) is None]:
        return f"not installed: {', '.join(missing)} (apt-get install docker.io postgresql)"
    return "apt-get install openssh-server" if openssh.program() is None else None


pytestmark = [
    pytest.mark.lab,
    pytest.mark.alone,
    pytest.mark.skipif(obstacle() is not None, reason=obstacle() or ""),
    pytest.mark.timeout(900),  # a busy machine starts an engine and agents slowly
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A user's home with Compose v2 for a plug-in; the lab and the store lie below it."""
    plugins = tmp_path / "home" / ".docker" / "cli-plugins"
    plugins.mkdir(parents=True)
    shutil.copy(compose_plugin.got(request), plugins / "docker-compose")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "home"


def fleet(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FLEET, *words], capture_output=True, text=True, check=False)


@pytest.fixture
def head(home: Path) -> Iterator[Path]:
    """The home of the head of a lab that is kept up."""
    said = fleet("lab", "up", str(INVENTORY))
    assert said.returncode == 0, said.stderr
    (place,) = (home.parent / "state" / "fleet" / "lab").glob("*/hosts/box")
    try:
        yield place
    finally:
        fleet("lab", "down", str(INVENTORY))


def containers(head: Path) -> dict[str, tuple[str, str]]:
    """Each container's id and state, by name, as the lab's engine has them."""
    words = ["docker", "ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}} {{.State}}"]
    said = subprocess.run(words, env={**os.environ, "HOME": str(head)}, capture_output=True, text=True, check=True)
    return {name: (number, state) for name, number, state in map(str.split, said.stdout.splitlines())}


def files(head: Path) -> dict[str, bytes]:
    """The operator's files."""
    return {str(file): file.read_bytes() for file in (head / "opt").rglob("*") if file.is_file()}


def within(seconds: float, head: Path, wanted: dict[str, tuple[str, str]]) -> bool:
    until = time.monotonic() + seconds
    while (found := containers(head)) != wanted:
        if time.monotonic() > until:
            raise AssertionError((found, wanted))
        time.sleep(0.5)
    return True


def test_a_bento_is_measured_to_the_known_verdict_and_put_back(head: Path) -> None:
    """Broker stopped and started, agents set aside and started, the same containers; the operator's files as before."""
    before, texts = containers(head), files(head)
    assert before["bento-lab-broker-1"][1] == "running"
    said = fleet("bench", str(INVENTORY), "--json", "--repeats", "2", "--trials", "8")
    assert said.returncode == 0, said.stderr
    report = json.loads(said.stdout)
    assert report["verdict"]["choice"] == "tune", said.stdout[:2000]
    assert "out of memory: ceiling" in said.stderr
    assert containers(head) == before
    assert files(head) == texts


def test_a_controller_killed_in_a_trial_leaves_a_bento_that_is_put_back(head: Path) -> None:
    """Nobody puts it back but the watch on the host."""
    before, texts = containers(head), files(head)
    words = [*FLEET, "bench", str(INVENTORY), "--trials", "4"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as controller:
        assert controller.stderr is not None
        for line in controller.stderr:
            if "trial 2" in line:  # the first is over, and agents of another layout may be on their way
                break
        assert containers(head)["bento-lab-broker-1"][1] == "exited"
        controller.send_signal(signal.SIGKILL)
    said = fleet("restore", str(INVENTORY))
    assert said.returncode == 0, said.stderr + said.stdout
    assert within(120, head, before)
    assert files(head) == texts
