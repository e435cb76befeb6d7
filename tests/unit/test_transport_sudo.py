"""sudo's commands as values: what is on the command line, what is on stdin, and how often a host is asked."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from fleet.errors import ConnectError, LoginError
from fleet.model.inventory import Host, Login, Ports, Role
from fleet.model.playbook import Command, Completed, Secret
from fleet.transport.sudo import Sudo, password_line

PASSWORD = "correct horse"  # noqa: S105 (a test's)
BOX = Host(
    name="box",
    role=Role.HEAD,
    login=Login(address="192.0.2.1", sudo=True),
    node_address="192.0.2.1",
    devices=(),
    ports=Ports(first=1, last=2),
    python="python3",
    work_dir=".",
)
WANTED = Command(argv=("tee", "/etc/x y"), stdin=b"line\n\xff", timeout=7.0, sudo=True)


class Asked:
    """A host whose sudo answers the first question with this status."""

    def __init__(self, status: int = 0, stderr: bytes = b"") -> None:
        self.commands: list[Command] = []
        self.status = status
        self.stderr = stderr

    def run(self, host: Host, command: Command) -> Completed:
        assert host.name == "box"
        self.commands.append(command)
        return Completed(exit_status=self.status, stdout=b"", stderr=self.stderr)


def test_what_wants_no_sudo_stays_as_it_is() -> None:
    """Neither a plain command, nor one on a host whose login needs no sudo; and nobody is asked."""
    asked = Asked()
    sudo = Sudo(asked.run, {})
    plain = replace(WANTED, sudo=False)
    root = replace(BOX, login=replace(BOX.login, sudo=False))
    assert sudo.wrap(BOX, plain) is plain
    assert sudo.wrap(root, WANTED) is WANTED
    assert not asked.commands


def test_without_a_password_sudo_may_not_ask() -> None:
    asked = Asked()
    command = Sudo(asked.run, {}).wrap(BOX, WANTED)
    assert command.argv == ("sudo", "-n", "--", "tee", "/etc/x y")
    assert (command.stdin, command.timeout) == (WANTED.stdin, 7.0)
    assert [one.argv for one in asked.commands] == [("sudo", "-n", "--", "true")]


def test_a_password_is_on_stdin_before_a_fresh_mark_and_nowhere_else() -> None:
    asked = Asked()
    sudo = Sudo(asked.run, {"box": Secret(PASSWORD)})
    commands = [sudo.wrap(BOX, WANTED) for _ in range(2)]
    marks = [command.stdin.split(b"\n")[1].decode() for command in commands]
    assert len(set(marks)) == 2
    for command, mark in zip(commands, marks, strict=True):
        assert command.stdin == f"{PASSWORD}\n{mark}\n".encode() + WANTED.stdin
        assert command.argv[:6] == ("sudo", "-S", "-p", "", "--", "/bin/sh")
        assert command.argv[-4:] == ("sh", mark, *WANTED.argv)
    assert PASSWORD not in f"{commands} {asked.commands} {sudo!r}"


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_a_host_is_asked_once_even_by_many_at_once(password: str | None) -> None:
    """Whatever it says: a wrong password is tried once, as accounts are locked after a few."""
    for status in (0, 1):
        asked = Asked(status)
        sudo = Sudo(asked.run, {"box": Secret(password)} if password else {})
        refused: list[LoginError] = []

        def wrap(sudo: Sudo = sudo, refused: list[LoginError] = refused) -> None:
            try:
                sudo.wrap(BOX, WANTED)
            except LoginError as error:
                refused.append(error)

        threads = [threading.Thread(target=wrap) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(asked.commands) == 1
        assert len(refused) == 8 * status


def test_a_host_that_was_lost_before_it_answered_is_asked_again() -> None:
    asked = Asked()
    lost = [True]

    def run(host: Host, command: Command) -> Completed:
        if lost and lost.pop():
            raise ConnectError("gone")
        return asked.run(host, command)

    sudo = Sudo(run, {})
    with pytest.raises(ConnectError):
        sudo.wrap(BOX, WANTED)
    assert sudo.wrap(BOX, WANTED).argv[0] == "sudo"


@pytest.mark.parametrize(
    ("password", "status", "said", "expected"),
    [
        (None, 1, b"sudo: a password is required", "without a password: sudo: a password is required.*NOPASSWD"),
        (PASSWORD, 1, b"Sorry, try again.", "does not let us: Sorry, try again.*tried once"),
        (PASSWORD, 1, b"echo of correct horse\x1b[2J", r"echo of \*\*\* .*tried once"),
        (PASSWORD, 127, b"sudo: not found", "there is no sudo: sudo: not found.*sudo: false"),
        (None, 5, b"", "exit status 5"),
    ],
)
def test_a_refusal_says_why_and_never_the_password(
    password: str | None, status: int, said: bytes, expected: str
) -> None:
    sudo = Sudo(Asked(status, said).run, {"box": Secret(password)} if password else {})
    with pytest.raises(LoginError, match=expected) as refused:
        sudo.wrap(BOX, WANTED)
    assert PASSWORD not in str(refused.value)
    assert refused.value.host == "box"


@pytest.mark.parametrize("password", ["", "two\nlines", "zero\0byte", "x" * 256, "é" * 128])
def test_what_no_sudo_could_read_is_no_password(password: str) -> None:
    with pytest.raises(ValueError, match="one line of 1 to 255 bytes") as refused:
        password_line(Secret(password))
    assert not password or password not in str(refused.value)
