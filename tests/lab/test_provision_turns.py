"""Two controllers provision the same hosts at once, as operators type it, with real sshd: one waits for the other."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

INVENTORY = """\
fleet: shared
lab: {{backend: loopback}}
hosts:
  box: {{role: head, devices: [{{kind: cpu}}], address: 127.0.0.171, port: {0}, ports: 26200-26299}}
  far-1: {{devices: [{{kind: cpu}}], address: 127.0.0.172, port: {1}, ports: 26300-26399}}
  far-2: {{devices: [{{kind: cpu}}], address: 127.0.0.173, port: {2}, ports: 26400-26499}}
"""
PLAYBOOK = """\
- {{name: folder, kind: directory, path: "{{{{ host.work_dir }}}}/made"}}
- name: slow
  kind: script
  unless: test -e {{{{ host.work_dir }}}}/made/slow
  run: |
    : >{{{{ host.work_dir }}}}/made/begun
    until [ -e '{gate}' ]; do sleep 0.1; done
    : >{{{{ host.work_dir }}}}/made/slow
  undo: rm -f {{{{ host.work_dir }}}}/made/slow {{{{ host.work_dir }}}}/made/begun
- {{name: note, kind: file, path: "{{{{ host.work_dir }}}}/made/note", content: "{content}\\n"}}
"""
NAMES = ("box", "far-1", "far-2")


@dataclass(frozen=True)
class Shared:
    """A lab that is up, and the operators who share it; each has a store of their own."""

    home: Path

    def start(self, *words: str, operator: str = "a") -> subprocess.Popen[str]:
        """Begin a command of an operator."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LOGNAME": operator,
            "LANG": "C.UTF-8",
            "COLUMNS": "160",
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_DATA_HOME": str(self.home / f"data-{operator}"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        line = [sys.executable, "-c", "from fleet.cli import main; main()", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(line, env=environment, cwd=self.home, stdout=pipe, stderr=pipe, text=True)

    def write(self, name: str, *, content: str = "hello") -> str:
        """A playbook whose second step goes on when there is a file `gate`."""
        (self.home / name).write_text(PLAYBOOK.format(content=content, gate=self.gate))
        return name

    @property
    def gate(self) -> Path:
        """What the slow step waits for."""
        return self.home / "gate"

    @property
    def hosts(self) -> Path:
        """Where the hosts' work folders are."""
        return next((self.home / "state" / "fleet" / "lab").glob("shared-*")) / "hosts"

    def tree(self) -> dict[str, bytes]:
        """What lies on the hosts, but for what the servers log."""
        return {
            str(file.relative_to(self.hosts)): file.read_bytes() if file.is_file() else b""
            for file in sorted(self.hosts.rglob("*"))
            if not file.is_socket() and file.suffix != ".log" and ".journal/" not in str(file)
        }

    def journals(self) -> dict[str, list[tuple[str, str]]]:
        """The step of each entry of the hosts' journals, and what became of it, in order."""
        return {
            name: [found for page in sorted((self.hosts / f"{name}.journal").glob("*.done")) for found in entries(page)]
            for name in NAMES
        }

    def begun(self, process: subprocess.Popen[str]) -> subprocess.Popen[str]:
        """The command, when it is in the slow step on every host."""
        while not all((self.hosts / host / "made" / "begun").exists() for host in NAMES):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        return process


def entries(page: Path) -> list[tuple[str, str]]:
    """What a page of a journal says: the step of each entry, and its last mark."""
    text = page.read_text()
    marks = {number: mark for mark, number in re.findall(r"(?m)^(begun|made) (\d+)$", text)}
    found = re.findall(r'(?m)^entry (\d+) .*?"step":"([^"]*)"', text)
    return [(step, marks.get(number, "")) for number, step in found]


def waiting(process: subprocess.Popen[str], whom: str) -> subprocess.Popen[str]:
    """The command, when it has said of every host whom it waits for there."""
    assert process.stderr
    left = set(NAMES)
    while left:
        line = process.stderr.readline()
        assert line, process.communicate()
        if "another command changes it: " in line:
            assert f"{whom}@" in line
            left -= {name for name in NAMES if name in line}
    return process


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def free_port(address: str) -> int:
    with socket.create_server((address, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """One for all: each test leaves the hosts as they were."""
    home = tmp_path_factory.mktemp("shared")
    ports = [free_port(f"127.0.0.{number}") for number in (171, 172, 173)]
    (home / "lab.yaml").write_text(INVENTORY.format(*ports))
    made = Shared(home)
    assert ended(made.start("lab", "up", "lab.yaml"))[0] == 0
    try:
        yield made
    finally:
        ended(made.start("lab", "down", "lab.yaml"))


@pytest.fixture
def shared(lab: Shared) -> Iterator[Shared]:
    before = lab.tree()
    yield lab
    lab.gate.touch()
    if lab.tree() != before:
        ended(lab.start("restore", "lab.yaml"))
    assert lab.tree() == before
    lab.gate.unlink()


def test_two_at_once_make_what_one_makes_and_each_change_once(shared: Shared) -> None:
    """The second has asked before anything was changed; it says whom it waits for, and leaves alone what is right."""
    before, playbook = shared.tree(), shared.write("p.yaml")
    shared.gate.touch()
    assert ended(shared.start("provision", "lab.yaml", playbook))[0] == 0
    alone, journals = shared.tree(), shared.journals()
    assert ended(shared.start("restore", "lab.yaml"))[0] == 0
    assert shared.tree() == before
    shared.gate.unlink()
    first = shared.begun(shared.start("provision", "lab.yaml", playbook, operator="ann"))
    second = waiting(shared.start("provision", "lab.yaml", playbook, "--json", operator="bob"), "ann")
    shared.gate.touch()
    code, out, err = ended(second)
    assert (ended(first)[0], code) == (0, 0), err
    assert {report["state"] for report in json.loads(out)["reports"]} == {"right"}
    assert shared.tree() == alone
    assert shared.journals() == journals
    assert ended(shared.start("restore", "lab.yaml"))[0] == 0
    assert shared.tree() == before


def test_who_waits_for_one_that_is_killed_finishes_what_that_had_begun(shared: Shared) -> None:
    """Its own copy of the journal has what it has changed; what the other one had begun is in the hosts'."""
    before, playbook = shared.tree(), shared.write("p.yaml")
    killed = shared.begun(shared.start("provision", "lab.yaml", playbook, operator="ann"))
    second = waiting(shared.start("provision", "lab.yaml", playbook, operator="bob"), "ann")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    shared.gate.touch()
    code, _, err = ended(second)
    assert code == 0, err
    made = {f"{host}/made{file}" for host in NAMES for file in ("", "/begun", "/slow", "/note")}
    assert set(shared.tree()) == {*before, *made, *(f"{host}.journal" for host in NAMES)}
    assert ended(shared.start("restore", "lab.yaml", operator="bob"))[0] == 0
    assert shared.tree() == before


def test_what_another_has_made_otherwise_is_refused_in_one_line_and_left_as_it_is(shared: Shared) -> None:
    first = shared.begun(shared.start("provision", "lab.yaml", shared.write("theirs.yaml", content="theirs")))
    mine = shared.write("mine.yaml", content="mine")
    second = waiting(shared.start("provision", "lab.yaml", mine, "--json", operator="bob"), "a")
    shared.gate.touch()
    code, out, err = ended(second)
    assert (ended(first)[0], code) == (0, 4)
    assert "not ready: box, far-1, far-2" in err
    for report in json.loads(out)["reports"]:
        if report["step"] == "note":
            assert report["summary"] == "not changed: somebody else has changed it since it was asked"
            assert "by now it would be: rewrite " in report["detail"]
        else:
            assert report["state"] == "right"
    assert {(shared.hosts / host / "made" / "note").read_text() for host in NAMES} == {"theirs\n"}
    assert ended(shared.start("provision", "lab.yaml", mine, operator="bob"))[0] == 0


def test_a_restoration_waits_for_a_provisioning(shared: Shared) -> None:
    before = shared.tree()
    first = shared.begun(shared.start("provision", "lab.yaml", shared.write("p.yaml"), operator="ann"))
    back = waiting(shared.start("restore", "lab.yaml", operator="bob"), "ann")
    shared.gate.touch()
    assert ended(first)[0] == 0
    code, _, err = ended(back)
    assert code == 0, err
    ended(shared.start("restore", "lab.yaml", operator="bob"))
    assert shared.tree() == before
