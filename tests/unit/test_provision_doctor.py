"""The doctor's rounds with hosts of paper: what they answer, nonsense too, ends as a check and never as an error."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from fleet.errors import CommandError, ConnectError, HostError, HostKeyError, LoginError
from fleet.model.checkup import Check, Diagnosis, Light
from fleet.model.inventory import Current, Host, Inventory, Login, Ports, Prices, Role, SyntheticSettings
from fleet.model.playbook import Command, Completed
from fleet.provision.doctor import examine

BOX = Host(
    name="box",
    role=Role.HEAD,
    login=Login(address="192.0.2.1"),
    node_address="10.0.0.1",
    devices=(),
    ports=Ports(first=20000, last=20002),
    python="python3",
    work_dir=".fleet",
)
FAR = replace(BOX, name="far", role=Role.WORKER, node_address="10.0.0.2")
PYTHON = '{"python": "3.11.7", "found": {"ray": "2.60.0", "fleet": "0.1.0"}}'
DF = "x 1 1 99999999 1% /"
SAID = {"cores": "2", "memory": "99999999 KiB", "python": PYTHON, "disk": DF, "shm": DF, "user": "0"}
EARS = '{"ports": [20000, 20001, 20002], "taken": [], "own": true}'


def reached(order: dict[str, list[dict[str, object]]]) -> str:
    """What a caller says when all is well."""
    lines = []
    for target in order["targets"]:
        figures = {"rtt": 0.001, "up": 1e8, "down": 1e8} if target["measure"] else {}
        lines.append(json.dumps({"target": target["host"], "open": target["ports"], "closed": [], **figures}))
    return "\n".join(lines)


class Ear:
    """A listening program that says one line."""

    complaints = "Traceback: it broke"

    def __init__(self, line: str | None) -> None:
        self.line = line
        self.heard: list[str] = []
        self.closed = False

    def send(self, line: str) -> None:
        self.heard.append(line)

    def receive(self, timeout: float) -> str | None:
        assert timeout > 0
        return self.line

    def close(self) -> None:
        self.closed = True


class Clockwork(Ear):
    """A shell that tells no time."""

    def receive(self, timeout: float) -> str | None:
        assert timeout > 0
        return None


class Paper:
    """A transport to hosts of paper; `far` answers with these words."""

    def __init__(self, ears: str | None = EARS, says: str | None = None, status: int = 0) -> None:
        self.ears = ears
        self.says = says
        self.status = status
        self.opened: list[Ear] = []
        self.argv: list[str] = []
        self.error: HostError | None = None

    def run(self, host: Host, command: Command) -> Completed:
        if host.name == "far" and self.error:
            raise self.error
        if command.argv[1] == "-s":
            mark = re.search(r"=fleet-[0-9a-f]+", command.stdin.decode())
            assert mark
            frames = (f"\n{mark[0]}:{label}:\n{text}\n{mark[0]}:{label}:0\n" for label, text in SAID.items())
            return Completed(exit_status=0, stdout="".join(frames).encode(), stderr=b"")
        self.argv += command.argv
        theirs = host.name == "far"
        text = self.says if theirs and self.says is not None else reached(json.loads(command.stdin))
        return Completed(exit_status=self.status if theirs else 0, stdout=text.encode(), stderr=b"it broke")

    def open(self, host: Host, argv: Sequence[str]) -> Ear:
        if "-s" in argv:
            return Clockwork("")
        self.argv += argv
        self.opened.append(Ear(self.ears if host.name == "far" else EARS))
        return self.opened[-1]

    def put(self, host: Host, path: str, data: bytes, mode: int) -> None:
        raise AssertionError(f"{host.name} {path} {mode} {len(data)}")

    def get(self, host: Host, path: str, offset: int, limit: int) -> bytes:
        raise AssertionError(f"{host.name} {path} {offset} {limit}")

    def close(self) -> None:
        raise AssertionError("it is not ours to close")


class Still:
    """A clock that stands."""

    def now(self) -> float:
        return 1.7e9

    def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


def fleet_of(*hosts: Host) -> Inventory:
    return Inventory(
        name="test",
        path="test.yaml",
        hosts=hosts,
        current=Current(),
        prices=Prices(),
        workload=SyntheticSettings(),
    )


def examined(paper: Paper) -> Diagnosis:
    return examine(paper, fleet_of(BOX, FAR), Still())


def of(found: Diagnosis, host: str, name: str) -> Check:
    checkup = next(one for one in found.checkups if one.host == host)
    return next(check for check in checkup.checks if check.name == name)


def test_links_are_tried_both_ways_and_measured_to_the_head() -> None:
    paper = Paper()
    found = examined(paper)
    assert found.count(Light.RED) == 0
    assert of(found, "box", "ports").seen == "3 tried of each range, all open: far"
    assert of(found, "far", "round trip").seen == "1.00 ms to box"
    assert "round trip" not in {check.name for check in found.checkups[0].checks}


def test_every_listener_is_closed_and_its_token_is_on_no_command_line() -> None:
    """Also where the rounds end early."""
    for paper in (Paper(), Paper(ears="{"), Paper(says="}")):
        examined(paper)
        assert all(ear.closed for ear in paper.opened)
        tokens = {json.loads(ear.heard[0])["token"] for ear in paper.opened}
        assert len(tokens) == 2
        assert not any(token in word for token in tokens for word in paper.argv)


@pytest.mark.parametrize(
    "answer",
    [
        *(None, "", "[]", "null", "[" * 50_000, '{"ports": 1}', '{"ports": ["x"], "taken": []}', '{"ports": [true]}'),
        '{"problem": "Permission \x1b[2Jdenied"}',
    ],
)
def test_a_host_that_cannot_listen_has_a_red_check(answer: str | None) -> None:
    found = examined(Paper(ears=answer))
    check = of(found, "far", "listening")
    assert check.light is Light.RED
    assert check.seen.isprintable()
    assert len(check.seen) < 300


@pytest.mark.parametrize(
    ("says", "status"),
    [
        ("", 0),
        ("nonsense", 0),
        ('{"target": "box", "open": [1]}', 0),
        ('{"target": "box", "open": [1], "closed": [[1]]}', 0),
        ('{"target": "box", "open": [1], "closed": [["x", "y"]]}', 0),
        ('{"target": "somebody", "open": [1], "closed": []}', 0),
        ('{"target": "box", "open": [1], "closed": []}', 1),
    ],
)
def test_a_host_that_cannot_call_has_a_red_check(says: str, status: int) -> None:
    found = examined(Paper(says=says, status=status))
    assert of(found, "far", "ports").light is Light.RED
    assert of(found, "box", "ports").light is Light.GREEN


def test_figures_that_are_none_are_not_shown() -> None:
    line = '{"target": "box", "open": [20000], "closed": [], "rtt": NaN, "up": Infinity, "down": "fast"}'
    found = examined(Paper(says=line))
    assert {"round trip", "bandwidth"}.isdisjoint(check.name for check in found.checkups[1].checks)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (HostKeyError("it has changed", hint="look"), "host key"),
        (LoginError("refused"), "login"),
        (ConnectError("down"), "reach"),
        (CommandError("no shell"), "answer"),
    ],
)
def test_a_host_that_cannot_be_used_is_red_and_the_others_are_examined(error: HostError, name: str) -> None:
    paper = Paper()
    paper.error = error
    found = examined(paper)
    assert [check.name for check in found.checkups[1].checks] == [name]
    assert of(found, "far", name).cure
    assert found.checkups[0].checks[0].light is Light.GREEN
    assert not paper.opened
