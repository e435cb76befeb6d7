"""`fleet trust` on real servers: new keys pinned, changed ones never silently, nobody asked who is not there."""

from __future__ import annotations

import os
import pty
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from own_sshd import started_sshd

from fleet.errors import ConnectError, HostKeyError
from fleet.lab.account import user_name
from fleet.lab.layout import Layout, dressed, prepare
from fleet.lab.servers import Backend, Lab
from fleet.model.inventory import Host, Inventory
from fleet.model.playbook import Command
from fleet.model.trust import KeyState
from fleet.transport.connect import introduce
from fleet.transport.fanout import fanout
from fleet.transport.ssh import SshTransport

pytestmark = pytest.mark.lab


@pytest.fixture
def boxes(lab_inventory: Inventory, tmp_path: Path, backend: str) -> Iterator[tuple[Host, ...]]:
    """Two running hosts whose keys nobody has pinned, as an inventory of real hosts has them."""
    two = replace(lab_inventory, hosts=lab_inventory.hosts[:2])
    with Lab(two.hosts, Layout(tmp_path), backend=Backend(backend)):
        Layout(tmp_path).known_hosts.unlink()
        yield dressed(two, tmp_path).hosts


@pytest.fixture
def inventory(boxes: tuple[Host, ...], tmp_path: Path) -> Path:
    """The same two as a file."""
    lines = [f"fleet: two\ndefaults: {{key: {tmp_path}/id_ed25519, known_hosts: {tmp_path}/pins}}\nhosts:\n"]
    for host in boxes:
        where = f"role: {host.role.value}, address: {host.login.address}, port: {host.login.port}"
        lines.append(f"  {host.name}: {{{where}, devices: [{{kind: cpu}}]}}\n")
    file = tmp_path / "two.yaml"
    file.write_text("".join(lines))
    return file


def fleet(*words: str | Path) -> subprocess.CompletedProcess[str]:
    argv = (sys.executable, "-c", "from fleet.cli import main; main()", *map(str, words))
    environment = os.environ | {"COLUMNS": "160"}
    return subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120, env=environment
    )


def keyscan(host: Host) -> str:
    """What OpenSSH's own tools say of the host's ed25519 key."""
    argv = ("ssh-keyscan", "-t", "ed25519", "-p", str(host.login.port), host.login.address)
    found = subprocess.run(argv, capture_output=True, check=True, timeout=60).stdout
    said = subprocess.run(("ssh-keygen", "-lf", "-"), input=found, capture_output=True, check=True, timeout=60).stdout
    return said.split()[1].decode()


def test_new_keys_are_shown_pinned_and_then_known(boxes: tuple[Host, ...], inventory: Path, tmp_path: Path) -> None:
    """The fingerprints are those that OpenSSH's own tools give; what is pinned lets fleet and ssh in."""
    first = fleet("trust", inventory, "--yes")
    assert first.returncode == 0, first.stderr
    for host in boxes:
        row = next(line.split() for line in first.stdout.splitlines() if line.strip().startswith(host.name))
        assert row[2:] == ["ssh-ed25519", keyscan(host), "new"]
    assert f"pinned: box-0 in {tmp_path}/pins, box-1 in {tmp_path}/pins" in first.stdout
    pins = (tmp_path / "pins").read_bytes()
    again = fleet("trust", inventory)
    assert (again.returncode, again.stdout.count(" known")) == (0, 3), again.stderr  # two rows, and the column's title
    assert (tmp_path / "pins").read_bytes() == pins
    transport = SshTransport()
    reached = replace(boxes[0], login=replace(boxes[0].login, known_hosts=str(tmp_path / "pins")))
    assert transport.run(reached, Command(argv=("true",))).exit_status == 0
    transport.close()


def test_nobody_is_asked_who_is_not_there(boxes: tuple[Host, ...], inventory: Path, tmp_path: Path) -> None:
    """Without a terminal and without --yes: exit code 2, one line, nothing pinned."""
    done = fleet("trust", inventory, "--limit", "box-1")
    assert done.returncode == 2
    assert "nobody can be asked whether to pin box-1" in done.stderr
    assert "box-0" not in done.stdout + done.stderr
    assert not (tmp_path / "pins").exists()
    assert boxes


@pytest.mark.parametrize(("answer", "status"), [(b"y\n", 0), (b"n\n", 3), (b"\n", 3)])
def test_on_a_terminal_the_operator_is_asked(inventory: Path, tmp_path: Path, answer: bytes, status: int) -> None:
    ours, theirs = pty.openpty()
    argv = (sys.executable, "-c", "from fleet.cli import main; main()", "trust", str(inventory))
    with subprocess.Popen(argv, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as asking:
        os.close(theirs)
        os.write(ours, answer)
        asking.communicate(timeout=120)
    os.close(ours)
    assert asking.returncode == status
    assert (tmp_path / "pins").exists() == (status == 0)


def test_a_changed_key_is_replaced_only_where_its_host_is_named(
    boxes: tuple[Host, ...], inventory: Path, tmp_path: Path
) -> None:
    """Both fingerprints are shown, --yes is not enough, and the other host is pinned all the same."""
    box, far = boxes
    stale = Layout(tmp_path / "stale")
    prepare((box,), stale)
    (tmp_path / "pins").write_text(stale.known_hosts.read_text())
    with_both = (keyscan(box), introduce(dressed_with(box, tmp_path / "pins"))[-1].pinned[0].fingerprint)
    refused = fleet("trust", inventory, "--yes")
    assert refused.returncode == 3
    assert "the key has changed: box-0" in refused.stderr
    assert "--replace box-0" in refused.stderr
    assert "CHANGED" in refused.stdout
    assert all(fingerprint in refused.stdout for fingerprint in with_both)
    assert introduce(dressed_with(box, tmp_path / "pins"))[-1].state is KeyState.CHANGED
    assert introduce(dressed_with(far, tmp_path / "pins"))[-1].state is KeyState.KNOWN
    transport = SshTransport()
    with pytest.raises(HostKeyError, match=r"has changed.*fleet trust INVENTORY --replace box-0"):
        transport.run(dressed_with(box, tmp_path / "pins"), Command(argv=("true",)))
    replaced = fleet("trust", inventory, "--yes", "--replace", "box-0")
    assert replaced.returncode == 0, replaced.stderr
    assert transport.run(dressed_with(box, tmp_path / "pins"), Command(argv=("true",))).exit_status == 0
    transport.close()


def dressed_with(host: Host, pins: Path) -> Host:
    return replace(host, login=replace(host.login, known_hosts=str(pins)))


def test_a_host_that_shows_no_key_is_listed_and_the_others_are_pinned(
    boxes: tuple[Host, ...], inventory: Path, tmp_path: Path
) -> None:
    text = inventory.read_text().replace(f"port: {boxes[1].login.port}", "port: 1")
    inventory.write_text(text)
    done = fleet("trust", inventory, "--yes")
    assert done.returncode == 3
    assert "box-1 shows no key: nothing listens on 127.0.0.43:1" in done.stdout
    assert "no key seen: box-1" in done.stderr
    assert boxes[0].login.address in (tmp_path / "pins").read_text()


def test_a_name_that_is_no_host_is_a_mistake_of_the_operators(inventory: Path) -> None:
    for option in ("--limit", "--replace"):
        done = fleet("trust", inventory, option, "bocks")
        assert done.returncode == 2
        assert f"where {option} bocks why no such host" in " ".join(done.stderr.split())


def test_a_server_of_another_kind_or_none_is_an_error_in_time(lab_inventory: Inventory) -> None:
    """What greets as SSH and then says nothing, too."""
    with socket.create_server(("127.0.0.42", 0)) as listener:

        def greet() -> None:
            link, _ = listener.accept()
            with link:
                link.sendall(b"SSH-2.0-mute\r\n")
                while link.recv(4096):
                    pass

        threading.Thread(target=greet, daemon=True).start()
        login = replace(lab_inventory.head.login, port=listener.getsockname()[1], connect_timeout=1.0)
        with pytest.raises(ConnectError, match="box-0"):
            introduce(replace(lab_inventory.head, login=login))


def test_connections_that_are_made_at_once_share_nothing(lab_inventory: Inventory) -> None:
    """However the threads take turns, each host's error is its own: fabric's connections write into their settings."""
    login = replace(lab_inventory.head.login, address="127.0.0.91", port=9, connect_timeout=0.1)
    hosts = [replace(lab_inventory.head, name=f"deaf-{number}", login=login) for number in range(64)]
    patient = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        answers = fanout(introduce, hosts)
    finally:
        sys.setswitchinterval(patient)
    assert [type(answer) for _, answer in answers] == [ConnectError] * len(hosts)


def test_a_chain_of_jump_hosts_is_pinned_link_by_link(
    lab_inventory: Inventory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in its own file before anybody logs in there; a changed one stops the way until it is named."""
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / "me" / ".ssh").mkdir(parents=True)
    known, config = (tmp_path / "me" / ".ssh" / name for name in ("known_hosts", "config"))
    layout = Layout(tmp_path)
    first, second, target = hosts = lab_inventory.hosts[:3]
    prepare(hosts, layout)
    places = {host.name: f"{host.login.address}:{host.login.port}" for host in hosts}
    names = {host.name: f"[{host.login.address}]:{host.login.port}" for host in hosts}
    with ExitStack() as stack:
        for host, behind in ((target, None), (second, target), (first, second)):
            way = ["AllowTcpForwarding yes", f"PermitOpen {places[behind.name]}"] if behind else []
            server = stack.enter_context(started_sshd(layout, host, way))
            stack.callback(server.kill)
        config.write_text(
            f"Host far\n HostName {target.login.address}\n Port {target.login.port}\n"
            f" ProxyJump gate,{places[second.name]}\n"
            f"Host gate\n HostName {first.login.address}\n Port {first.login.port}\n"
            f"Host *\n IdentityFile {layout.client_key}\n User {user_name()}\n"
        )
        inventory = tmp_path / "chain.yaml"
        inventory.write_text("fleet: chain\nhosts: {box: {role: head, address: far, devices: [{kind: cpu}]}}\n")

        new = fleet("trust", inventory, "--yes")
        assert new.returncode == 0, new.stderr
        pins = known.read_text()
        assert [line.split()[0] for line in pins.splitlines()] == [names[host.name] for host in hosts]
        for host in hosts:
            (row,) = (line for line in new.stdout.splitlines() if names[host.name] in line and "SHA256" in line)
            assert key_of(layout, host.name) in row
        assert "gate (jump host)" in new.stdout

        stale = Layout(tmp_path / "stale")
        prepare((second,), stale)
        known.write_text(stale.known_hosts.read_text() + "".join(pins.splitlines(keepends=True)[::2]))
        changed = fleet("trust", inventory, "--yes")
        assert changed.returncode == 3
        assert f"the key has changed: {names[second.name]}; not reached behind it: box" in said(changed)
        box = replace(target, lab=False, login=replace(target.login, address="far", port=22, user=None, key=None))
        box = replace(box, login=replace(box.login, known_hosts=None))
        option = f"--replace {names[second.name]}"
        with closing(SshTransport()) as transport, pytest.raises(HostKeyError, match=re.escape(option)):
            transport.run(box, Command(argv=("true",)))

        replaced = fleet("trust", inventory, "--yes", *option.split())
        assert replaced.returncode == 0, replaced.stderr
        assert sorted(known.read_text().splitlines()) == sorted(pins.splitlines())
        with closing(SshTransport()) as transport:
            assert transport.run(box, Command(argv=("true",))).exit_status == 0


def said(done: subprocess.CompletedProcess[str]) -> str:
    """A command's complaint, on one line."""
    return " ".join(done.stderr.split())


def key_of(layout: Layout, host: str) -> str:
    argv = ("ssh-keygen", "-lf", str(layout.host_key(host)))
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout.split()[1]
