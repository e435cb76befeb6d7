"""Labs: started, answered by, kept, ended; and never outliving the process that started them."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.errors import ConfigurationError, ConnectError, HostError
from fleet.lab import openssh
from fleet.lab.layout import Layout, dressed, lab_directory
from fleet.lab.loopback import down, running, status, up
from fleet.lab.processes import start_time
from fleet.lab.servers import Backend, Lab, answers
from fleet.model.inventory import Host, Inventory
from fleet.model.playbook import Command
from fleet.remote.paths import paths, ray_folder
from fleet.transport.ssh import SshTransport

pytestmark = pytest.mark.lab


def traces(directory: Path) -> list[str]:
    """The command lines of all processes that belong to a lab: their words or environment name its directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            around = (entry / "environ").read_bytes() if words else b""
        except OSError:
            continue
        if int(entry.name if words else 0) not in (0, os.getpid()) and str(directory).encode() in words + around:
            found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found


def eventually(question: Callable[[], object], within: float = 30.0) -> bool:
    until = time.monotonic() + within
    while not question():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def say(transport: SshTransport, host: Host, script: str) -> str:
    done = transport.run(host, Command(argv=("/bin/sh", "-s"), stdin=script.encode(), timeout=30))
    assert done.exit_status == 0, done
    return done.stdout.decode().strip()


def test_hosts_answer_each_at_its_own_address_and_home(lab_inventory: Inventory, backend: str) -> None:
    """Three hosts, three homes, this user, this Python; nothing is left afterwards."""
    with running(lab_inventory, backend=backend) as lab, ExitStack() as stack:
        ssh = SshTransport()
        stack.callback(ssh.close)
        assert [host.name for host in lab.hosts] == ["box-0", "box-1", "box-2"]
        homes = [say(ssh, host, "echo $HOME") for host in lab.hosts]
        assert homes == [host.work_dir for host in lab.hosts]
        assert len(set(homes)) == 3
        assert say(ssh, lab.head, "id -u") == str(os.getuid())
        assert say(ssh, lab.head, f"'{lab.head.python}' -c 'import fleet; print(fleet.__name__)'") == "fleet"
        assert all(line.endswith("  up") for line in status(lab_inventory))
    assert not any(answers(host) for host in lab_inventory.hosts)
    assert traces(lab_directory(lab_inventory)) == []


def test_a_login_has_none_of_our_environment(
    lab_inventory: Inventory, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token in the operator's environment is not on the hosts, and their shells read no rc file of his."""
    monkeypatch.setenv("FLEET_TEST_TOKEN", "secret")
    with running(lab_inventory, backend=backend) as lab, ExitStack() as stack:
        ssh = SshTransport()
        stack.callback(ssh.close)
        assert "FLEET_TEST_TOKEN" not in say(ssh, lab.head, "env")


def test_keys_are_private_and_used_again(lab_inventory: Inventory, backend: str) -> None:
    directory = lab_directory(lab_inventory)
    kept = []
    for _ in range(2):
        with running(lab_inventory, backend=backend):
            files = sorted((*directory.glob("id_*"), *directory.glob("servers/*.key")))
            kept.append([file.read_bytes() for file in files])
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert len(kept[0]) == 4
    assert kept[0] == kept[1]


def test_a_kept_lab_stays_until_it_is_taken_down(lab_inventory: Inventory, backend: str) -> None:
    """Up twice is up once; a run inside uses it and leaves it; down twice is down, and a short name of it goes, too."""
    try:
        assert "the lab is up, served by" in up(lab_inventory, backend=backend)[0]
        assert up(lab_inventory, backend=backend)[0] == "the lab is up already"
        with running(lab_inventory) as lab, ExitStack() as stack:
            ssh = SshTransport()
            stack.callback(ssh.close)
            say(ssh, lab.head, "true")
        ray_folder(of := paths(lab.head.work_dir))  # a node's, which was killed
        assert [line.split()[-1] for line in status(lab_inventory)] == ["up"] * 3
    finally:
        assert down(lab_inventory) == ("the lab is down",)
    assert down(lab_inventory) == ("the lab was not up",)
    assert not of.short().exists()
    assert [line.split()[-1] for line in status(lab_inventory)] == ["down"] * 3
    assert traces(lab_directory(lab_inventory)) == []


def test_a_kept_lab_outlives_the_process_that_started_it(lab_inventory: Inventory, tmp_path: Path) -> None:
    """And its terminal: it is in a session of its own."""
    code = "import pickle, sys; from fleet.lab.loopback import up; up(pickle.load(sys.stdin.buffer), backend='builtin')"
    with launch(code, lab_inventory, tmp_path) as started:
        assert started.wait(60) == 0
    try:
        assert [line.split()[-1] for line in status(lab_inventory)] == ["up"] * 3
    finally:
        assert down(lab_inventory) == ("the lab is down",)


def test_a_stale_keeper_file_is_no_lab(lab_inventory: Inventory) -> None:
    """A process with the recorded id but another start time is somebody else, and is left alone."""
    layout = Layout(lab_directory(lab_inventory))
    layout.directory.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"]) as bystander:
        for text in (f"{bystander.pid} 1\n", "4194305 77\n", "nonsense", ""):
            layout.keeper.write_text(text)
            assert down(lab_inventory) == ("the lab was not up",)
            assert not layout.keeper.exists()
        assert bystander.poll() is None
        bystander.kill()


def test_a_killed_keeper_takes_the_servers_with_it(lab_inventory: Inventory, backend: str) -> None:
    up(lab_inventory, backend=backend)
    pid = int(Layout(lab_directory(lab_inventory)).keeper.read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not any(answers(host) for host in lab_inventory.hosts))
    assert down(lab_inventory) == ("the lab was not up",)


def test_an_address_in_use_is_said_before_anything_starts(lab_inventory: Inventory, backend: str) -> None:
    last = lab_inventory.hosts[2]
    with socket.create_server((last.login.address, last.login.port)):
        with pytest.raises(HostError, match=r"box-2: the lab cannot use .*in use.*\(.*fleet lab down"):
            up(lab_inventory, backend=backend)
        assert traces(lab_directory(lab_inventory)) == []


@pytest.mark.parametrize("address", ["192.0.2.7", "::", "example.org", "localhost"])
def test_only_loopback_addresses_are_served(lab_inventory: Inventory, address: str) -> None:
    """A lab must never be reachable from elsewhere."""
    head = lab_inventory.head
    wrong = replace(lab_inventory, hosts=(replace(head, login=replace(head.login, address=address)),))
    with pytest.raises(ConfigurationError, match=f"box-0: {address} is no loopback address"):
        up(wrong)


def test_two_hosts_cannot_share_an_address(lab_inventory: Inventory) -> None:
    head, worker, _ = lab_inventory.hosts
    with pytest.raises(ConfigurationError, match=r"box-1: .* is also the address of box-0"):
        up(replace(lab_inventory, hosts=(head, replace(worker, login=head.login))))


def test_a_changed_inventory_is_noticed(lab_inventory: Inventory, free_port: Callable[[str], int]) -> None:
    head = lab_inventory.head
    moved = replace(head, login=replace(head.login, port=free_port(head.login.address)))
    up(lab_inventory)
    try:
        with pytest.raises(ConfigurationError, match="does not serve box-0"):
            up(replace(lab_inventory, hosts=(moved, *lab_inventory.hosts[1:])))
    finally:
        down(lab_inventory)


def test_a_state_home_that_cannot_be_written_is_said(
    lab_inventory: Inventory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigurationError, match="XDG_STATE_HOME"):
        up(lab_inventory)


def test_without_openssh_our_own_server_serves(lab_inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless OpenSSH is insisted on."""
    monkeypatch.setattr(openssh, "program", lambda: None)
    with Lab(lab_inventory.hosts, Layout(lab_directory(lab_inventory)), backend=Backend.AUTO) as lab:
        assert lab.backend is Backend.BUILTIN
    with pytest.raises(ConfigurationError, match="sshd is not installed"):
        up(lab_inventory, backend="openssh")


def test_a_server_that_does_not_start_says_why(
    lab_inventory: Inventory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "sshd"
    broken.write_text("#!/bin/sh\n[ \"$1\" = -t ] && exit 0\necho 'no more entropy' >&2\nexit 1\n")
    broken.chmod(0o700)
    monkeypatch.setattr(openssh, "program", lambda: str(broken))
    with pytest.raises(HostError, match="box-0: its server does not answer: no more entropy"):
        up(lab_inventory, backend="openssh")
    assert traces(lab_directory(lab_inventory)) == []


HAUNT = "setsid sh -c 'trap \"\" TERM HUP; (sleep 600) & echo $! > orphan; sleep 601' </dev/null >/dev/null 2>&1 &\n"
"""A program that leaves its session, ignores requests to end, and has an orphan."""


def test_a_killed_host_is_gone_with_all_its_programs_and_the_others_stay(
    lab_inventory: Inventory, backend: str
) -> None:
    directory = lab_directory(lab_inventory)
    with Lab(lab_inventory.hosts, Layout(directory), backend=Backend(backend)) as lab, ExitStack() as stack:
        first, second, _ = dressed(lab_inventory, directory).hosts
        ssh = SshTransport()
        stack.callback(ssh.close)
        channels = [ssh.open(host, ("cat",)) for host in (first, second)]
        orphans = [
            say(ssh, h, f"cd; {HAUNT} while [ ! -s orphan ]; do sleep 0.1; done; cat orphan") for h in (first, second)
        ]
        lab.kill(first.name)
        assert start_time(int(orphans[0])) is None
        with pytest.raises(ConnectError, match="box-0: the connection was lost"):
            channels[0].receive(20)
        with pytest.raises(ConnectError, match="box-0: nothing listens"):
            ssh.run(first, Command(argv=("true",)))
        channels[1].send("still here")
        assert channels[1].receive(20) == "still here"
        assert start_time(int(orphans[1])) is not None
    assert traces(directory) == []


def launch(code: str, inventory: Inventory, directory: Path) -> subprocess.Popen[bytes]:
    """A Python process of its own with the inventory on its stdin, as `fleet` would be."""
    given = directory / "inventory.pickle"
    given.write_bytes(pickle.dumps(inventory))
    with given.open("rb") as stdin:
        return subprocess.Popen([sys.executable, "-c", code], stdin=stdin, stdout=subprocess.PIPE)


CONTROLLER = """
import pickle, sys, time
from fleet.lab.loopback import running
from fleet.model.playbook import Command
from fleet.transport.ssh import SshTransport
with running(pickle.load(sys.stdin.buffer), backend={backend!r}) as lab:
    ssh = SshTransport()
    for host in lab.hosts:
        ssh.run(host, Command(argv=("/bin/sh", "-s"), stdin={haunt!r}))
        talk = ssh.open(host, ("/bin/sh", "-c", "echo on; sleep 602"))
        assert talk.receive(20) == "on"
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_the_controller(
    lab_inventory: Inventory, backend: str, sign: signal.Signals, tmp_path: Path
) -> None:
    """Neither keeper nor server nor a program that does all it can to stay."""
    directory = lab_directory(lab_inventory)
    code = CONTROLLER.format(backend=backend, haunt=HAUNT.encode())
    with launch(code, lab_inventory, tmp_path) as controller:
        assert controller.stdout is not None
        assert controller.stdout.readline() == b"ready\n"
        assert len(traces(directory)) >= 10
        controller.send_signal(sign)
        controller.wait(60)
    assert eventually(lambda: not traces(directory)), traces(directory)
