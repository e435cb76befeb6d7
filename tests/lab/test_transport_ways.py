"""Ways to a host that operators have: ssh_config, chains of jump hosts, agents, locked keys, certificates, IPv6, flaws.

All of it on OpenSSH's own sshd, ssh-agent and ssh-keygen.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from own_sshd import started_sshd
from slow_link import slow_link

from fleet.errors import ConnectError, HostKeyError, LoginError
from fleet.lab.account import user_name
from fleet.lab.keys import ensure_key
from fleet.lab.layout import Layout, prepare
from fleet.model.inventory import Host, Inventory
from fleet.model.playbook import Command, Secret
from fleet.provision.passwords import passphrases
from fleet.transport.connect import introduce
from fleet.transport.keyring import locked_keys
from fleet.transport.ssh import SshTransport
from fleet.transport.userconfig import way

pytestmark = pytest.mark.lab

TRUE = Command(argv=("true",), timeout=30)
PHRASE = Secret("correct horse")

Serve = Callable[..., Host]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's ~/.ssh, with no agent."""
    folder = tmp_path / "me" / ".ssh"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "lab")


@pytest.fixture
def serve(lab_inventory: Inventory, layout: Layout) -> Iterator[Serve]:
    """Starts sshd for the lab's nth host with more lines in its configuration; gives it as an inventory has it."""
    hosts = lab_inventory.hosts
    prepare(hosts, layout)
    running: list[subprocess.Popen[bytes]] = []

    def start(number: int, *lines: str, address: str | None = None) -> Host:
        host = hosts[number]
        if address:
            host = replace(host, login=replace(host.login, address=address))
        running.append(started_sshd(layout, host, lines))
        login = replace(host.login, key=str(layout.client_key), known_hosts=str(layout.known_hosts), user=user_name())
        return replace(host, lab=False, login=login)

    yield start
    for server in running:
        server.kill()
        server.wait()


@contextmanager
def ssh(**words: dict[str, Secret]) -> Iterator[SshTransport]:
    transport = SshTransport(**words)
    try:
        yield transport
    finally:
        transport.close()


def status(host: Host, **words: dict[str, Secret]) -> int:
    with ssh(**words) as transport:
        return transport.run(host, TRUE).exit_status


def plain(host: Host, name: str) -> Host:
    """The host as it stands in an inventory of which ssh_config says the rest."""
    login = replace(host.login, address=name, port=22, user=None, key=None, known_hosts=None)
    return replace(host, login=login)


def keygen(*words: str) -> None:
    subprocess.run(("ssh-keygen", "-q", *words), check=True, stdin=subprocess.DEVNULL)


# ssh_config


def test_jump_hosts_are_visited_in_their_order(serve: Serve, layout: Layout, home: Path) -> None:
    """The first lets us through to the second only, and that to the target only; each has a port of its own."""
    target = serve(2)
    where = f"{target.login.address}:{target.login.port}"
    second = serve(1, "AllowTcpForwarding yes", f"PermitOpen {where}")
    where = f"{second.login.address}:{second.login.port}"
    first = serve(0, "AllowTcpForwarding yes", f"PermitOpen {where}")
    shutil.copy(layout.known_hosts, home / "known_hosts")
    (home / "config").write_text(
        f"Host far\n HostName {target.login.address}\n Port {target.login.port}\n"
        f" ProxyJump one,{user_name()}@{second.login.address}:{second.login.port}\n"
        f"Host one\n HostName {first.login.address}\n Port {first.login.port}\n"
        f"Host *\n IdentityFile {layout.client_key}\n User {user_name()}\n"
    )
    far = plain(target, "far")
    with ssh() as transport:
        done = transport.run(far, Command(argv=("/bin/sh", "-c", "echo $SSH_CONNECTION")))
    assert done.stdout.split()[2].decode() == target.login.address
    assert introduce(far)[-1].offered == introduce(target)[-1].offered


def test_what_a_jump_host_cannot_reach_is_said(serve: Serve, layout: Layout, home: Path) -> None:
    """Nobody listens behind it."""
    first = serve(0, "AllowTcpForwarding yes")
    shutil.copy(layout.known_hosts, home / "known_hosts")
    with (home / "config").open("w") as config:
        config.write(
            f"Host silent\n HostName 127.0.0.99\n Port 9\n ProxyJump {first.login.address}:{first.login.port}\n"
        )
        config.write(f"Host *\n IdentityFile {layout.client_key}\n User {user_name()}\n")
    far = plain(first, "silent")
    far = replace(far, login=replace(far.login, connect_timeout=3.0))
    attempts: tuple[Callable[[Host], object], ...] = (status, introduce)
    for attempt in attempts:
        with pytest.raises(ConnectError, match=r"box-0: the jump host gives no way to 127.0.0.99:9: Connect failed"):
            attempt(far)


def test_what_ssh_config_includes_and_matches_holds(serve: Serve, layout: Layout, home: Path) -> None:
    """Include with a pattern, Match, ~, UserKnownHostsFile, IdentitiesOnly, ProxyCommand, HostKeyAlias: as ssh does."""
    box = serve(0)
    pin = layout.known_hosts.read_text().splitlines()[0].split(" ", 1)[1]
    (home / "mine").write_text(f"the-box {pin}\n")
    shutil.copy(layout.client_key, home / "work_key")
    (home / "conf.d").mkdir()
    (home / "conf.d" / "10-box").write_text(
        f"Host b*x\n HostName {box.login.address}\n HostKeyAlias the-box\n UserKnownHostsFile ~/.ssh/none ~/.ssh/mine\n"
    )
    relay = "import socket,sys,threading,os;s=socket.create_connection((sys.argv[1],int(sys.argv[2])));"
    relay += "t=threading.Thread(target=lambda:[os.write(1,d) for d in iter(lambda:s.recv(65536),b'')],daemon=True);"
    relay += "t.start();[s.sendall(d) for d in iter(lambda:os.read(0,65536),b'')]"
    (home / "relay.py").write_text(relay)
    (home / "config").write_text(
        "Include conf.d/*\nMatch host 127.0.0.42\n"
        f" Port {box.login.port}\n User {user_name()}\n IdentityFile ~/.ssh/work_key\n IdentitiesOnly yes\n"
        f"Host *\n ProxyCommand python3 {home}/relay.py %h %p\n"
    )
    assert subprocess.run(("ssh", "-F", str(home / "config"), "-G", "box"), capture_output=True, check=True).stdout
    assert status(plain(box, "box")) == 0
    assert way(plain(box, "box")) == (f"{box.login.address}:{box.login.port}",)
    (home / "mine").write_text(f"another {pin}\n")
    with pytest.raises(HostKeyError, match="the host key of the-box is not known"):
        status(plain(box, "box"))


def test_ipv6_addresses_and_their_pins(serve: Serve, layout: Layout) -> None:
    """A host on ::1, pinned as OpenSSH writes it, reached and introduced."""
    box = serve(0, address="::1")
    pins = layout.known_hosts.read_text().replace("127.0.0.42", "::1")
    layout.known_hosts.write_text(pins)
    assert pins.startswith(f"[::1]:{box.login.port} ")
    assert status(box) == 0
    assert introduce(box)[-1].pinned == (introduce(box)[-1].offered,)


# Keys


@pytest.fixture
def locked(layout: Layout, home: Path, serve: Serve) -> Host:
    """A host that takes one key, and the passphrase locks it."""
    host = serve(0)
    shutil.copy(layout.client_key, home / "locked")
    keygen("-p", "-P", "", "-N", PHRASE.value, "-f", str(home / "locked"))
    return replace(host, login=replace(host.login, key=str(home / "locked")))


def test_a_passphrase_is_asked_for_once_and_opens_the_key(locked: Host) -> None:
    """However many hosts share the key; a wrong one is asked for again, and three times is enough."""
    key = locked.login.key or ""
    asked: list[str] = []
    answers_given = iter((Secret("wrong"), PHRASE))

    def ask(what: str) -> Secret:
        asked.append(what)
        return next(answers_given)

    found = passphrases([locked, replace(locked, name="other")], ask)
    assert asked == [f"passphrase of {key}", f"wrong; passphrase of {key}"]
    assert status(locked, passphrases=dict(found)) == 0
    with pytest.raises(LoginError, match=r"box-0: the key .*/locked needs a passphrase \(run ssh-add"):
        status(locked)
    with pytest.raises(LoginError, match=r"the passphrase of .*/locked is wrong"):
        status(locked, passphrases={key: Secret("wrong")})


def test_a_program_prints_the_passphrase(locked: Host) -> None:
    """Nobody is asked; what the program prints is in no message."""
    words = ("printf", "%s", PHRASE.value)
    host = replace(locked, login=replace(locked.login, key_passphrase_command=words))
    assert status(host, passphrases=dict(passphrases([host], None))) == 0
    host = replace(locked, login=replace(locked.login, key_passphrase_command=("printf", "s3cret")))
    with pytest.raises(Exception, match=r"`key_passphrase_command` \(printf\) gave no passphrase") as failed:
        passphrases([host], None)
    assert "s3cret" not in str(failed.value)


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Path) -> Iterator[Callable[[Path, str], None]]:
    """A running ssh-agent, and what adds a key to it."""
    path = str(tmp_path / "agent")
    running = subprocess.Popen(("ssh-agent", "-D", "-a", path), stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", path)
    answer = home.parent / "answer"

    def add(key: Path, phrase: str = "") -> None:
        answer.write_text(f"#!/bin/sh\necho '{phrase}'\n")
        answer.chmod(0o700)
        more = {"SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force"}
        subprocess.run(("ssh-add", "-q", str(key)), env={**os.environ, **more}, check=True)

    while not Path(path).exists():
        time.sleep(0.02)
    yield add
    running.send_signal(signal.SIGTERM)
    running.wait()


def test_an_agent_opens_what_a_passphrase_locks(locked: Host, agent: Callable[[Path, str], None], home: Path) -> None:
    """Then nobody is asked; also where the inventory names no key at all."""
    assert set(locked_keys([locked])) == {locked.login.key}
    agent(Path(locked.login.key or ""), PHRASE.value)
    assert not locked_keys([locked])
    assert status(locked) == 0
    assert status(replace(locked, login=replace(locked.login, key=None))) == 0
    (home / "config").write_text("Host *\n IdentitiesOnly yes\n")
    with pytest.raises(LoginError, match="there is no key"):
        status(replace(locked, login=replace(locked.login, key=None)))


def test_a_certificate_logs_in_where_the_key_alone_does_not(
    serve: Serve, home: Path, agent: Callable[[Path, str], None]
) -> None:
    """Beside the key, as CertificateFile, and from an agent; an expired one is refused, as the key itself is."""
    ensure_key(home / "authority")
    (home / "authority.pub").write_text(f"{ensure_key(home / 'authority')} ca\n")
    box = serve(0, f"TrustedUserCAKeys {home}/authority.pub", "AuthorizedKeysFile none")
    key = home / "id_work"
    (home / "id_work.pub").write_text(f"{ensure_key(key)} me\n")
    host = replace(box, login=replace(box.login, key=str(key)))
    with pytest.raises(LoginError, match="refused user"):
        status(host)
    sign = ("-s", str(home / "authority"), "-I", "me", "-n", user_name())
    keygen(*sign, "-V", "-2d:-1d", str(home / "id_work.pub"))
    with pytest.raises(LoginError, match="refused user"):
        status(host)
    keygen(*sign, str(home / "id_work.pub"))
    assert status(host) == 0
    agent(key, "")
    key.rename(home / "gone")
    assert status(replace(host, login=replace(host.login, key=None))) == 0
    (home / "gone").rename(home / "id_other")
    (home / "id_work-cert.pub").rename(home / "somewhere.pub")
    (home / "config").write_text(f"Host *\n IdentityFile {home}/id_other\n CertificateFile {home}/somewhere.pub\n")
    os.environ.pop("SSH_AUTH_SOCK")
    assert status(replace(host, login=replace(host.login, key=None))) == 0


# Host keys


def test_a_revoked_host_key_is_refused_even_if_pinned(serve: Serve, layout: Layout) -> None:
    box = serve(0)
    pin = layout.known_hosts.read_text().splitlines()[0]
    with layout.known_hosts.open("a") as known:
        known.write(f"@revoked * {pin.split(' ', 1)[1]}\n")
    with pytest.raises(HostKeyError, match=r"is revoked: ssh-ed25519 SHA256:"):
        status(box)


def test_a_host_that_only_an_authority_vouches_for_is_refused_with_the_way_out(serve: Serve, layout: Layout) -> None:
    """fleet knows keys, not host certificates, and says so."""
    box = serve(0)
    pin = layout.known_hosts.read_text().splitlines()[0].split(" ", 1)[1]
    layout.known_hosts.write_text(f"@cert-authority 127.0.0.*,[127.0.0.*]:* {pin}\n")
    with pytest.raises(HostKeyError, match=r"is not known: .*takes no host certificates \(@cert-authority\)"):
        status(box)


# Flaws


def test_a_host_that_drops_two_connections_is_not_dead(serve: Serve, layout: Layout) -> None:
    """The third is taken; one that drops them all is an error before its time is over."""
    box = serve(0)
    pin = layout.known_hosts.read_text().splitlines()[0].split(" ", 1)[1]
    for drops, well in ((2, True), (1000, False)):
        with slow_link((box.login.address, box.login.port), drops=drops) as (address, port):
            layout.known_hosts.write_text(f"[{address}]:{port} {pin}\n")
            flaky = replace(box, login=replace(box.login, address=address, port=port, connect_timeout=20.0))
            if well:
                assert status(flaky) == 0
            else:
                with pytest.raises(ConnectError, match="no SSH session"):
                    status(flaky)


def test_a_refused_key_is_not_tried_again(serve: Serve, layout: Layout, tmp_path: Path) -> None:
    """A wrong key, ours or the host's, is offered over one connection: more would lock accounts, and wait in vain."""
    box = serve(0)
    ensure_key(tmp_path / "stranger")
    with pytest.raises(LoginError):
        status(replace(box, login=replace(box.login, key=str(tmp_path / "stranger"), connect_timeout=60.0)))
    until = time.monotonic() + 20
    while "authenticating user" not in (said := layout.log(box.name).read_text()):
        assert time.monotonic() < until, said
        time.sleep(0.05)
    assert said.count("authenticating user") == 1


def test_a_long_way_changes_no_answer(serve: Serve, layout: Layout) -> None:
    """Streams in both directions over 40 ms, on a connection that is used again and again."""
    box = serve(0)
    pin = layout.known_hosts.read_text().splitlines()[0].split(" ", 1)[1]
    with slow_link((box.login.address, box.login.port), 0.02) as (address, port), ssh() as transport:
        layout.known_hosts.write_text(f"[{address}]:{port} {pin}\n")
        far = replace(box, login=replace(box.login, address=address, port=port))
        for size in (0, 10, 3_000_000):
            done = transport.run(
                far, Command(argv=("/bin/sh", "-s"), stdin=b"cat <<'E'\n" + b"x" * size + b"\nE\nexit 3\n")
            )
            assert (done.exit_status, len(done.stdout)) == (3, size + 1)
