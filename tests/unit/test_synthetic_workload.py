"""The controller's side of the synthetic workload, against hosts that are played."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from cluster_values import card, host, inventory, trial

from fleet.codec.text import dump_line, load_line
from fleet.errors import CommandError, ConfigurationError, ConnectError, MeasureError
from fleet.model.event import Event, HostFailed, Note
from fleet.model.inventory import Host, Ports
from fleet.model.playbook import Command, Completed
from fleet.model.record import Observation, Outcome
from fleet.model.samples import CardState, HostSample, Lack
from fleet.model.wire import (
    DriverConfig,
    DriverReady,
    Goodbye,
    MissedTicks,
    NodeConfig,
    NodeReady,
    Progress,
    RemoteError,
    Result,
    ToController,
    ToDriver,
    ToNode,
    TrialRequest,
)
from fleet.remote.sampling.columns import lines_block, own_schema, rows_block, schema_block
from fleet.workload import telemetry
from fleet.workload.synthetic import SyntheticWorkload

END = None
Answer = ToController | str | None
Role = Callable[[object], Iterator[Answer]]
"""What a program answers to each value that it is sent: values, raw text, or its end."""


@dataclass
class PlayedChannel:
    """A program that is played by a role."""

    where: str
    role: Role
    type_: object
    said: list[Any] = field(default_factory=list)
    closed: bool = False
    complaints: str = ""

    def __post_init__(self) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def send(self, line: str) -> None:
        if self.closed:
            raise ConnectError("the program on it has ended", host=self.where)
        if line:
            value: object = load_line(self.type_, line)  # type: ignore[arg-type]  # a union
            self.said.append(value)
            for answer in self.role(value):
                self.play(answer)

    def play(self, answer: Answer) -> None:
        self._lines.put(answer if answer is None or isinstance(answer, str) else dump_line(answer))

    def receive(self, timeout: float) -> str | None:
        try:
            return self._lines.get(timeout=min(timeout, 20.0))
        except queue.Empty:
            raise CommandError("nothing came", host=self.where) from None

    def close(self) -> None:
        self.closed = True
        self._lines.put(None)


@dataclass
class PlayedTransport:
    """Hosts that are played: a role for each node, by name, and one for each driver that is started, in turn."""

    nodes: dict[str, Role]
    drivers: list[Role]
    spools: dict[str, bytes] = field(default_factory=dict)
    channels: list[PlayedChannel] = field(default_factory=list)

    def open(self, host: Host, argv: Sequence[str]) -> PlayedChannel:
        module = argv[-1]
        if module == "fleet.remote.cluster.node":
            channel = PlayedChannel(host.name, self.nodes[host.name], ToNode)
        else:
            channel = PlayedChannel("driver", self.drivers.pop(0), ToDriver)
        self.channels.append(channel)
        return channel

    def get(self, host: Host, path: str, offset: int, limit: int) -> bytes:
        if host.name not in self.spools:
            raise CommandError(f"cannot read {path}: there is no such file", host=host.name)
        return self.spools[host.name][offset : offset + limit]

    def run(self, host: Host, command: Command) -> Completed:
        raise AssertionError(f"the workload runs no commands: {command} on {host.name}")

    def put(self, host: Host, path: str, data: bytes, mode: int) -> None:
        raise AssertionError(f"the workload writes no files: {path} on {host.name}, {len(data)} bytes, mode {mode:o}")

    def close(self) -> None:
        """Nothing is open."""

    def channel(self, where: str) -> PlayedChannel:
        return next(each for each in reversed(self.channels) if each.where == where)


HOSTS = (host("box", 0, [card("gpu0")]), host("far", 1, [card("gpu0")]))
INVENTORY = inventory(HOSTS)


def good_node(value: object) -> Iterator[Answer]:
    match value:
        case NodeConfig():
            yield NodeReady(host=value.host, pid=1, python="3.11.7", ray="2.60.0", fleet="0.1.0")
        case Goodbye():
            yield END


def failing_node(value: object) -> Iterator[Answer]:
    match value:
        case NodeConfig():
            yield RemoteError(host=value.host, message="port 26060 is in use on this host", hint="choose others")
            yield END
        case Goodbye():
            yield END


def observed(request: TrialRequest, outcome: Outcome = Outcome.TIMEOUT) -> Observation:
    return Observation(trial=request.trial, outcome=outcome, started=1000.0, elapsed=4.0, emulated=True, cause="c")


def driver(*results: Answer) -> Role:
    """A driver that answers the trials with these, one by one."""
    left = list(results)

    def role(value: object) -> Iterator[Answer]:
        match value:
            case DriverConfig():
                yield DriverReady(pid=2, nodes=tuple(host.node_address for host in HOSTS))
            case TrialRequest():
                yield Progress(trial=value.trial.id, done=1, total=9)
                yield left.pop(0) if left else Result(observation=observed(value, Outcome.OUT_OF_MEMORY))
            case Goodbye():
                yield END

    return role


def workload(
    transport: PlayedTransport, events: list[Event] | None = None, hosts: Sequence[Host] = HOSTS
) -> SyntheticWorkload:
    observe = (events if events is not None else []).append
    return SyntheticWorkload(
        transport, INVENTORY, hosts, run="r1", observer=observe, offsets={"far": 100.0}, interval=1.0
    )


def nothing(_done: int, _total: int) -> None:
    """Progress that nobody follows."""


def test_a_cluster_comes_up_runs_trials_and_is_taken_down() -> None:
    """Nodes get one token and the head's address, the driver the hosts that are up; all are told goodbye."""
    transport = PlayedTransport({"box": good_node, "far": good_node}, [driver()])
    progress: list[tuple[int, int]] = []
    with workload(transport) as cluster:
        assert cluster.alive() == {"box", "far"}
        seen = cluster.run(trial("box/gpu0"), lambda done, total: progress.append((done, total)))
    assert (seen.outcome, progress) == (Outcome.OUT_OF_MEMORY, [(1, 9)])
    configs = [transport.channel(name).said[0] for name in ("box", "far")]
    assert all(isinstance(each, NodeConfig) for each in configs)
    assert {(each.token, each.head, each.gcs_port) for each in configs} == {(configs[0].token, "127.0.0.61", 26000)}
    joined = transport.channel("driver").said[0]
    assert isinstance(joined, DriverConfig)
    assert (joined.token, joined.hosts) == (configs[0].token, HOSTS)
    assert all(isinstance(each.said[-1], Goodbye) and each.closed for each in transport.channels)


def test_every_run_has_a_token_of_its_own() -> None:
    tokens = set()
    for _ in range(2):
        transport = PlayedTransport({"box": good_node, "far": good_node}, [driver()])
        with workload(transport):
            tokens.add(transport.channel("box").said[0].token)
    assert len(tokens) == 2
    assert all(len(token) == 64 for token in tokens)


def test_a_worker_that_does_not_come_up_is_reported_and_left_out() -> None:
    """The others go on, and a trial that asks for it is told at once why it cannot be."""
    events: list[Event] = []
    transport = PlayedTransport({"box": good_node, "far": failing_node}, [driver()])
    with workload(transport, events) as cluster:
        assert cluster.alive() == {"box"}
        seen = cluster.run(trial("box/gpu0", "far/gpu0"), nothing)
        assert cluster.run(trial("box/gpu0"), nothing).outcome is Outcome.OUT_OF_MEMORY
    (failed,) = [each for each in events if isinstance(each, HostFailed)]
    assert (failed.failure.host, failed.failure.stage) == ("far", "cluster")
    assert failed.failure.message == "port 26060 is in use on this host"
    assert (seen.outcome, seen.lost, seen.cause) == (Outcome.HOST_LOST, ("far",), "far is not there any more")


def test_without_the_head_there_is_no_cluster() -> None:
    """What the head said is what the operator reads, and nothing is left running."""
    transport = PlayedTransport({"box": failing_node, "far": good_node}, [driver()])
    with (
        pytest.raises(MeasureError, match="box: the head is lost: port 26060 is in use on this host"),
        workload(transport),
    ):
        pass
    assert all(each.closed for each in transport.channels)


def test_a_driver_that_cannot_join_is_the_end() -> None:
    def refused(value: object) -> Iterator[Answer]:
        if isinstance(value, DriverConfig):
            yield RemoteError(host="box", message="the driver failed: ConnectionError: no Ray here")
        yield END

    transport = PlayedTransport({"box": good_node, "far": good_node}, [refused])
    with pytest.raises(MeasureError, match="does not join the cluster: the driver failed"), workload(transport):
        pass
    assert all(each.closed for each in transport.channels)


def test_a_node_that_ray_does_not_know_is_left_out() -> None:
    """A node may believe that it is up, and be cut off from the head."""

    def half(value: object) -> Iterator[Answer]:
        if isinstance(value, DriverConfig):
            yield DriverReady(pid=2, nodes=("127.0.0.61",))
        if isinstance(value, Goodbye):
            yield END

    events: list[Event] = []
    with workload(PlayedTransport({"box": good_node, "far": good_node}, [half]), events) as cluster:
        assert cluster.alive() == {"box"}
    assert [each.failure.message for each in events if isinstance(each, HostFailed)] == [
        "Ray knows no node at 127.0.0.62"
    ]


def test_a_host_lost_in_a_trial_is_left_out_of_the_next() -> None:
    events: list[Event] = []
    lost = Observation(
        trial=trial("far/gpu0"), outcome=Outcome.HOST_LOST, started=1000.0, elapsed=1.0, emulated=True, lost=("far",)
    )
    transport = PlayedTransport({"box": good_node, "far": good_node}, [driver(Result(observation=lost))])
    with workload(transport, events) as cluster:
        assert cluster.run(trial("far/gpu0"), nothing).outcome is Outcome.HOST_LOST
        assert cluster.alive() == {"box"}
        assert cluster.run(trial("far/gpu0"), nothing).lost == ("far",)
        assert cluster.run(trial("box/gpu0"), nothing).outcome is Outcome.OUT_OF_MEMORY
    assert [each.failure.host for each in events if isinstance(each, HostFailed)] == ["far"]


def test_a_trial_that_failed_while_its_host_fell_has_failed_because_of_that() -> None:
    """The driver may see only that an agent died; the node's own end says more."""
    transport = PlayedTransport({"box": good_node, "far": good_node}, [])

    def late(value: object) -> Iterator[Answer]:
        if isinstance(value, DriverConfig):
            yield DriverReady(pid=2, nodes=tuple(host.node_address for host in HOSTS))
        if isinstance(value, TrialRequest):
            transport.channel("far").play(RemoteError(host="far", message="Ray's raylet has ended (status -9)"))
            transport.channel("far").play(END)
            while "far" in cluster.alive():
                continue
            yield Result(observation=observed(value, Outcome.FAILED))
        if isinstance(value, Goodbye):
            yield END

    transport.drivers.append(late)
    cluster = workload(transport)
    with cluster:
        seen = cluster.run(trial("box/gpu0", "far/gpu0"), nothing)
    assert (seen.outcome, seen.lost, seen.cause) == (Outcome.HOST_LOST, ("far",), "far was lost (c)")


def test_a_driver_that_dies_is_replaced_once() -> None:
    """The trial that it died in has failed; the next runs on a new driver; a second death ends the measuring."""
    events: list[Event] = []
    transport = PlayedTransport({"box": good_node, "far": good_node}, [driver(END), driver(END)])
    with workload(transport, events) as cluster:
        first = cluster.run(trial("box/gpu0"), nothing)
        second = cluster.run(trial("box/gpu0"), nothing)
        with pytest.raises(MeasureError, match="the driver has died twice"):
            cluster.run(trial("box/gpu0"), nothing)
    assert [(each.outcome, each.cause) for each in (first, second)] == [(Outcome.FAILED, "the driver has ended")] * 2
    notes = [each.text for each in events if isinstance(each, Note)]
    assert notes[0] == "no telemetry from box: cannot read /nowhere/box/spool/r1.spool: there is no such file"


def test_nonsense_from_the_driver_is_its_end() -> None:
    """A host is not trusted: what cannot be read ends the trial, not the run."""
    transport = PlayedTransport({"box": good_node, "far": good_node}, [driver('{"kind": "result"}'), driver()])
    with workload(transport) as cluster:
        seen = cluster.run(trial("box/gpu0"), nothing)
        assert seen.outcome is Outcome.FAILED
        assert seen.cause is not None
        assert seen.cause.startswith("the driver is lost: its answer cannot be read")
        assert cluster.run(trial("box/gpu0"), nothing).outcome is Outcome.OUT_OF_MEMORY


def test_telemetry_is_fetched_once_and_brought_to_our_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose clock is 100 s ahead sampled at 1102 what happened at 1002; what was read is not read again."""
    monkeypatch.setattr(telemetry, "MARK_SECONDS", 0.0)
    schema = own_schema()
    card = CardState(host="far", device="gpu0", time=1090.0, pcie_width_max=16)
    spool = (
        schema_block(schema),
        lines_block(
            [dump_line(card), dump_line(Lack(host="far", device="gpu0", field="power", reason="r", time=1090.0))]
        ),
        rows_block(schema, [HostSample(host="far", time=1102.0, cpu_busy=0.5)]),
        lines_block([dump_line(MissedTicks(host="far", time=1103.0, count=2))]),
        rows_block(schema, [HostSample(host="far", time=1104.0, cpu_busy=0.25)]),
        rows_block(schema, [HostSample(host="far", time=1200.0, cpu_busy=1.0)]),
        lines_block([dump_line(replace(card, time=1104.5, mig=True)), "this is no sample"]),
        lines_block([dump_line(replace(card, time=1105.0, lost=True))]),
        rows_block(schema, [HostSample(host="far", time=1104.0)])[:-3],
    )
    spools = {"far": b"".join(spool), "box": b""}
    transport = PlayedTransport({"box": good_node, "far": good_node}, [driver()], spools)
    with workload(transport) as cluster:
        first = cluster.run(trial("box/gpu0"), nothing).telemetry
        second = cluster.run(trial("box/gpu0"), nothing).telemetry
    assert first.samples == (
        HostSample(host="far", time=1002.0, cpu_busy=0.5),
        HostSample(host="far", time=1004.0, cpu_busy=0.25),
    )
    assert first.missed == 3
    assert first.before == (replace(card, time=990.0),)
    assert first.after == (replace(card, time=1004.5, mig=True),)
    assert [each.field for each in first.lacks] == ["power"]
    assert (second.samples, second.after, second.lacks) == ((), first.after, first.lacks)


def test_the_trials_start_is_on_our_clock_too() -> None:
    """The driver runs on the head, whose clock may be off."""
    transport = PlayedTransport({"box": good_node, "far": good_node}, [driver()])
    cluster = SyntheticWorkload(
        transport, INVENTORY, HOSTS, run="r1", observer=lambda _event: None, offsets={"box": -30.0}, interval=1.0
    )
    with cluster:
        assert cluster.run(trial("box/gpu0"), nothing).started == 1030.0


def test_hosts_that_cannot_be_a_cluster_are_refused_before_anything_is_started() -> None:
    transport = PlayedTransport({}, [])
    with pytest.raises(MeasureError, match="no cluster without it"):
        workload(transport, hosts=HOSTS[1:])
    narrow = Host(**{**{name: getattr(HOSTS[0], name) for name in Host.__slots__}, "ports": Ports(first=1, last=9)})
    with pytest.raises(ConfigurationError, match="ports 1 to 9 are 9, at least 15 are needed"):
        workload(transport, hosts=(narrow,))
    assert transport.channels == []
