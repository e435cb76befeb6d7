"""Changes under a watch, by real shells on this machine: made after they are written down, and always put back."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from local_transport import LocalTransport

from fleet.errors import ConnectError, HostError, ProvisionError
from fleet.model.inventory import Host, Login, Ports, Role
from fleet.model.playbook import Command, Completed, Undo
from fleet.plan.bento import watch
from fleet.plan.bento.changes import Change
from fleet.plan.shell import underway
from fleet.ports import Channel
from fleet.provision.journal import Journal
from fleet.provision.restore import Wanted, restore
from fleet.workload.bento.guard import Custody, Guard

pytestmark = pytest.mark.lab

HOST = Host(
    name="box",
    role=Role.HEAD,
    login=Login(address="127.0.0.1"),
    node_address="127.0.0.1",
    devices=(),
    ports=Ports(first=20000, last=20299),
    python="python3",
    work_dir="fleet",
)
STATE = Path(".local/state/fleet")


class Line:
    """This machine, until the link to it is lost."""

    def __init__(self) -> None:
        self.inner, self.lost, self.asked = LocalTransport(), False, 0

    def run(self, host: Host, command: Command) -> Completed:
        self.asked += 1
        if self.lost:
            raise ConnectError("no route to host", host=host.name)
        return self.inner.run(host, command)

    def open(self, host: Host, argv: Sequence[str]) -> Channel:
        if self.lost:
            raise ConnectError("no route to host", host=host.name)
        return Muted(self, self.inner.open(host, argv))

    def put(self, host: Host, path: str, data: bytes, mode: int) -> None:
        self.inner.put(host, path, data, mode)

    def get(self, host: Host, path: str, offset: int, limit: int) -> bytes:
        return self.inner.get(host, path, offset, limit)

    def close(self) -> None:
        self.inner.close()


class Muted:
    """A channel that goes with its link."""

    def __init__(self, line: Line, inner: Channel) -> None:
        self.line, self.inner = line, inner

    def send(self, line: str) -> None:
        if self.line.lost:
            raise ConnectError("no route to host")
        self.inner.send(line)

    def receive(self, timeout: float) -> str | None:
        return self.inner.receive(timeout)

    @property
    def complaints(self) -> str:
        return self.inner.complaints

    def close(self) -> None:
        self.inner.close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own: journal and watch are below it. The watch looks more often."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(watch, "ROUND_SECONDS", 1)
    monkeypatch.setattr(underway, "TOGETHER", str(tmp_path))
    return tmp_path


def made(name: str, *, script: str = "", undo: str = "") -> Change:
    """A change that makes a file, which is not there before and after; it notes what was first, and where it was."""
    return Change(
        step="make",
        summary=f"make {name}",
        script=f'{script}\nls -d "$kept/.." >>log; : >{name}\n',
        undo=Undo(script=f"{undo}\necho undo {name} >>log; rm -f {name}\n"),
        look=f"[ ! -e {name} ]\n",
    )


def guard(line: Line, deadline: float = 60.0, host: Host = HOST) -> Guard:
    return Guard(line, host, Custody(inventory="trial", deadline=deadline))


def within(seconds: float, true: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.1)
    return true()


def left(home: Path) -> list[str]:
    """What of fleet's is in that home."""
    return sorted(file.name for file in (home / STATE).glob("*"))


def test_a_change_is_written_down_before_it_is_made_and_put_back_at_the_end(home: Path) -> None:
    """Newest first; nothing of fleet's is left, and the watch ends by itself."""
    with guard(Line()) as watched:
        for name in ("one", "two"):
            watched.make(made(name))
        assert (home / "one").exists()
        assert (home / "two").exists()
        assert watched.intact
    assert not (home / "one").exists()
    log = (home / "log").read_text().splitlines()
    assert all(line.endswith(".open/kept/..") for line in log[:2])
    assert log[2:] == ["undo two", "undo one"]
    assert within(20, lambda: left(home) == [])


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("sudo") is None, reason="as root, with sudo")
def test_where_docker_is_roots_the_watch_is_roots_too(home: Path) -> None:
    """By sudo; the beats come from the user, as there is no channel that goes through sudo."""
    host = replace(HOST, login=replace(HOST.login, sudo=True), work_dir=str(home))
    line = Line()
    with guard(line, deadline=2.0, host=host) as watched:
        entry = watched.make(made("one"))
        assert entry.root
        assert list(Path("/var/lib/fleet").glob(f"journal-*/{entry.id}.done"))
        line.lost = True
        assert within(30, lambda: not (home / "one").exists())
        line.lost = False
    assert within(30, lambda: not list(Path("/var/lib/fleet").glob(f"*/{entry.id}.*")))
    assert within(30, lambda: not list(Path("/var/lib/fleet").glob(f"watch-{watched.run}")))


def test_what_fails_half_way_is_put_back(home: Path) -> None:
    def tried() -> None:
        with guard(Line()) as watched:
            watched.make(
                made(
                    "one", script=": >half; one() { return 7; }; one || { echo 'no room'; exit 7; }", undo="rm -f half"
                )
            )

    with pytest.raises(ProvisionError, match=r"box: make one: failed \(no room\)"):
        tried()
    assert not (home / "half").exists()
    assert within(20, lambda: left(home) == [])


def test_a_silent_controller_has_everything_put_back_and_can_change_nothing_more(home: Path) -> None:
    """One undo that fails keeps no other one from its turn; it is tried again until it works.

    What an undo leaves running does not hold the host: the next run begins.
    """
    line = Line()
    with guard(line, deadline=2.0) as watched:
        watched.make(made("one", undo="sleep 600 & echo $! >running"))
        watched.make(made("two", undo="[ -e allowed ] || exit 75"))
        line.lost = True
        assert within(30, lambda: not (home / "one").exists())
        assert (home / "two").exists()
        assert within(10, lambda: not watched.intact)
        line.lost = False
        with pytest.raises(ProvisionError, match="make three: failed"):
            watched.make(made("three"))
        assert not (home / "three").exists()
        (home / "allowed").touch()
        assert within(30, lambda: not (home / "two").exists())
    assert within(30, lambda: left(home) == [])
    with guard(Line()):
        os.kill(int((home / "running").read_text()), signal.SIGKILL)


def test_a_host_that_fell_silent_is_not_waited_for(home: Path) -> None:
    """It is asked once more, however much there is to put back: it does that by itself."""
    line = Line()
    asked: list[int] = []

    def tried() -> None:
        with guard(line, deadline=2.0) as watched:
            for name in ("one", "two", "three"):
                watched.make(made(name))
            line.lost = True
            asked.append(within(10, lambda: not watched.intact))
            asked.append(line.asked)

    with pytest.raises(ProvisionError, match=r"box: it answers no more; it puts everything back by itself \("):
        tried()
    assert asked == [True, line.asked - 1]
    assert within(30, lambda: left(home) == [])


def test_what_cannot_be_put_back_yet_is_the_watchs(home: Path) -> None:
    """It goes on at once, without waiting for the deadline."""

    def tried() -> None:
        with guard(Line()) as watched:
            watched.make(made("one", undo="[ -e allowed ] || { echo 'it still ends'; exit 75; }"))

    with pytest.raises(ProvisionError, match="not put back yet: make one") as caught:
        tried()
    assert "a watch on it goes on with that" in str(caught.value)
    (home / "allowed").touch()
    assert within(30, lambda: not (home / "one").exists())
    assert within(30, lambda: left(home) == [])


def test_a_secret_that_the_host_quotes_is_not_shown(home: Path) -> None:
    del home
    secret = "p@ss 'word'"  # noqa: S105 (of a stand-in)

    def tried() -> None:
        with guard(Line()) as watched:
            watched.make(made("one", script="echo \"cannot use p@ss 'word'\"; exit 1"), {"POSTGRES_PASSWORD": secret})

    with pytest.raises(ProvisionError, match=r"cannot use \*\*\*"):
        tried()


def put_back(*, insist: bool = False) -> list[tuple[str, str]]:
    """What `fleet restore` comes to, in another process as far as the host can tell."""
    wanted = Wanted(dry_run=False, heed=True, insist=insist)
    reports = restore(LocalTransport(), [HOST], lambda _: None, Journal(inventory="trial"), wanted)
    return [(report.state.value, report.summary) for report in reports]


def test_nobody_begins_or_puts_back_under_a_run_that_is_at_work(home: Path) -> None:
    """Both are told whose it is; as soon as it has ended, both may."""

    def tried() -> None:
        with guard(Line()):
            raise AssertionError("it was let in")

    with guard(Line()) as watched:
        watched.make(made("one"))
        whose = rf"a run is under way on it: .+@.+, process {os.getpid()} there, since .+, heard from [0-9]+ s ago"
        with pytest.raises(HostError, match=f"box: {whose}"):
            tried()
        ((state, said),) = put_back()
        assert state == "failed"
        assert re.fullmatch(whose, said)
        assert (home / "one").exists()
        assert watched.intact
    assert put_back() == []
    with guard(Line()) as second:
        second.make(made("one"))
    assert within(20, lambda: left(home) == [])


def test_a_watch_of_another_machine_that_shares_the_home_is_left_alone(home: Path) -> None:
    """Homes may come by NFS: nobody takes another head's watch away, takes it for the host's, or cuts it off."""
    elsewhere = home / STATE / "watch-elsewhere" / "beats"
    elsewhere.mkdir(parents=True)
    for name, text in (("beat", "1"), ("whose", "somebody"), ("machine", "another-head")):
        (elsewhere / name).write_text(f"{text}\n")
    with guard(Line()) as watched:
        watched.make(made("one"))
        ((_, said),) = put_back()
        assert "somebody" not in said
        assert [state for state, _ in put_back(insist=True)] == ["changed"]
    assert within(30, lambda: left(home) == ["watch-elsewhere"])
    assert sorted(file.name for file in elsewhere.iterdir()) == ["beat", "machine", "whose"]


def test_who_insists_cuts_a_run_off_and_it_is_told_by_whom(home: Path) -> None:
    with guard(Line(), deadline=6.0) as watched:
        watched.make(made("one"))
        assert [state for state, _ in put_back(insist=True)] == ["changed"]
        assert not (home / "one").exists()
        assert within(30, lambda: not watched.intact)
        assert re.fullmatch("`fleet restore --insist` by .+ has put everything back", watched.why)
        with pytest.raises(ProvisionError, match="make two: failed"):
            watched.make(made("two"))
    assert within(30, lambda: left(home) == [])


def test_a_run_whose_watch_has_ended_is_told_and_can_be_put_back(home: Path) -> None:
    """As when the host loses its power and comes up again: the run would have nobody who puts back what it changes."""
    with guard(Line(), deadline=6.0) as watched:
        watched.make(made("one"))
        words = ["pgrep", "-f", f"{STATE}/watch-{watched.run}/watch"]
        pid = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        os.kill(int(pid), signal.SIGKILL)
        assert within(30, lambda: not watched.intact)
        assert watched.why.startswith("its watch there has ended")
        assert [state for state, _ in put_back()] == ["changed"]
        assert not (home / "one").exists()
