"""`fleet provision` and `fleet restore` as an operator types them, on a lab's hosts with real SSH."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

INVENTORY = """\
fleet: typed
lab: {{backend: loopback}}
vars: {{greeting: hello, token: {{from_env: PLANTED}}}}
groups:
  far: {{vars: {{greeting: hi}}}}
hosts:
  box: {{role: head, devices: [{{kind: cpu}}], address: 127.0.0.151, port: {0}, ports: 25200-25299}}
  far-1: {{group: far, devices: [{{kind: cpu}}], address: 127.0.0.152, port: {1}, ports: 25300-25399}}
  far-2: {{group: far, devices: [{{kind: cpu}}], address: 127.0.0.153, port: {2}, ports: 25400-25499}}
"""
PLAYBOOK = """\
- {name: folder, kind: directory, path: "{{ host.work_dir }}/made", tags: [base]}
- name: note
  kind: file
  path: "{{ host.work_dir }}/made/note"
  content: "{{ vars.greeting }} from {{ host.name }}\\n"
  tags: [base, note]
- {name: token, kind: file, path: "{{ host.work_dir }}/made/token", content: "{{ vars.token }}", tags: [secret]}
- name: gate
  kind: script
  unless: test -e {{ host.work_dir }}/made/gate
  run: |
    [ {{ host.name }} = box ] || { echo 'mkdir: cannot create x: No space left on device' >&2; exit 3; }
    : >{{ host.work_dir }}/made/gate
  undo: rm -f {{ host.work_dir }}/made/gate
  tags: [gate]
"""
TOKEN = "planted-4711"  # noqa: S105 (what the tests look for)


@dataclass(frozen=True)
class Typed:
    """A lab that is up, and what an operator types there."""

    home: Path

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin a command."""
        return subprocess.Popen(
            [sys.executable, "-c", "from fleet.cli import main; main()", *words],
            env=self._environment(),
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Run a command to its end: exit code, stdout, stderr."""
        process = self.start(*words)
        out, err = process.communicate(timeout=240)
        assert "Traceback" not in err, err
        assert TOKEN not in out + err
        return process.returncode, out, err

    def states(self, *words: str) -> Mapping[str, list[str]]:
        """The states of each host's steps."""
        found: dict[str, list[str]] = {}
        for report in json.loads(self(*words, "--json")[1])["reports"]:
            found.setdefault(report["host"], []).append(report["state"])
        return found

    @property
    def hosts(self) -> Path:
        """Where the hosts' work folders are."""
        return next((self.home / "state" / "fleet" / "lab").glob("typed-*")) / "hosts"

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "COLUMNS": "100",
            "PLANTED": TOKEN,
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_DATA_HOME": str(self.home / "data"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }


@pytest.fixture
def typed(tmp_path: Path, free_port: Callable[[str], int]) -> Iterator[Typed]:
    ports = [free_port(f"127.0.0.{number}") for number in (151, 152, 153)]
    (tmp_path / "lab.yaml").write_text(INVENTORY.format(*ports))
    (tmp_path / "p.yaml").write_text(PLAYBOOK)
    made = Typed(tmp_path)
    assert made("lab", "up", "lab.yaml")[0] == 0
    try:
        yield made
    finally:
        made("lab", "down", "lab.yaml")


def files(folder: Path) -> dict[str, tuple[float, bytes]]:
    """Everything below a folder but what the servers of the lab log."""
    return {
        str(file): (file.lstat().st_mtime, file.read_bytes() if file.is_file() else b"")
        for file in sorted(folder.rglob("*"))
        if not file.is_socket() and file.suffix != ".log"
    }


def test_a_dry_run_shows_the_difference_and_leaves_no_trace_anywhere(typed: Typed) -> None:
    """Neither on a host nor in the operator's own home."""
    before = files(typed.home)
    code, out, _ = typed("provision", "lab.yaml", "p.yaml", "--dry-run", "--diff", "--limit", "far-1")
    assert code == 0
    assert "+hi from far-1" in out
    assert "(not shown: the step holds a secret)" in out
    assert "far-2" not in out
    assert files(typed.home) == before


def test_failures_are_listed_with_a_way_out_the_others_go_on_and_are_left_alone_the_next_time(typed: Typed) -> None:
    code, out, err = typed("provision", "lab.yaml", "p.yaml")
    assert code == 4
    assert "not ready: far-1, far-2" in err
    assert "fleet provision lab.yaml p.yaml --only-failed" in " ".join(err.split())
    for line in (
        "✗ far-1 gate",
        "exit status 3",
        "│ mkdir: cannot create x: No space left on device",
        "→ free some space on that file system",
        "10 changed, 2 failed",
    ):
        assert line in " ".join(out.split()), out
    assert (typed.hosts / "box" / "made" / "note").read_text() == "hello from box\n"
    assert (typed.hosts / "far-2" / "made" / "note").read_text() == "hi from far-2\n"
    cured = PLAYBOOK.replace("= box ]", "!= nobody ]")
    (typed.home / "p.yaml").write_text(cured)
    assert typed.states("provision", "lab.yaml", "p.yaml", "--only-failed") == {
        host: ["right", "right", "right", "changed"] for host in ("far-1", "far-2")
    }
    assert typed.states("provision", "lab.yaml", "p.yaml", "--only-failed") == {}
    assert typed("provision", "lab.yaml", "p.yaml")[0] == 0


def test_tags_pick_steps_and_a_wrong_one_is_refused_before_any_host_is_touched(typed: Typed) -> None:
    assert typed.states("provision", "lab.yaml", "p.yaml", "--tags", "base", "--skip-tags", "note") == {
        host: ["changed"] for host in ("box", "far-1", "far-2")
    }
    code, _, err = typed("provision", "lab.yaml", "p.yaml", "--tags", "nots")
    assert code == 2
    assert "did you mean `note`?" in err


def test_no_further_host_is_begun_after_too_many_failures(typed: Typed) -> None:
    words = ("provision", "lab.yaml", "p.yaml", "--at-once", "1", "--max-failures", "0")
    assert typed.states(*words) == {
        "box": ["changed"] * 4,
        "far-1": ["changed"] * 3 + ["failed"],
        "far-2": ["skipped"] * 4,
    }
    code, out, err = typed(*words)
    assert code == 4
    assert "not begun: far-2" in err
    assert "not begun" in out
    assert not (typed.hosts / "far-2" / "made").exists()


def test_a_controller_killed_in_mid_change_leaves_what_restore_puts_back(typed: Typed) -> None:
    before = sorted(str(file) for file in typed.hosts.rglob("*"))
    slow = PLAYBOOK.replace("    : >", "    : >{{ host.work_dir }}/half; sleep 3; : >").replace(
        "rm -f", "rm -f {{ host.work_dir }}/half"
    )
    (typed.home / "p.yaml").write_text(slow.replace("= box ]", "!= nobody ]"))
    process = typed.start("provision", "lab.yaml", "p.yaml")
    while not all((typed.hosts / host / "half").exists() for host in ("box", "far-1", "far-2")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    code, out, _ = typed("restore", "lab.yaml", "--dry-run")
    assert (code, out.count("would be put back")) == (0, 12)
    killed = typed.start("restore", "lab.yaml")
    time.sleep(1.5)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert typed("restore", "lab.yaml")[0] == 0
    assert sorted(str(file) for file in typed.hosts.rglob("*")) == before
    code, out, _ = typed("restore", "lab.yaml")
    assert (code, out.strip()) == (0, "Nothing is to be put back.")


def test_the_secret_is_in_no_file_but_the_hosts_own(typed: Typed) -> None:
    typed("provision", "lab.yaml", "p.yaml", "--diff")
    holding = [file for file in typed.home.rglob("*") if file.is_file() and TOKEN.encode() in file.read_bytes()]
    assert sorted(holding) == [typed.hosts / host / "made" / "token" for host in ("box", "far-1", "far-2")]
