"""The survey: facts and clocks of all hosts, and the failing ones as values that stop nobody."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from fleet.errors import ConnectError, LoginError
from fleet.model.event import Event, HostFailed
from fleet.model.facts import ClockOffset, Failure
from fleet.model.inventory import Current, Host, Inventory, Login, Ports, Prices, Role, SyntheticSettings
from fleet.model.playbook import Command, Completed
from fleet.provision.offset import measure_offset
from fleet.provision.survey import survey

BOX = Host(
    name="box",
    role=Role.HEAD,
    login=Login(address="192.0.2.1"),
    node_address="192.0.2.1",
    devices=(),
    ports=Ports(first=20000, last=20299),
    python="python3",
    work_dir=".fleet",
)
FAR = replace(BOX, name="far-1", role=Role.WORKER)
PYTHON = '{"python": "3.11.7", "found": {"ray": "2.60.0"}}'
SAID = {"cores": "2", "memory": "1024 KiB", "python": PYTHON}


class Ticking:
    """A clock that only sleeping, and the hosts below, move on."""

    def __init__(self) -> None:
        self.time = 1.7e9

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class Telling:
    """A channel to a shell that tells a time `ahead` of ours; each answer takes the next of `trips`."""

    complaints = ""

    def __init__(self, clock: Ticking, ahead: float, trips: Sequence[float], noise: Sequence[str | None] = ()) -> None:
        self._clock = clock
        self._ahead = ahead
        self._trips = list(trips)
        self._noise = list(noise)
        self._nonce = ""
        self._asked = False
        self.closed = False

    def send(self, line: str) -> None:
        self._nonce = re.findall(r'echo "([0-9a-f]+) ', line)[0] if not self._nonce else self._nonce

    def receive(self, timeout: float) -> str | None:
        assert timeout > 0
        if self._noise:
            return self._noise.pop(0)
        trip = self._trips.pop(0)
        self._clock.time += trip / 2
        told = self._clock.time + self._ahead
        self._clock.time += trip / 2
        return f"{self._nonce} {told:.9f}"

    def close(self) -> None:
        self.closed = True


class Hosts:
    """A transport to hosts that answer the survey from `said` by label."""

    def __init__(self, clock: Ticking, said: Callable[[Host], dict[str, str]]) -> None:
        self._clock = clock
        self._said = said

    def run(self, host: Host, command: Command) -> Completed:
        said = self._said(host)
        found = re.search(r"=fleet-[0-9a-f]+", command.stdin.decode())
        assert found
        frames = (f"\n{found[0]}:{label}:\n{text}\n{found[0]}:{label}:0\n" for label, text in said.items())
        return Completed(exit_status=0, stdout=b"Hello!" + "".join(frames).encode(), stderr=b"")

    def open(self, host: Host, argv: Sequence[str]) -> Telling:
        assert (host.name, argv[0]) in (("box", "/bin/sh"), ("far-1", "/bin/sh"))
        return Telling(self._clock, 2.5, [0.01] * 4)

    def put(self, host: Host, path: str, data: bytes, mode: int) -> None:
        raise AssertionError(f"{host.name} {path} {mode} {len(data)}")

    def get(self, host: Host, path: str, offset: int, limit: int) -> bytes:
        raise AssertionError(f"{host.name} {path} {offset} {limit}")

    def close(self) -> None:
        raise AssertionError("it is not ours to close")


def inventory(*hosts: Host) -> Inventory:
    return Inventory(
        name="test",
        path="test.yaml",
        hosts=hosts,
        current=Current(),
        prices=Prices(),
        workload=SyntheticSettings(),
    )


def test_every_host_gives_its_facts_and_its_clock() -> None:
    clock = Ticking()
    found = survey(Hosts(clock, lambda _: SAID), inventory(BOX, FAR), lambda _: None, clock)
    assert [(facts.host, facts.cores, facts.ray, facts.fleet) for facts in found.facts] == [
        ("box", 2, "2.60.0", None),
        ("far-1", 2, "2.60.0", None),
    ]
    assert [offset.host for offset in found.offsets] == ["box", "far-1"]
    assert found.failures == ()


def test_a_failing_host_is_a_failure_and_an_event_and_stops_nobody() -> None:
    def said(host: Host) -> dict[str, str]:
        if host.name == "box":
            raise LoginError("it refused the key", host="box", hint="add the key")
        return SAID

    told: list[Event] = []
    clock = Ticking()
    found = survey(Hosts(clock, said), inventory(BOX, FAR), told.append, clock)
    failure = Failure(host="box", stage="survey", message="it refused the key", hint="add the key")
    assert found.failures == (failure,)
    assert told == [HostFailed(failure=failure)]
    assert [facts.host for facts in found.facts] == ["far-1"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({**SAID, "python": "sh: python3: not found"}, "its Python does not run: python3"),
        (
            {**SAID, "python": '{"python": "3.9.2", "found": {}}'},
            "its Python is too old: python3 is 3.9.2, expected 3.11 or newer",
        ),
        ({"cores": "2"}, "it does not say how much there is of memory: no answer"),
        ({}, "its /bin/sh answered nothing that can be read"),
    ],
)
def test_a_host_that_cannot_be_used_says_why_and_what_cures_it(said: dict[str, str], message: str) -> None:
    clock = Ticking()
    (failure,) = survey(Hosts(clock, lambda _: said), inventory(BOX), lambda _: None, clock).failures
    assert (failure.host, failure.stage, failure.message) == ("box", "survey", message)
    assert "Python" not in message or "install Python 3.11 or newer there" in (failure.hint or "")


class One(Hosts):
    """Hosts whose every channel is the same prepared one."""

    def __init__(self, channel: Telling) -> None:
        super().__init__(Ticking(), lambda _: SAID)
        self._channel = channel

    def open(self, host: Host, argv: Sequence[str]) -> Telling:
        assert (host, argv) == (BOX, ("/bin/sh", "-s"))
        return self._channel


def test_the_quickest_round_trip_gives_the_offset_and_its_error() -> None:
    clock = Ticking()
    channel = Telling(clock, -3.25, [0.8, 0.1, 0.02, 0.3])
    found = measure_offset(One(channel), BOX, clock)
    assert isinstance(found, ClockOffset)
    assert found.offset == pytest.approx(-3.25)
    assert found.error == pytest.approx(0.01)
    assert channel.closed


def test_noise_before_the_answer_is_skipped() -> None:
    clock = Ticking()
    noise = ["Welcome!", "", "1795400200.5", "deadbeef 1795400200.5"]
    found = measure_offset(One(Telling(clock, 1.0, [0.1] * 4, noise)), BOX, clock)
    assert found
    assert found.offset == pytest.approx(1.0)


def test_a_host_that_tells_no_time_has_no_offset_and_is_not_lost() -> None:
    clock = Ticking()
    assert measure_offset(One(Telling(clock, 0.0, [], [None] * 4)), BOX, clock) is None
    assert measure_offset(One(Telling(clock, 0.0, [], ["noise"] * 9999)), BOX, clock) is None


def test_a_link_that_breaks_is_passed_on_and_the_channel_closed() -> None:
    class Breaking(Telling):
        def receive(self, timeout: float) -> str | None:
            raise ConnectError(f"lost within {timeout}", host="box")

    channel = Breaking(Ticking(), 0.0, [])
    with pytest.raises(ConnectError, match="lost"):
        measure_offset(One(channel), BOX, Ticking())
    assert channel.closed
