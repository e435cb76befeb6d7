"""Workers come and go on a kept lab: added by URL, cut off and finished, tried and put back, drained, removed."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

FLEET = [str(Path(sys.executable).with_name("fleet"))]

pytestmark = [pytest.mark.lab, pytest.mark.alone, pytest.mark.timeout(300)]

TEXT = """\
# A box, and who may join it.
fleet: workers
prices: {{worker: 2000 once}}
current: {{po2: 18, agents_per_gpu:   1}}   # as it runs today
po2_range: [18, 20]
workload: {{iterations: 256, executor_rate: 200MHz}}
lab: {{backend: loopback, time_scale: 10}}
devices:
  card: {{kind: emulated, model: 'Card', memory: 16GB, cycles_per_second: 4MHz, overhead: 0.3s, join: 0.2s}}
groups:
  remote: {{ports: 25600-25899}}            # the second room
hosts:
  box: {{role: head, address: 127.0.0.54, port: {0}, ports: 25000-25299, devices: [card]}}
  far-1: {{address: 127.0.0.55, port: {1}, ports: 25300-25599, devices: [card], candidate: true}}   # soon
"""
FAR_2 = "  far-2: {{address: 127.0.0.56, port: {2}, group: remote, devices: [card]}}\n"
QUICK = ("--pairs", "2", "--precision", "50")


@dataclass(frozen=True)
class Lab:
    """A kept lab of three hosts, and an inventory that knows two of them."""

    home: dict[str, str]
    inventory: Path
    url: str

    def fleet(self, *words: str, timeout: float = 250) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*FLEET, *words], env=self.home, capture_output=True, text=True, timeout=timeout, check=False
        )

    def worker(self, command: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.fleet("worker", command, str(self.inventory), *words)

    @property
    def known_hosts(self) -> Path:
        return next((Path(self.home["XDG_STATE_HOME"]) / "fleet" / "lab").glob("workers-*")) / "known_hosts"

    def files(self, host: str) -> list[str]:
        """What lies in the host's home, and its journal beside it."""
        hosts = self.known_hosts.parent / "hosts"
        return sorted(str(file.relative_to(hosts)) for file in hosts.rglob("*") if file.parts[len(hosts.parts)] == host)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("workers")
    home = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ} | {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_STATE_HOME": str(folder / "state"),
        "COLUMNS": "120",
    }
    ports = []
    for address in ("127.0.0.54", "127.0.0.55", "127.0.0.56"):
        with socket.create_server((address, 0)) as listener:
            ports.append(listener.getsockname()[1])
    inventory = folder / "workers.yaml"
    inventory.write_text((TEXT + FAR_2).format(*ports))
    found = Lab(home=home, inventory=inventory, url=f"ssh://127.0.0.56:{ports[2]}")
    up = found.fleet("lab", "up", str(inventory))
    assert up.returncode == 0, up.stderr
    inventory.write_text(TEXT.format(*ports))
    yield found
    found.fleet("lab", "down", str(inventory))


@pytest.fixture
def lab(kept: Lab) -> Iterator[Lab]:
    """The lab, and its inventory as it is at first, whatever a test leaves behind."""
    text = kept.inventory.read_text()
    yield kept
    if kept.inventory.read_text() != text:
        kept.worker("remove", "far-2")
        kept.inventory.write_text(text)


def test_a_worker_is_added_after_a_kill_in_the_middle_and_leaves_no_trace_when_removed(lab: Lab) -> None:
    """One line more in the file, once; the trials from before the kill are used; remove takes everything back."""
    before, files = lab.inventory.read_bytes(), lab.files("far-2")
    words = (lab.url, "--name", "far-2", "--group", "remote", "--device", "card", "--cost", "1.20/hour", *QUICK)
    first = subprocess.Popen(
        [*FLEET, "worker", "add", str(lab.inventory), *words],
        env=lab.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert first.stderr is not None
    assert any("trial 3" in line for line in first.stderr)
    first.kill()
    first.communicate()
    assert lab.inventory.read_bytes() == before
    listed = lab.worker("list")
    assert "half added (measure)" in listed.stdout, listed.stderr
    drained = lab.worker("drain", "far-2")
    assert drained.returncode == 2, drained.stderr
    assert f"add{lab.inventory}{lab.url};" in "".join(drained.stderr.split()), "what finishes it is said"

    again = lab.worker("add", lab.url, *QUICK)

    assert again.returncode == 0, again.stderr
    assert lab.fleet("runs").stdout.count(" workers ") == 1, "it goes on with the run that was cut off"
    assert "predicted" in again.stdout
    assert "2 pairs without and with it" in " ".join(again.stdout.split())
    added = lab.inventory.read_text().splitlines(keepends=True)
    assert "".join(line for line in added if "far-2" not in line).encode() == before
    assert [line for line in added if "far-2" in line] == [
        (
            f"  far-2: {{address: 127.0.0.56, port: {lab.url.rpartition(':')[2]}, group: remote, cost: 1.20/hour,"
            " devices: [card]}\n"
        )
    ]
    twice = lab.worker("add", lab.url, *QUICK)
    assert (twice.returncode, twice.stdout) == (0, "far-2 is in the inventory and in service already\n")

    assert lab.worker("drain", "far-2").returncode == 0
    plan = lab.fleet("plan", str(lab.inventory))
    assert "far-2" not in "".join(line for line in plan.stdout.splitlines() if "in service" in line and "×" in line)
    shown = [line for line in lab.worker("list").stdout.splitlines() if line.startswith("far-2")]
    assert "drained" in shown[0]
    assert "USD 1.20 an hour" in shown[0]

    removed = lab.worker("remove", "far-2")
    assert removed.returncode == 0, removed.stderr
    assert lab.inventory.read_bytes() == before
    assert lab.files("far-2") == files


def test_a_trial_of_a_worker_leaves_hosts_and_inventory_as_they_were(lab: Lab) -> None:
    """The head, too, which had to be provisioned for it."""
    assert lab.fleet("restore", str(lab.inventory)).returncode == 0
    before, files, head = lab.inventory.read_bytes(), lab.files("far-2"), lab.files("box")
    done = lab.worker("add", lab.url, "--name", "far-2", "--group", "remote", "--device", "card", "--trial", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "measured" in done.stdout
    assert "as it was before" in done.stderr
    assert lab.inventory.read_bytes() == before
    assert lab.files("far-2") == files
    assert lab.files("box") == head
    assert "far-2" not in lab.worker("list").stdout


def test_a_file_of_many_goes_on_after_a_failure_and_the_exit_code_tells(lab: Lab, tmp_path: Path) -> None:
    """A candidate of the inventory becomes a host in service by its name; who cannot be reached is listed."""
    before = lab.inventory.read_text()
    with socket.create_server(("127.0.0.57", 0)) as taken:
        port = taken.getsockname()[1]
    many = tmp_path / "many.txt"
    many.write_text(f"ssh://127.0.0.57:{port} --name gone --device card   # switched off\nfar-1\n")
    done = lab.worker("add", "--from", str(many), *QUICK)
    assert done.returncode == 3, done.stderr
    assert "1 of 2 not added: gone" in " ".join(done.stderr.split())
    assert lab.inventory.read_text() == before.replace(", candidate: true", "")
    lab.inventory.write_text(before)


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("ssh://127.0.0.54:{box}",), 2, "box is the head itself"),
        (("ssh://127.0.0.56:{far}", "--device", "cart"), 2, "did you mean `card`"),
        (("far-9",), 2, "is no host of"),
        (("ssh://127.0.0.56:{far}", "-K"), 2, "nobody can be asked for the sudo password"),
        ((), 2, "which worker?"),
    ],
)
def test_who_cannot_be_added_is_refused_in_a_line(lab: Lab, words: tuple[str, ...], code: int, why: str) -> None:
    text = lab.inventory.read_text()
    box = next(line for line in text.splitlines() if "box:" in line).partition("port: ")[2].partition(",")[0]
    filled = [word.format(box=box, far=lab.url.rpartition(":")[2]) for word in words]
    done = lab.worker("add", *filled)
    assert (done.returncode, why in " ".join(done.stderr.split())) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert lab.inventory.read_text() == text


def test_a_new_key_is_pinned_with_consent_only_and_a_changed_one_never(lab: Lab) -> None:
    pins = lab.known_hosts.read_text()
    own = next(line for line in pins.splitlines() if "127.0.0.56" in line)
    other = next(line for line in pins.splitlines() if "127.0.0.54" in line)
    words = ("add", lab.url, "--device", "card")
    try:
        lab.known_hosts.write_text(pins.replace(f"{own}\n", ""))
        unasked = lab.worker(*words)
        assert unasked.returncode == 2
        assert "SHA256:" in unasked.stderr
        assert "no terminal" in unasked.stderr
        assert "127.0.0.56" not in lab.known_hosts.read_text()
        asked = lab.worker("add", lab.url, "--name", "far-2", "--yes")
        assert (asked.returncode, "no device was found" in " ".join(asked.stderr.split())) == (2, True), asked.stderr
        assert own in lab.known_hosts.read_text()
        undone = lab.worker("remove", "far-2")
        assert undone.returncode == 0, undone.stderr
        assert "127.0.0.56" not in lab.known_hosts.read_text(), "what came to nothing leaves no pin"
        lab.known_hosts.write_text(pins.replace(own, f"{own.split()[0]} {' '.join(other.split()[1:])}"))
        changed = lab.worker(*words, "--yes")
        assert changed.returncode == 3
        assert changed.stderr.count("SHA256:") == 2
        assert "not the one that is pinned" in changed.stderr
    finally:
        lab.known_hosts.write_text(pins)


def test_one_command_at_a_time_changes_the_workers_of_a_fleet(lab: Lab) -> None:

    folder = next((Path(lab.home["XDG_STATE_HOME"]) / "fleet" / "workers").glob("workers-*"))
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        done = lab.worker("add", lab.url, "--device", "card")
    finally:
        os.close(descriptor)
    assert done.returncode == 2
    assert "another command" in done.stderr
