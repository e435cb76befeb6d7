"""sudo as it really is: users made for the test, a real sshd that lets them in, commands that become root's."""

from __future__ import annotations

import os
import pty
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fleet.codec import load
from fleet.errors import CommandError, LoginError
from fleet.lab import openssh
from fleet.lab.account import user_name
from fleet.lab.layout import Layout, prepare
from fleet.lab.servers import answers
from fleet.model.checkup import Diagnosis, Light
from fleet.model.hostevent import Note
from fleet.model.inventory import Host, Login, Ports, Role, Variable
from fleet.model.playbook import Command, DirectoryStep, FileStep, Playbook, ScriptStep, Secret, Step, StepReport
from fleet.plan.shell.journal import journal_of
from fleet.plan.shell.turn import TOGETHER
from fleet.provision import turns
from fleet.provision.apply import apply
from fleet.provision.journal import Journal
from fleet.provision.restore import Wanted, restore
from fleet.transport.ssh import SshTransport

pytestmark = pytest.mark.lab

ADDRESS = "127.0.0.45"
RULES = {
    "asks": "ALL",
    "free": "NOPASSWD: ALL",
    "pty": "ALL",
    "knows": "ALL",
}
"""What sudo lets each user do. `pty` gets a terminal of its own from sudo, `knows` is remembered everywhere."""


@dataclass(frozen=True, slots=True)
class Users:
    """Users of this machine that are there for these tests only: their names begin with `prefix`."""

    prefix: str
    password: str
    host: Host

    def reached(self, user: str, *, sudo: bool = True) -> Host:
        """The host as this user reaches it."""
        return replace(self.host, login=replace(self.host.login, user=self.prefix + user, sudo=sudo))


@pytest.fixture(scope="module")
def users() -> Iterator[Users]:
    """Five users, sudo's rules for four of them, and an sshd that lets them all in."""
    sshd = openssh.program()
    if os.getuid() != 0 or not shutil.which("sudo") or not shutil.which("useradd") or sshd is None:
        pytest.skip("needs root, sudo, useradd and sshd: apt-get install sudo openssh-server")
    prefix, password = f"fleet{secrets.token_hex(3)}-", secrets.token_urlsafe(12)
    names = [prefix + name for name in (*RULES, "stranger")]
    rules = Path("/etc/sudoers.d") / prefix.rstrip("-")
    folder = Path(tempfile.mkdtemp(prefix="fleet-sudo-"))
    try:
        for name in names:
            subprocess.run(("useradd", "-m", "-s", "/bin/sh", name), check=True)
        entries = "".join(f"{name}:{password}\n" for name in names)
        subprocess.run(("chpasswd",), input=entries.encode(), check=True)
        lines = [f"{prefix}{name} ALL=(ALL) {rule}\n" for name, rule in RULES.items()]
        lines += [f"Defaults:{prefix}pty use_pty\n", f"Defaults:{prefix}knows timestamp_type=global\n"]
        rules.write_text("".join(lines))
        rules.chmod(0o440)
        with served(folder, names, sshd) as host:
            yield Users(prefix, password, host)
    finally:
        rules.unlink(missing_ok=True)
        for name in names:
            # By force: the last of the user's sessions may not have ended yet.
            subprocess.run(("userdel", "-r", "-f", name), check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def served(folder: Path, names: list[str], sshd: str, address: str = ADDRESS) -> Iterator[Host]:
    """A host whose sshd lets these users in by the lab's key."""
    with socket.create_server((address, 0)) as listener:
        login = Login(address=address, port=listener.getsockname()[1])
    host = Host(
        name="box",
        role=Role.HEAD,
        login=login,
        node_address=address,
        devices=(),
        ports=Ports(first=1, last=2),
        python="python3",
        work_dir="/",
        lab=True,
    )
    layout = Layout(folder)
    prepare((host,), layout)
    folder.chmod(0o755)
    layout.authorized.chmod(0o644)
    text = openssh.configuration(
        host, host_key=layout.host_key(host.name), authorized=layout.authorized, home=layout.home(host.name)
    )
    text = text.replace(f"AllowUsers {user_name()}", f"AllowUsers {' '.join(names)}").replace("SetEnv", "#SetEnv")
    layout.config(host.name).write_text(text)
    if why := openssh.obstacle(sshd, layout.config(host.name)):
        pytest.skip(f"sshd does not run here: {why}")
    with subprocess.Popen(openssh.argv(sshd, layout.config(host.name)), stderr=subprocess.DEVNULL) as server:
        try:
            while not answers(host):
                assert server.poll() is None
                time.sleep(0.02)
            keys = replace(login, key=str(layout.client_key), known_hosts=str(layout.known_hosts))
            yield replace(host, login=keys)
        finally:
            server.kill()


@pytest.fixture
def ssh(users: Users) -> Iterator[SshTransport]:
    """A transport that knows the users' password."""
    transport = SshTransport({"box": Secret(users.password)})
    yield transport
    transport.close()


@pytest.fixture
def bare() -> Iterator[SshTransport]:
    """A transport that knows no password."""
    transport = SshTransport()
    yield transport
    transport.close()


def sh(script: str, stdin: bytes = b"", timeout: float = 60.0, *, sudo: bool = True) -> Command:
    return Command(argv=("/bin/sh", "-c", script), stdin=stdin, timeout=timeout, sudo=sudo)


@pytest.mark.parametrize("user", [*RULES])
def test_a_command_is_root_s_and_gets_its_stdin_whole(users: Users, ssh: SshTransport, user: str) -> None:
    """Whether sudo reads the password or not, the first time and later; binary, and more than any pipe holds."""
    host = users.reached(user)
    data = b"\n\0first\r\n" + os.urandom(2**20) + b"\nno newline at the end"
    for _ in range(2):
        done = ssh.run(host, sh("id -u >&2; cat", data))
        assert (done.exit_status, done.stderr.split()[-1:], done.stdout == data) == (0, [b"0"], True)
    assert ssh.run(host, sh("cat")).stdout == b""
    assert ssh.run(host, sh("exit 7")).exit_status == 7


def test_a_user_who_needs_no_password_needs_none(users: Users, bare: SshTransport) -> None:
    done = bare.run(users.reached("free"), sh("id -u; cat", b"in"))
    assert (done.exit_status, done.stdout) == (0, b"0\nin")


def test_what_asks_for_no_sudo_runs_as_the_user(users: Users, ssh: SshTransport) -> None:
    assert ssh.run(users.reached("asks"), sh("id -u", sudo=False)).stdout.strip() != b"0"
    assert ssh.run(users.reached("asks", sudo=False), sh("id -u")).stdout.strip() != b"0"


@pytest.mark.parametrize("user", ["asks", "free", "pty"])
def test_the_password_is_in_no_process_and_no_environment(users: Users, ssh: SshTransport, user: str) -> None:
    """Seen from root's own eyes, while the command runs."""
    looking = r"cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n'; env; set"
    seen = ssh.run(users.reached(user), sh(looking))
    assert b"sudo" in seen.stdout
    assert users.password.encode() not in seen.stdout + seen.stderr


def test_words_reach_the_command_as_they_are(users: Users, ssh: SshTransport) -> None:
    words = ("a b", "$HOME", "'\"", "", "-n", "--", "é\n")
    done = ssh.run(users.reached("asks"), Command(argv=("printf", "%s|", *words), sudo=True))
    assert done.stdout.decode() == "".join(f"{word}|" for word in words)


def test_a_wrong_password_is_a_login_error_and_is_tried_once(users: Users) -> None:
    """Also by several commands: the account may be locked after a few."""
    transport = SshTransport({"box": Secret("wrong-" + users.password)})
    host = users.reached("asks")
    for _ in range(3):
        with pytest.raises(LoginError, match=r"sudo does not let us: .*tried once") as refused:
            transport.run(host, sh("true"))
        assert users.password not in str(refused.value)
    assert transport.run(host, sh("echo on", sudo=False)).stdout == b"on\n"
    transport.close()


def test_sudo_that_wants_a_password_or_refuses_is_a_login_error(
    users: Users, ssh: SshTransport, bare: SshTransport
) -> None:
    with pytest.raises(LoginError, match=r"without a password: .*password is required.*--ask-sudo-password"):
        bare.run(users.reached("asks"), sh("true"))
    with pytest.raises(LoginError, match=r"sudo does not let us: .*not in the sudoers"):
        ssh.run(users.reached("stranger"), sh("true"))


@pytest.mark.parametrize("user", ["asks", "free", "pty"])
def test_a_command_of_root_s_that_outlives_its_time_is_ended(users: Users, ssh: SshTransport, user: str) -> None:
    """Its whole process group, which the user alone could not end."""
    marker = f"{4000 + secrets.randbelow(5000)}.{secrets.randbelow(10**6):06}"
    with pytest.raises(CommandError, match="did not end within"):
        ssh.run(users.reached(user), sh(f"sleep {marker}; true", timeout=3.0))
    until = time.monotonic() + 30
    while (left := running(marker)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not left


def running(marker: str) -> list[str]:
    """The command lines with this in it, of programs that are no part of the test."""
    found = subprocess.run(("ps", "-eww", "-o", "args="), capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if marker in line]


@pytest.mark.parametrize(
    ("program", "light"), [("cat {folder}/pass", Light.GREEN), ("echo wrong", Light.RED), ("false", None)]
)
def test_the_doctor_tries_sudo_as_the_inventory_states_it(
    users: Users, tmp_path: Path, program: str, light: Light | None
) -> None:
    """The password comes from a program named in the inventory; a wrong one is red, none is the operator's mistake."""
    (tmp_path / "pass").write_text(users.password + "\nnote\n")
    login = users.host.login
    fields = {
        "address": ADDRESS,
        "port": login.port,
        "user": f"{users.prefix}asks",
        "key": login.key,
        "known_hosts": login.known_hosts,
        "sudo_password_command": program.format(folder=tmp_path),
    }
    lines = "".join(f"    {name}: {value}\n" for name, value in fields.items())
    file = tmp_path / "one.yaml"
    file.write_text(f"fleet: one\nhosts:\n  box:\n    devices: [{{kind: cpu}}]\n{lines}")
    done = doctor("--json", str(file))
    assert users.password not in done.stdout + done.stderr
    if light is None:
        assert done.returncode == 2
        assert "`sudo_password_command` (false) gave no password: it failed with status 1" in done.stderr
        return
    found = load(Diagnosis, done.stdout)
    assert {check.name: check.light for check in found.checkups[0].checks}["sudo"] is light
    assert light is Light.GREEN or done.returncode == 3


def doctor(*words: str) -> subprocess.CompletedProcess[str]:
    argv = (sys.executable, "-c", "from fleet.cli import main; main()", "doctor", *words)
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL, env=environment
    )


def test_nobody_is_asked_for_a_password_who_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(f"fleet: one\nhosts: {{box: {{devices: [{{kind: cpu}}], sudo: true, address: {ADDRESS}}}}}\n")
    done = doctor("-K", str(file))
    assert done.returncode == 2
    assert "nobody can be asked for the sudo password" in done.stderr


def _mixed(folder: Path) -> Playbook:
    """Steps of root's, of the user's, and of root's again, each on what the one before has made."""
    work = "{{ host.work_dir }}"
    return Playbook(
        name="mixed",
        path="mixed.yaml",
        steps=(
            DirectoryStep(name="root's folder", path=str(folder), mode="0755", sudo=True),
            DirectoryStep(name="work", path=work),
            FileStep(name="user's file", path=f"{work}/mine", content="mine\n"),
            FileStep(name="root's file", path=f"{folder}/theirs", content="{{ vars.token }}\n", sudo=True),
            ScriptStep(
                name="root's script",
                unless=f"test -e {folder}/mark",
                run=f"id -u >{folder}/mark",
                undo=f"rm -f {folder}/mark",
                sudo=True,
            ),
        ),
    )


@pytest.mark.parametrize("user", ["asks", "free", "pty"])
def test_steps_of_roots_and_of_the_users_are_applied_in_order_and_put_back(
    users: Users, ssh: SshTransport, bare: SshTransport, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's journal is root's, the user's is the user's, and the password is in neither."""
    monkeypatch.setenv("TOKEN", "planted-token")
    folder = Path(f"/var/tmp/{users.prefix}{user}")  # noqa: S108 (a name that nobody else has)
    host = replace(
        users.reached(user),
        work_dir=f"work-{user}",
        lab=False,
        variables=(Variable(name="token", from_env="TOKEN"),),
    )
    transport = bare if user == "free" else ssh
    playbook = _mixed(folder)
    home = Path(f"/home/{users.prefix}{user}")
    journals = [Path(journal_of(host, root=True)), home / journal_of(host, root=False)]
    try:
        told: list[str] = []
        reports = apply(transport, playbook, [host], lambda event: told.append(repr(event)), dry_run=False)
        assert [report.state.value for report in reports] == ["changed"] * 5, reports
        again = apply(transport, playbook, [host], lambda _: None, dry_run=False)
        assert [report.state.value for report in again] == ["right"] * 5
        theirs = folder / "theirs"
        assert (theirs.owner(), theirs.read_text(), (folder / "mark").read_text()) == ("root", "planted-token\n", "0\n")
        assert (home / host.work_dir / "mine").owner() == users.prefix + user
        assert [(journal.owner(), journal.stat().st_mode & 0o077) for journal in journals] == [
            ("root", 0),
            (users.prefix + user, 0),
        ]
        kept = b"".join(file.read_bytes() for journal in journals for file in journal.rglob("*") if file.is_file())
        assert len(kept) > 1000
        for secret in (b"planted-token", users.password.encode()):
            assert secret not in kept + repr((reports, told)).encode()
        back = restore(transport, [host], lambda _: None, Journal(inventory="i"), Wanted(dry_run=False))
        assert [report.step for report in back] == [step.name for step in reversed(playbook.steps)]
        assert {report.state.value for report in back} == {"changed"}
        assert not any(path.exists() for path in (folder, home / host.work_dir, *journals))
    finally:
        for left in (folder, *journals):
            shutil.rmtree(left, ignore_errors=True)


@pytest.mark.parametrize("first", [True, False], ids=["root-first", "user-first"])
def test_what_root_changes_and_what_the_user_changes_wait_for_each_other(
    users: Users, bare: SshTransport, *, first: bool
) -> None:
    """In the midst of one's program the other changes nothing of it: what is put back is what there was before both."""
    host = replace(users.reached("free"), work_dir="work-turns", lab=False)
    folder = Path(f"/home/{users.prefix}free/turns")
    begun, gate, note = (folder / name for name in ("begun", "gate", "note"))
    slow = ScriptStep(
        name="slow",
        unless=f"test -e {begun}",
        run=f": >{begun}; until [ -e {gate} ]; do sleep 0.1; done",
        undo=f"rm -f {begun}",
        sudo=first,
    )
    ends = FileStep(name="note", path=str(note), content="of the first\n", mode="0644", sudo=first)
    mine = FileStep(name="mine", path=str(note), content="of the second\n", mode="0644", sudo=not first)
    told: list[object] = []
    other = SshTransport()
    try:
        bare.run(host, sh(f"mkdir {folder}; echo before >{note}", sudo=False))
        with ThreadPoolExecutor(2) as pool:
            try:
                one = pool.submit(applied, bare, host, slow, ends)
                while not begun.exists():
                    assert not one.done(), one.result()
                    time.sleep(0.05)
                two = pool.submit(applied, other, host, mine, tell=told.append)
                while not any(isinstance(event, Note) and "another command" in event.text for event in told):
                    assert not two.done(), two.result()
                    time.sleep(0.05)
            finally:
                gate.touch()
            assert [report.state.value for report in one.result()] == ["changed", "changed"]
            (refused,) = two.result()
        assert refused.summary == "not changed: somebody else has changed it since it was asked"
        assert note.read_text() == "of the first\n"
        restore(bare, [host], lambda _: None, Journal(inventory="i"), Wanted(dry_run=False))
        assert (note.read_text(), begun.exists()) == ("before\n", False)
    finally:
        other.close()
        for left in (folder, Path(journal_of(host, root=True))):
            shutil.rmtree(left, ignore_errors=True)


def applied(
    transport: SshTransport, host: Host, *steps: Step, tell: Callable[[object], None] = lambda _: None
) -> tuple[StepReport, ...]:
    return apply(transport, Playbook(name="p", path="p.yaml", steps=steps), [host], tell, dry_run=False)


def test_a_stranger_who_holds_what_all_can_hold_is_waited_for_and_told_of(
    users: Users, bare: SshTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For so long and no longer; nothing is changed, and root is told how to find out who it is."""
    monkeypatch.setattr(turns, "PATIENCE", 1)
    host = replace(users.reached("free"), work_dir="work-held", lab=False)
    step = DirectoryStep(name="work", path="{{ host.work_dir }}")
    line = ["setpriv", "--reuid", f"{users.prefix}stranger", "--clear-groups", "flock", TOGETHER]
    with subprocess.Popen([*line, "sh", "-c", "echo held; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as held:
        assert held.stdout
        assert held.stdout.readline() == b"held\n"
        (report,) = applied(bare, host, step)
        held.communicate()
    assert report.summary.startswith("nothing was changed: another command that changes the host did not end in")
    assert f"`fuser -v {TOGETHER}` tells which process" in report.detail
    assert not Path(f"/home/{users.prefix}free/work-held").exists()
    assert [report.state.value for report in applied(bare, host, step)] == ["changed"]
    restore(bare, [host], lambda _: None, Journal(inventory="i"), Wanted(dry_run=False))


TWO = """\
fleet: two
hosts:
  box: {{role: head, devices: [{{kind: cpu}}], ports: 23000-23199, python: /usr/bin/python3, work_dir: w, {0}}}
  far: {{candidate: true, sudo: true, devices: [{{kind: cpu}}], ports: 23200-23399, python: /usr/bin/python3, {1}}}
"""
MARK = """\
- name: mark
  kind: script
  sudo: true
  unless: test -e {0}-{{{{ host.name }}}}
  run: id -u >{0}-{{{{ host.name }}}}
  undo: rm -f {0}-{{{{ host.name }}}}
"""


def as_fields(host: Host, user: str) -> str:
    login = host.login
    fields = {"user": user, "address": login.address, "port": login.port, "key": login.key}
    return ", ".join(f"{name}: {value}" for name, value in {**fields, "known_hosts": login.known_hosts}.items())


def at_a_terminal(folder: Path, password: str, *words: str) -> tuple[int, str]:
    """Exit code and screen of a command whose operator types the password when it is asked for."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "COLUMNS": "200", "TERM": "dumb"}
    environment |= {"LANG": "C.UTF-8", "PYTHONPATH": str(Path(__file__).parents[2])}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        line = [sys.executable, "-c", "from fleet.cli import main; main()", *words]
        os.execve(line[0], line, environment)  # noqa: S606 (a child of a terminal of its own is begun so)
    shown, typed = b"", False
    with suppress(OSError):  # what a terminal says whose last program has ended
        while heard := os.read(terminal, 4096):
            shown += heard
            if b"sudo password: " in shown and not typed:  # its space comes when what is typed is not shown any more
                os.write(terminal, password.encode() + b"\n")
                typed = True
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_a_worker_whose_sudo_wants_a_password_is_provisioned_and_put_back_with_the_one_that_is_typed(
    users: Users, tmp_path: Path
) -> None:
    """It is asked for once and is nowhere afterwards; that these users' Python has no Ray ends what comes after."""
    names = [users.prefix + name for name in ("free", "asks")]
    mark = f"/var/tmp/{users.prefix}mark"  # noqa: S108 (a name that nobody else has)
    theirs, mine = Path(f"{mark}-far"), Path(f"{mark}-box")
    folder = Path(tempfile.mkdtemp(prefix="fleet-sudo-"))
    (tmp_path / "p.yaml").write_text(MARK.format(mark))
    inventory = tmp_path / "two.yaml"
    try:
        with served(folder, names, openssh.program() or "", "127.0.0.47") as far:
            inventory.write_text(TWO.format(as_fields(users.host, names[0]), as_fields(far, names[1])))
            add = ("worker", "add", "two.yaml", "far", "-K", "--playbook", "p.yaml")
            code, shown = at_a_terminal(tmp_path, f"not {users.password}", *add)
            assert (code, theirs.exists()) == (4, False), shown
            assert "sudo" in shown.partition("✗")[2]
            code, shown = at_a_terminal(tmp_path, users.password, *add)
            assert "no ray" in shown.partition("✗")[2], shown
            assert shown.count("sudo password") == 1
            assert (theirs.owner(), theirs.read_text(), mine.owner()) == ("root", "0\n", names[0])
            assert users.password not in shown
            kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
            assert users.password.encode() not in kept
            code, shown = at_a_terminal(tmp_path, users.password, "worker", "remove", "two.yaml", "far", "-K")
            assert (code, theirs.exists()) == (0, False), shown
    finally:
        theirs.unlink(missing_ok=True)
        mine.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def test_a_host_whose_sudo_refuses_is_one_failure_with_its_cure(users: Users, bare: SshTransport) -> None:
    playbook = Playbook(name="p", path="p.yaml", steps=(DirectoryStep(name="d", path="/nowhere/at/all", sudo=True),))
    (report,) = apply(bare, playbook, [users.reached("asks")], lambda _: None, dry_run=True)
    assert report.state.value == "failed"
    assert report.summary.startswith("sudo does not let us without a password")
    assert "--ask-sudo-password" in report.detail
