"""A host that floods and forges, against every command that talks to one: bounded, tamed, and never a traceback."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from own_sshd import started_sshd

from fleet.errors import HostKeyError
from fleet.lab.account import user_name
from fleet.lab.keys import ensure_key
from fleet.lab.layout import Layout, dressed, prepare
from fleet.lab.processes import descendants
from fleet.model.inventory import Inventory
from fleet.model.playbook import Command
from fleet.transport.ssh import SshTransport

pytestmark = pytest.mark.lab

# Runs what it is told to, with noise before and after, on both streams: letters without an end of line, in the end more
# than is ever kept, random bytes, escape sequences, and frames as fleet's programs print them, with wrong nonces.
LIAR = """\
#!/bin/sh
noise() {
    i=0
    while [ $i -lt 200 ]; do
        printf '\\n=fleet-%032d:ask_%d:\\nforged\\n\\n=fleet-%032d:ask_%d:0\\n\\033[2J\\033]0;owned\\007\\r' $i $i $i $i
        i=$((i + 1))
    done
    head -c 300000 /dev/urandom
    head -c $1 /dev/zero | tr '\\0' A
}
noise 100000
noise 100000 >&2
/bin/sh -c "$SSH_ORIGINAL_COMMAND"
came=$?
noise 9000000
noise 100000 >&2
exit $came
"""
INVENTORY = """\
fleet: liars
hosts:
  liar:
    role: head
    address: {address}
    port: {port}
    user: {user}
    key: {key}
    known_hosts: {known_hosts}
    devices: [{{kind: cpu}}]
    ports: 27000-27099
    work_dir: {work}
  far:
    address: {far}
    port: {far_port}
    user: {user}
    key: {key}
    known_hosts: {known_hosts}
    devices: [{{kind: cpu}}]
    ports: 27100-27199
    candidate: true
"""
PLAYBOOK = """\
- {name: folder, kind: directory, path: "{{ host.work_dir }}/made"}
- {name: note, kind: file, path: "{{ host.work_dir }}/made/note", content: "hello"}
"""
MEMORY = 400 * 2**10
"""KiB that a command may come to have."""


@dataclass(frozen=True)
class Liar:
    """The host, and the operator who meets it."""

    home: Path
    work: Path

    def meet(self, *words: str) -> tuple[int, str]:
        """A command's exit code and all that it has shown; neither a traceback nor a control character is."""
        line = [sys.executable, "-c", "from fleet.cli import main; main()", *words]
        keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        done = subprocess.run(
            line,
            env=keep | {"HOME": str(self.home), "COLUMNS": "120", "PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=self.home,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )
        shown = (done.stdout + done.stderr).decode()
        assert "Traceback" not in shown
        assert "owned" not in shown
        assert not {sign for sign in shown if sign < " "} - {"\n"}, shown[-2000:]
        assert len(shown) < 20_000
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < MEMORY
        return done.returncode, shown


@pytest.fixture
def liar(tmp_path: Path, lab_inventory: Inventory) -> Iterator[Liar]:
    layout = Layout(tmp_path / "lab")
    prepare(lab_inventory.hosts, layout)
    program, login = tmp_path / "liar", lab_inventory.head.login
    program.write_text(LIAR)
    program.chmod(0o755)
    far = lab_inventory.hosts[1].login
    servers = [started_sshd(layout, host, [f"ForceCommand {program}"]) for host in lab_inventory.hosts[:2]]
    text = INVENTORY.format(
        address=login.address,
        port=login.port,
        far=far.address,
        far_port=far.port,
        user=user_name(),
        key=layout.client_key,
        known_hosts=layout.known_hosts,
        work=tmp_path / "work",
    )
    (tmp_path / "liars.yaml").write_text(text)
    (tmp_path / "p.yaml").write_text(PLAYBOOK)
    try:
        yield Liar(tmp_path, tmp_path / "work")
    finally:
        for server in servers:
            server.kill()
            server.wait()


def test_whatever_a_host_says_a_command_is_bounded_tamed_and_believes_nothing_forged(liar: Liar) -> None:
    """What is asked of it under a nonce is answered all the same; what is not, such as a survey, fails in a line."""
    code, shown = liar.meet("provision", "liars.yaml", "p.yaml", "--limit", "liar")
    assert code == 0, shown
    assert (liar.work / "made" / "note").read_text() == "hello"
    code, shown = liar.meet("provision", "liars.yaml", "p.yaml", "--limit", "liar")
    assert code == 0, shown
    for words, wanted, line in (
        (("doctor", "liars.yaml"), 3, "to be cured: liar"),
        (("watch", "liars.yaml", "--once"), 0, "liar/cpu"),
        (("worker", "add", "liars.yaml", "far"), 4, "fleet makes it"),
        (
            ("bundle", "liars.yaml", "agents.tar", "--push", "--limit", "liar"),
            3,
            "`uname -m` does not tell its machine",
        ),
        (("topology", "liars.yaml"), 0, "its answer cannot be read"),
    ):
        code, shown = liar.meet(*words)
        assert (code, line in " ".join(shown.split())) == (wanted, True), (words, shown)
    code, shown = liar.meet("restore", "liars.yaml", "--limit", "liar")
    assert code == 0, shown
    assert not (liar.work / "made").exists()


def test_a_host_key_that_changes_between_two_connections_of_a_run_is_refused(
    tmp_path: Path, lab_inventory: Inventory
) -> None:
    """Whoever comes back under the address in the middle of a run is asked for the pinned key again."""
    host, layout = lab_inventory.head, Layout(tmp_path)
    prepare((host,), layout)
    reached = dressed(lab_inventory, tmp_path).head
    true = Command(argv=("true",), timeout=30)
    first = started_sshd(layout, host, [])
    with closing(SshTransport()) as ssh:
        assert ssh.run(reached, true).exit_status == 0
        for child in (*descendants(first.pid), first.pid):
            os.kill(child, signal.SIGKILL)
        first.wait()
        layout.host_key(host.name).unlink()
        ensure_key(layout.host_key(host.name))
        second = started_sshd(layout, host, [])
        try:
            with pytest.raises(HostKeyError, match="has changed"):
                ssh.run(reached, true)
        finally:
            second.kill()
            second.wait()
