"""What can be wrong between fleet and a host, tried on real servers: keys, addresses, login shells, noise, loss."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fleet.errors import CommandError, ConnectError, HostError, HostKeyError, LoginError
from fleet.lab import openssh
from fleet.lab.account import user_name
from fleet.lab.keys import ensure_key
from fleet.lab.layout import Layout, dressed, prepare
from fleet.lab.processes import descendants, send_signal
from fleet.lab.servers import Backend, Lab, answers
from fleet.model.inventory import Host, Inventory
from fleet.model.playbook import Command
from fleet.transport.ssh import SshTransport

pytestmark = pytest.mark.lab

SHELLS = ("dash", "bash", "zsh", "fish", "csh", "tcsh", "bsd-csh", "busybox")
TRUE = Command(argv=("true",), timeout=30)


@pytest.fixture
def box(lab_inventory: Inventory, tmp_path: Path, backend: str) -> Iterator[Host]:
    """One running lab host."""
    one = replace(lab_inventory, hosts=lab_inventory.hosts[:1])
    with Lab(one.hosts, Layout(tmp_path), backend=Backend(backend)):
        yield dressed(one, tmp_path).head


@contextmanager
def own_server(host: Host, directory: Path, *words: str) -> Iterator[Host]:
    """fleet's own server for one host, with more words on its command line than a lab gives it."""
    layout = Layout(directory)
    prepare((host,), layout)
    where = (host.login.address, str(host.login.port))
    paths = (str(layout.host_key(host.name)), str(layout.authorized), str(layout.home(host.name)))
    argv = (sys.executable, "-m", "fleet.lab.sshserver", *where, *paths, *words)
    with subprocess.Popen(argv) as server:
        try:
            while not answers(host):
                assert server.poll() is None
                time.sleep(0.02)
            yield dressed_host(host, directory)
        finally:
            send_signal((server.pid, *descendants(server.pid)), signal.SIGKILL)


def dressed_host(host: Host, directory: Path) -> Host:
    layout = Layout(directory)
    login = replace(host.login, user=user_name(), key=str(layout.client_key), known_hosts=str(layout.known_hosts))
    return replace(host, login=login)


# Keys


def test_a_changed_host_key_is_refused_with_both_fingerprints(
    lab_inventory: Inventory, tmp_path: Path, backend: str, ssh: SshTransport
) -> None:
    """Nothing is sent to whoever answers; the operator can compare."""
    host = lab_inventory.head
    layout = Layout(tmp_path)
    prepare((host,), layout)
    pinned = fingerprint(layout.host_key(host.name))
    pins = layout.known_hosts.read_text()
    layout.host_key(host.name).unlink()
    with Lab((host,), layout, backend=Backend(backend)):
        layout.known_hosts.write_text(pins)
        with pytest.raises(HostKeyError, match="has changed") as refused:
            ssh.run(dressed_host(host, tmp_path), TRUE)
    offered = fingerprint(layout.host_key(host.name))
    assert pinned != offered
    assert f"pinned ssh-ed25519 {pinned}, offered ssh-ed25519 {offered}" in str(refused.value)
    assert refused.value.host == host.name
    assert refused.value.hint


def test_an_unknown_host_key_is_refused_with_its_fingerprint(box: Host, tmp_path: Path, ssh: SshTransport) -> None:
    for name in ("empty", "none"):
        (tmp_path / "empty").touch()
        stranger = replace(box, login=replace(box.login, known_hosts=str(tmp_path / name)))
        with pytest.raises(HostKeyError, match="is not known") as refused:
            ssh.run(stranger, TRUE)
        assert fingerprint(Layout(tmp_path).host_key(box.name)) in str(refused.value)
        assert "then: fleet trust INVENTORY" in str(refused.value)


def test_without_a_known_hosts_file_the_users_own_counts(
    box: Host, tmp_path: Path, ssh: SshTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the name in it is hashed, as Debian's ssh does."""
    monkeypatch.setenv("HOME", str(tmp_path))
    plain = replace(box, login=replace(box.login, known_hosts=None))
    with pytest.raises(HostKeyError, match="is not known"):
        ssh.run(plain, TRUE)
    own = tmp_path / ".ssh" / "known_hosts"
    own.parent.mkdir()
    pins = Layout(tmp_path).known_hosts.read_text()
    own.write_text(f"# mine\n\n@cert-authority *.example ssh-rsa AAAA\n{hashed(pins)}")
    assert ssh.run(plain, TRUE).exit_status == 0


def hashed(pin: str) -> str:

    name, rest = pin.split(" ", 1)
    salt = os.urandom(20)
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()} {rest}"


def test_a_damaged_known_hosts_file_is_no_pin(box: Host, tmp_path: Path, ssh: SshTransport) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(Layout(tmp_path).known_hosts.read_bytes().replace(b"AAAA", b"\xff\x00=A=", 1) + b"\xfe\xfe\n")
    with pytest.raises(HostKeyError):
        ssh.run(replace(box, login=replace(box.login, known_hosts=str(damaged))), TRUE)


def test_a_refused_key_is_a_login_error(box: Host, tmp_path: Path, ssh: SshTransport) -> None:
    """Not tried again: it would be refused again."""
    ensure_key(tmp_path / "stranger")
    stranger = replace(box, login=replace(box.login, key=str(tmp_path / "stranger")))
    with pytest.raises(LoginError, match=f"{box.name}: the host refused user {box.login.user}.*authorized_keys"):
        ssh.run(stranger, TRUE)


def test_an_unknown_user_is_a_login_error(box: Host, ssh: SshTransport) -> None:
    with pytest.raises(LoginError, match="refused user nobody-here"):
        ssh.run(replace(box, login=replace(box.login, user="nobody-here")), TRUE)


def test_a_key_that_cannot_be_used_is_said(box: Host, tmp_path: Path, ssh: SshTransport) -> None:
    locked = tmp_path / "locked"
    locked.write_bytes(encrypted_key())
    (tmp_path / "text").write_text("no key at all\n")
    for name, why in (("none", "cannot be read"), ("text", "is no private key"), ("locked", "ssh-add")):
        with pytest.raises(LoginError, match=f"{box.name}: .*{why}"):
            ssh.run(replace(box, login=replace(box.login, key=str(tmp_path / name))), TRUE)


def encrypted_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.BestAvailableEncryption(b"passphrase"),
    )


def fingerprint(key: Path) -> str:
    """SHA-256 over the key's wire form, as RFC 4255 and OpenSSH have it; from our own file, not by paramiko."""

    blob = base64.b64decode(ensure_key(key).split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


# The user's own SSH settings, for real hosts


@pytest.fixture
def user_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the operator's, without an agent."""
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / "me" / ".ssh").mkdir(parents=True)
    return tmp_path / "me" / ".ssh"


def real(host: Host, address: str) -> Host:
    """The host as an inventory has a real one: only where it is."""
    login = replace(host.login, address=address, port=22, user=None, key=None, known_hosts=None)
    return replace(host, login=login, lab=False)


def test_the_users_ssh_config_and_keys_hold(box: Host, tmp_path: Path, user_home: Path, ssh: SshTransport) -> None:
    """What `ssh alias` does, fleet does; a lab host has settings of its own."""
    layout = Layout(tmp_path)
    shutil.copy(layout.known_hosts, user_home / "known_hosts")
    alias = f"Host alias\n HostName {box.login.address}\n Port {box.login.port}\n User {box.login.user}\n"
    (user_home / "config").write_text(f"{alias} IdentityFile {tmp_path}/no-such-key\n")
    with pytest.raises(LoginError, match=f"there is no key to log user {box.login.user} in with"):
        ssh.run(real(box, "alias"), TRUE)
    (user_home / "config").write_text(f"{alias} IdentityFile {layout.client_key}\n")
    assert ssh.run(real(box, "alias"), TRUE).exit_status == 0
    (user_home / "config").write_text(f"{alias}\nHost *\n ProxyCommand false\n")
    assert ssh.run(box, TRUE).exit_status == 0


def test_a_default_key_is_found(box: Host, tmp_path: Path, user_home: Path, ssh: SshTransport) -> None:
    layout = Layout(tmp_path)
    shutil.copy(layout.known_hosts, user_home / "known_hosts")
    shutil.copy(layout.client_key, user_home / "id_ed25519")
    plain = replace(real(box, box.login.address), login=replace(box.login, key=None, known_hosts=None))
    assert ssh.run(plain, TRUE).exit_status == 0


def test_a_damaged_ssh_config_is_said(box: Host, user_home: Path, ssh: SshTransport) -> None:
    (user_home / "config").write_text("Match nonsense\n")
    with pytest.raises(ConnectError, match=r"~/\.ssh/config cannot be used"):
        ssh.run(real(box, box.login.address), TRUE)


def test_a_jump_hosts_key_is_checked_too(
    lab_inventory: Inventory, tmp_path: Path, user_home: Path, ssh: SshTransport
) -> None:
    """Unknown it is refused, pinned it leads on."""
    layout = Layout(tmp_path)
    sshd = openssh.program()
    jump, target = lab_inventory.hosts[:2]
    prepare((jump, target), layout)
    with ExitStack() as stack:
        for host in (jump, target):
            config = layout.config(host.name)
            text = openssh.configuration(
                host, host_key=layout.host_key(host.name), authorized=layout.authorized, home=layout.home(host.name)
            )
            config.write_text(text.replace("AllowTcpForwarding no", "AllowTcpForwarding yes"))
            if sshd is None or openssh.obstacle(sshd, config):
                pytest.skip(f"no OpenSSH: {openssh.obstacle(sshd, config)}; apt-get install openssh-server")
            server = stack.enter_context(subprocess.Popen(openssh.argv(sshd, config), stderr=subprocess.DEVNULL))
            stack.callback(server.kill)
            while not answers(host):
                time.sleep(0.02)
        way = f"Host {target.login.address}\n ProxyJump {user_name()}@{jump.login.address}:{jump.login.port}\n"
        (user_home / "config").write_text(f"{way}Host *\n IdentityFile {layout.client_key}\n")
        reached = replace(dressed_host(target, tmp_path), lab=False)
        with pytest.raises(
            HostKeyError, match=rf"{target.name}: .*\[{jump.login.address}\]:{jump.login.port} is not known"
        ):
            ssh.run(reached, TRUE)
        shutil.copy(layout.known_hosts, user_home / "known_hosts")
        done = ssh.run(reached, Command(argv=("/bin/sh", "-c", "echo $SSH_CLIENT")))
        assert done.exit_status == 0
        ssh.close()


# Addresses


def test_a_refused_port_is_a_connect_error(lab_inventory: Inventory, ssh: SshTransport) -> None:
    """After three tries, long before the connect timeout, which is longer than this test may take."""
    host = replace(lab_inventory.head, login=replace(lab_inventory.head.login, connect_timeout=3600.0))
    with pytest.raises(ConnectError, match=r"box-0: nothing listens on 127.0.0.42:\d+ \(is the host up"):
        ssh.run(host, TRUE)


def test_a_host_that_comes_up_a_moment_later_is_reached(
    lab_inventory: Inventory, tmp_path: Path, ssh: SshTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused connection is tried again."""
    monkeypatch.setattr("fleet.transport.connect.RETRY_DELAYS", (0.5,) * 100)
    host = replace(lab_inventory.head, login=replace(lab_inventory.head.login, connect_timeout=60.0))
    prepare((host,), Layout(tmp_path))
    done: list[int] = []
    asking = threading.Thread(target=lambda: done.append(ssh.run(dressed_host(host, tmp_path), TRUE).exit_status))
    asking.start()
    with Lab((host,), Layout(tmp_path), backend=Backend.AUTO):
        asking.join(60)
    assert done == [0]


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-1.5-old\r\n", b"SSH-2.0-x\r\n"])
def test_what_is_no_ssh_server_is_a_connect_error_in_time(
    lab_inventory: Inventory, ssh: SshTransport, greeting: bytes
) -> None:
    """A host that says nothing, one that says something else, and one that stops after hello."""
    host = lab_inventory.head
    where = (host.login.address, host.login.port)
    host = replace(host, login=replace(host.login, connect_timeout=1.0))
    links: list[socket.socket] = []

    def accept(listener: socket.socket) -> None:
        while True:
            try:
                link = listener.accept()[0]
            except OSError:
                return
            link.sendall(greeting)
            links.append(link)

    with socket.create_server(where) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        started = time.monotonic()
        with pytest.raises(ConnectError, match=rf"box-0: no (answer|SSH session) .*{where[0]}"):
            ssh.run(host, TRUE)
        assert time.monotonic() - started < 14  # paramiko's own patience is 15 s
        listener.shutdown(socket.SHUT_RDWR)
    for link in links:
        link.close()


def test_an_unknown_name_is_a_connect_error(lab_inventory: Inventory, ssh: SshTransport) -> None:
    login = replace(lab_inventory.head.login, address="no-such-host.invalid", connect_timeout=1.0)
    with pytest.raises(ConnectError, match=r"box-0: the address no-such-host.invalid has no host \(correct"):
        ssh.run(replace(lab_inventory.head, login=login), TRUE)


# Login shells and noise


@pytest.mark.parametrize("shell", SHELLS)
def test_any_login_shell_will_do(lab_inventory: Inventory, tmp_path: Path, ssh: SshTransport, shell: str) -> None:
    """Words of every kind, a script on stdin, files, a conversation: the same under fish and csh as under sh."""
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed: apt-get install fish tcsh csh zsh busybox")
    if shell == "busybox":
        path = str(tmp_path / "sh")
        Path(path).symlink_to(shutil.which(shell) or "")
    words = ("it's", 'a "b"', "!!", "!x", "\\", "\\'", "$HOME", "`id`", "a\nb", "\n", "%self", "~", "*", "", "=ls", "é")
    with own_server(lab_inventory.head, tmp_path, "--shell", path) as box:
        done = ssh.run(box, Command(argv=("printf", "%s\\0", *words)))
        assert done.stdout.decode().split("\0") == [*words, ""]
        done = ssh.run(box, Command(argv=("/bin/sh", "-s"), stdin=b'echo "it\'s \\$!" >&2\nexit 9\n'))
        assert (done.exit_status, done.stdout, done.stderr) == (9, b"", b"it's $!\n")
        ssh.put(box, f"{tmp_path}/a 'file'!", b"data", 0o600)
        assert ssh.get(box, f"{tmp_path}/a 'file'!", 0, 9) == b"data"
        channel = ssh.open(box, ("cat", "-"))
        channel.send("hello")
        assert channel.receive(20) == "hello"
        channel.close()
        with pytest.raises(CommandError, match="did not end"):
            ssh.run(box, Command(argv=("sleep", "300"), timeout=1.0))


NOISY = """\
#!/bin/sh
printf 'Welcome to \\033[1mbox\\033[0m!\\nno newline at the end'
echo 'stty: not a tty' >&2
exec /bin/sh "$@"
"""


def test_what_rc_files_print_is_not_the_answer(lab_inventory: Inventory, tmp_path: Path, ssh: SshTransport) -> None:
    (tmp_path / "noisy").write_text(NOISY)
    (tmp_path / "noisy").chmod(0o700)
    with own_server(lab_inventory.head, tmp_path, "--shell", str(tmp_path / "noisy")) as box:
        assert ssh.run(box, Command(argv=("echo", "answer"))).stdout == b"answer\n"
        ssh.put(box, str(tmp_path / "file"), b"data", 0o600)
        assert ssh.get(box, str(tmp_path / "file"), 0, 100) == b"data"
        channel = ssh.open(box, ("echo", "line"))
        assert [channel.receive(20), channel.receive(20)] == ["line", None]


def test_a_login_shell_that_runs_nothing_is_quoted(lab_inventory: Inventory, tmp_path: Path, ssh: SshTransport) -> None:
    """As cloud images do for root: its advice is the cure, and it cannot touch the operator's terminal."""
    (tmp_path / "closed").write_text(
        "#!/bin/sh\nprintf 'Please login as the user \\033[31m\"ubuntu\"\\033[0m.\\n'\nexit 1\n"
    )
    (tmp_path / "closed").chmod(0o700)
    said = r"box-0: the login shell did not run the command: Please login as the user \"ubuntu\"\. \("
    with own_server(lab_inventory.head, tmp_path, "--shell", str(tmp_path / "closed")) as box:
        with pytest.raises(CommandError, match=said):
            ssh.run(box, TRUE)
        with pytest.raises(CommandError, match=said):
            ssh.open(box, ("cat",))


def test_a_login_banner_is_harmless(lab_inventory: Inventory, tmp_path: Path, ssh: SshTransport) -> None:
    host = lab_inventory.head
    layout = Layout(tmp_path)
    sshd = openssh.program()
    prepare((host,), layout)
    (tmp_path / "banner").write_bytes(b"AUTHORISED USE ONLY \x1b[2J\xff\n" * 200)
    config = layout.config(host.name)
    text = openssh.configuration(
        host, host_key=layout.host_key(host.name), authorized=layout.authorized, home=layout.home(host.name)
    )
    config.write_text(f"{text}Banner {tmp_path}/banner\n")
    if sshd is None or openssh.obstacle(sshd, config):
        pytest.skip(f"no OpenSSH: {openssh.obstacle(sshd, config)}; apt-get install openssh-server")
    with subprocess.Popen(openssh.argv(sshd, config), stderr=subprocess.DEVNULL) as server:
        while not answers(host):
            time.sleep(0.02)
        done = ssh.run(dressed_host(host, tmp_path), Command(argv=("echo", "answer")))
        server.kill()
    assert (done.exit_status, done.stdout, done.stderr) == (0, b"answer\n", b"")


def test_binary_output_is_kept_as_it_is(box: Host, ssh: SshTransport) -> None:
    script = b"printf '\\000\\033[2J\\377\\r\\n'; printf '\\033]0;title\\007' >&2; exit 4"
    done = ssh.run(box, Command(argv=("/bin/sh", "-s"), stdin=script))
    assert (done.exit_status, done.stdout, done.stderr) == (4, b"\x00\x1b[2J\xff\r\n", b"\x1b]0;title\x07")


# Loss


def test_a_link_lost_in_the_middle_of_a_command_is_a_connect_error(
    lab_inventory: Inventory, tmp_path: Path, backend: str, ssh: SshTransport
) -> None:
    """Long before the command's time is over; and the next command finds the host again when it is back."""
    one = replace(lab_inventory, hosts=lab_inventory.hosts[:1])
    host = dressed(one, tmp_path).head
    with Lab(one.hosts, Layout(tmp_path), backend=Backend(backend)) as lab:
        threading.Timer(0.5, lab.kill, args=(host.name,)).start()
        with pytest.raises(ConnectError, match="box-0: the connection was lost"):
            ssh.run(host, Command(argv=("sleep", "600"), timeout=600))
    with Lab(one.hosts, Layout(tmp_path), backend=Backend(backend)):
        assert ssh.run(host, TRUE).exit_status == 0


def test_a_frozen_host_does_not_hold_a_command_longer_than_its_time(
    lab_inventory: Inventory, tmp_path: Path, ssh: SshTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is stopped, so that its kernel takes bytes and nobody answers: in a command, and before one."""
    monkeypatch.setattr("fleet.transport.link.SESSION_TIMEOUT", 3600.0)
    with own_server(lab_inventory.head, tmp_path) as box:
        assert ssh.run(box, TRUE).exit_status == 0
        channel = ssh.open(box, ("cat",))
        server = int(ssh.run(box, Command(argv=("/bin/sh", "-c", "ps -o ppid= -p $$"))).stdout)
        try:
            stopper = threading.Timer(0.5, os.kill, args=(server, signal.SIGSTOP))
            stopper.start()
            with pytest.raises(CommandError, match="did not end"):
                ssh.run(box, Command(argv=("sleep", "600"), timeout=1.5))
            with pytest.raises(CommandError, match="said nothing"):
                channel.receive(0.5)
            with pytest.raises(HostError):
                ssh.run(box, Command(argv=("true",), timeout=1.5))
        finally:
            os.kill(server, signal.SIGCONT)


def test_after_close_nothing_is_connected_again(box: Host, ssh: SshTransport) -> None:
    assert ssh.run(box, TRUE).exit_status == 0
    channel = ssh.open(box, ("cat",))
    ssh.close()
    ssh.close()
    with pytest.raises(ConnectError, match="closed"):
        ssh.run(box, TRUE)
    with pytest.raises(ConnectError):
        channel.send("hello")
    channel.close()


def test_one_connection_serves_all_commands_and_another_all_that_lasts(box: Host, ssh: SshTransport) -> None:
    """The client's port, as the host sees it, is the same each time; what befalls a command ends no cluster."""
    with ExitStack() as stack:
        commands = {ssh.run(box, Command(argv=("/bin/sh", "-c", "echo $SSH_CONNECTION"))).stdout for _ in range(5)}
        lasting = set()
        for _ in range(5):
            channel = ssh.open(box, ("/bin/sh", "-c", "echo $SSH_CONNECTION; cat"))
            stack.callback(channel.close)
            lasting.add(f"{channel.receive(20)}\n".encode())
    assert len(commands) == len(lasting) == 1
    assert commands != lasting


def test_nothing_is_printed_when_a_connection_fails(lab_inventory: Inventory) -> None:
    """paramiko logs tracebacks, and Python prints what is logged without a handler."""
    host = lab_inventory.head
    code = (
        "import pickle, sys\nfrom fleet.transport.ssh import SshTransport\nfrom fleet.model.playbook import Command\n"
        "from fleet.errors import ConnectError\n"
        "try: SshTransport().run(pickle.load(sys.stdin.buffer), Command(argv=('true',)))\n"
        "except ConnectError as error: print(error)\n"
    )
    with socket.create_server((host.login.address, host.login.port)) as listener:

        def hang_up() -> None:
            while True:
                try:
                    link = listener.accept()[0]
                except OSError:
                    return
                link.sendall(b"nonsense\r\n" * 200)
                link.close()

        threading.Thread(target=hang_up, daemon=True).start()
        done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(host), capture_output=True, check=True)
        listener.shutdown(socket.SHUT_RDWR)
    assert done.stderr == b""
    assert done.stdout.startswith(b"box-0: no SSH session with")
    assert done.stdout.count(b"\n") == 1
