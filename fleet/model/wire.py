"""What controller and hosts say to each other, one JSON object a line over SSH.

A node (`python -m fleet.remote.cluster.node`) reads one `NodeConfig` line, then `Mark` lines and empty ones as a
heartbeat; a `Goodbye`, end of file or a silent minute ends it. It writes one `NodeReady` or `RemoteError`, later
`RemoteError` lines where something dies. A driver (`python -m fleet.remote.cluster.driver`, on the head) reads one
`DriverConfig` line, then `TrialRequest` lines and empty ones, and ends likewise; it writes `DriverReady`, and for each
request `Progress` lines and one `Result`. Where a command is measured, a hand (`python -m fleet.remote.hand`) on every
host reads one `HandConfig` and then, besides marks and heartbeats, `Execute` and `StopRuns`; it writes `NodeReady`,
and one `Executed` for each run.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.model.command import CommandSettings
from fleet.model.inventory import Device, Host, Ports, SyntheticSettings
from fleet.model.record import Observation, Outcome
from fleet.model.samples import AgentSample, CardState, DeviceSample, HostSample, Lack
from fleet.model.trial import AgentSpec, Trial

HEARTBEAT_SECONDS = 5.0
SILENCE_SECONDS = 60.0
OBJECT_STORE = 200 * 2**20
"""Bytes of shared memory for segments on their way, where no card proves whole traces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """One Ray node with its sampler. `head` is the head's node address, equal to `address` on the head itself.

    `token` is Ray's authentication token; `gcs_port` lies in the head's port range. `spool`: the file that the
    sampler appends to (its format: `fleet.remote.sampling.columns`); `interval` in seconds between samples; `bus` as in
    `Host`. `object_store`: bytes of shared memory for segments on their way. `whose`: who runs it, for people.
    """

    run: str
    host: str
    address: str
    head: str
    gcs_port: int
    ports: Ports
    token: str
    work_dir: str
    devices: tuple[Device, ...]
    spool: str
    interval: float = 1.0
    spool_limit: int = 64 * 2**20
    bus: float | None = None
    object_store: int = OBJECT_STORE
    whose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandConfig:
    """What a host that runs a command needs: its node's configuration, of which nothing about Ray is used."""

    node: NodeConfig
    command: CommandSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Execute:
    """Have an agent run the command once, at the knobs' `position`; `item`: which run it is, `agents`: of how many."""

    run: str
    agent: AgentSpec
    position: int
    item: int
    agents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRuns:
    """End every run that goes on here, now; none of them is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """A run of the command has ended: `seconds` it took there, the figure it told (None: none was asked for).

    `outcome` is OK, OUT_OF_MEMORY, FAILED or TIMEOUT, `cause` why it is not OK; `log` the end of what it printed.
    """

    run: str
    agent: AgentSpec
    seconds: float
    outcome: Outcome
    value: float | None = None
    cause: str | None = None
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReady:
    """The node has joined the cluster; `ray` is empty where none is needed."""

    host: str
    pid: int
    python: str
    ray: str
    fleet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteError:
    """Something on a host went wrong; `fatal`: the sender is about to end."""

    host: str
    message: str
    hint: str | None = None
    fatal: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverConfig:
    """What the driver on the head needs to join the cluster and to place agents. `hosts`: those whose nodes are up."""

    run: str
    head: str
    gcs_port: int
    token: str
    work_dir: str
    hosts: tuple[Host, ...]
    time_scale: float
    workload: SyntheticSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverReady:
    """The driver is connected; `nodes` are the node addresses that Ray knows."""

    pid: int
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRequest:
    """Run this trial; give up after `timeout` real seconds."""

    trial: Trial
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodbye:
    """Clean up and end; the end of stdout says that it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`done` of `total` tasks are done. It comes every few seconds even where nothing changes: a sign of life."""

    trial: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The trial's end. Its telemetry is still empty: the controller fetches the spools and adds it."""

    observation: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedTicks:
    """A line of the spool: up to this time (as a sample's) `count` samples were not taken, the host was too busy."""

    host: str
    time: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """To a node: look at the GPUs as a whole now, write down what waits, and then `Marked` into the spool."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A line of the spool: what was sampled until the mark of that name stands before it, the GPUs' states too."""

    host: str
    time: float
    name: str


ToNode = NodeConfig | Goodbye | Mark
ToDriver = DriverConfig | TrialRequest | Goodbye
ToHand = HandConfig | Execute | StopRuns | Goodbye | Mark
ToController = NodeReady | DriverReady | RemoteError | Progress | Result | Executed
Spooled = HostSample | DeviceSample | AgentSample | MissedTicks | CardState | Lack | Marked
