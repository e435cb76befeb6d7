"""The shell that waits on a kept connection: a program costs one round trip, and whatever becomes of it harms none."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from own_sshd import started_sshd
from slow_link import slow_link

from fleet.errors import CommandError, ConnectError
from fleet.lab.layout import Layout, dressed, prepare
from fleet.model.inventory import Host, Inventory
from fleet.model.playbook import Command
from fleet.transport.ssh import SshTransport

pytestmark = pytest.mark.lab

RTT = 1.0
TRUE = Command(argv=("true",), timeout=30)

Serve = Callable[..., Host]


@pytest.fixture
def serve(lab_inventory: Inventory, tmp_path: Path) -> Iterator[Serve]:
    """Starts OpenSSH's sshd for the lab's head with more lines in its configuration."""
    one = replace(lab_inventory, hosts=lab_inventory.hosts[:1])
    layout, host = Layout(tmp_path), dressed(one, tmp_path).head
    prepare(one.hosts, layout)
    running: list[subprocess.Popen[bytes]] = []

    def start(*lines: str) -> Host:
        running.append(started_sshd(layout, host, lines))
        return host

    yield start
    for server in running:
        server.terminate()
        server.wait()


def program(text: str, timeout: float = 30.0) -> Command:
    return Command(argv=("/bin/sh", "-s"), stdin=text.encode(), timeout=timeout)


def own_pid(ssh: SshTransport, host: Host) -> int:
    return int(ssh.run(host, program("echo $$\n")).stdout)


def waiting(host: Host) -> list[int]:
    """The shells that wait for a program on the host: they alone have its home, and `-s`."""
    mark = f"HOME={Path(host.login.key or '').parent}".encode()
    found = []
    for process in Path("/proc").iterdir():
        try:
            if (process / "cmdline").read_bytes() == b"/bin/sh\0-s\0" and mark in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_from_the_third_program_on_each_costs_one_round_trip(serve: Serve, tmp_path: Path, ssh: SshTransport) -> None:
    """Over a link of a second: less than two of them, where a channel, a start and an answer are three."""
    box = serve()
    known = tmp_path / "known"
    with slow_link((box.login.address, box.login.port), RTT / 2) as (address, port):
        pins = Path(box.login.known_hosts or "").read_text()
        known.write_text(pins.replace(f"[{box.login.address}]:{box.login.port}", f"[{address}]:{port}"))
        far = replace(box, login=replace(box.login, address=address, port=port, known_hosts=str(known)))
        seconds = []
        for _ in range(4):
            started = time.monotonic()
            assert ssh.run(far, program("cat >/dev/null <<'E'\n" + "x" * 100_000 + "\nE\nexit 3\n")).exit_status == 3
            seconds.append(time.monotonic() - started)
            time.sleep(3 * RTT)
    assert all(RTT <= taken < 2 * RTT for taken in seconds[2:]), seconds


def test_a_shell_that_was_ended_on_the_host_is_not_used(serve: Serve, ssh: SshTransport) -> None:
    box = serve()
    for _ in range(2):
        own_pid(ssh, box)
    wait_for(lambda: len(waiting(box)) == 1)
    subprocess.run(["kill", "-KILL", str(waiting(box)[0])], check=True)
    wait_for(lambda: not waiting(box))
    time.sleep(0.5)
    assert own_pid(ssh, box) > 0


def test_a_program_that_outlives_its_time_is_killed_with_all_it_started(serve: Serve, ssh: SshTransport) -> None:
    """On a shell that was kept ready, too; and the next program runs."""
    box = serve()
    for _ in range(2):
        own_pid(ssh, box)
    wait_for(lambda: len(waiting(box)) == 1)
    ready = waiting(box)[0]
    with pytest.raises(CommandError, match="did not end"):
        ssh.run(box, program("sleep 600 & wait\n", timeout=1.0))
    wait_for(lambda: not Path(f"/proc/{ready}").exists())
    assert own_pid(ssh, box) > 0


def test_nothing_waits_on_the_host_once_the_transport_is_closed(serve: Serve) -> None:
    box = serve()
    transport = SshTransport()
    for _ in range(3):
        own_pid(transport, box)
    wait_for(lambda: len(waiting(box)) == 1)
    transport.close()
    wait_for(lambda: not waiting(box))


def test_a_host_that_allows_one_session_serves_programs_and_commands_by_turns(serve: Serve, ssh: SshTransport) -> None:
    """The shell that waits gives its session back."""
    box = serve("MaxSessions 1")
    for _ in range(3):
        assert own_pid(ssh, box) > 0
        assert ssh.run(box, TRUE).exit_status == 0


def test_hosts_that_are_approached_are_asked_once(serve: Serve, tmp_path: Path) -> None:
    """One that is there has its connection; of one that refuses us, the first command says why, with no second try."""
    box = serve()
    stranger = replace(box, name="stranger", login=replace(box.login, user="nobody-here"))
    transport = SshTransport()
    transport.approach((box, stranger))
    log = Layout(tmp_path).log(box.name)
    wait_for(lambda: "nobody-here" in log.read_text() and "Accepted publickey" in log.read_text())
    assert transport.run(box, TRUE).exit_status == 0
    before = log.read_text().count("Connection from") or log.read_text().count("nobody-here")
    with pytest.raises(Exception, match="refused user nobody-here"):
        transport.run(stranger, TRUE)
    after = log.read_text().count("Connection from") or log.read_text().count("nobody-here")
    assert (log.read_text().count("Accepted publickey"), after) == (1, before)
    transport.close()
    with pytest.raises(ConnectError, match="closed"):
        transport.run(box, TRUE)
