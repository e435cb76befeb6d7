"""What the operator has: hosts, devices, current settings, prices and limits. A Host is always complete."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fleet.model.bento import BentoSettings
from fleet.model.command import CommandSettings


class DeviceKind(StrEnum):
    """How an agent on the device proves."""

    CUDA = "cuda"
    CPU = "cpu"
    EMULATED = "emulated"


class Role(StrEnum):
    """The head runs the executor and the driver; a worker only proves."""

    HEAD = "head"
    WORKER = "worker"


class Per(StrEnum):
    """What a price is paid for."""

    ONCE = "once"
    HOUR = "hour"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """An amount of money in the inventory's one currency."""

    amount: float
    per: Per


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulation:
    """The declared truth of an emulated device, in seconds and bytes of emulated time.

    A prove task moves `traffic`·2^po2 bytes over its host's bus (which devices take in turns) and then holds the
    device for `overhead` + 2^po2 / `cycles_per_second`. A join holds the device for `join`.
    """

    cycles_per_second: float
    overhead: float = 0.0
    join: float = 0.0
    traffic: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One prover device of a host. `memory` in bytes, None = ask the device.

    `mps`: whether agents of a CUDA device go through NVIDIA's MPS and run side by side; None = as CUDA finds it there.
    """

    name: str
    kind: DeviceKind
    model: str
    memory: int | None = None
    emulation: Emulation | None = None
    mps: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How to reach a host by SSH. Paths are absolute after loading; `known_hosts` None = the user's own.

    `sudo`: what needs root goes through sudo there. `sudo_password_command`: words of a program on the controller that
    prints the password; None = sudo wants none, or the operator is asked. `key_passphrase_command`: likewise for the
    passphrase that locks the key.
    """

    address: str
    port: int = 22
    user: str | None = None
    key: str | None = None
    known_hosts: str | None = None
    connect_timeout: float = 10.0
    sudo: bool = False
    sudo_password_command: tuple[str, ...] | None = None
    key_passphrase_command: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ports, all inclusive, in which everything that fleet and Ray open on a host must lie."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of a host's playbooks, `vars.NAME`: a text, a list of texts, or where its secret is found.

    Exactly one of the others is not None. A secret is read on the controller when a playbook is applied, never before:
    from an environment variable, from a file (an absolute path after loading), or from what a program prints.
    """

    name: str
    text: str | None = None
    items: tuple[str, ...] | None = None
    from_env: str | None = None
    from_file: str | None = None
    from_command: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One machine. `candidate`: it is not in service yet and may be added. `bus` in bytes per second, shared.

    `drained`: it gets no new task until that is taken back. `cost`: what this very host costs, None = as `Prices` say.
    """

    name: str
    role: Role
    login: Login
    node_address: str
    devices: tuple[Device, ...]
    ports: Ports
    python: str
    work_dir: str
    group: str | None = None
    candidate: bool = False
    drained: bool = False
    cost: Price | None = None
    bus: float | None = None
    free_slots: int | None = None
    spare_power: float | None = None
    lab: bool = False
    variables: tuple[Variable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """How the fleet runs today: what the verdict is relative to. None = not stated."""

    po2: int | None = None
    agents_per_device: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What one more GPU in a box, one more worker and a whole second cluster cost. None = not stated."""

    currency: str = "USD"
    gpu: Price | None = None
    worker: Price | None = None
    replica: Price | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticSettings:
    """The synthetic guest's load: `iterations` as `bento_cli -c`, executor rate in cycles per second.

    `trace_po2`: the po2 of the small trace that an emulated device really proves. `columns`: trace width; a segment
    weighs 4 bytes for each column and cycle on its way to an agent. `effort`: how often a card does a task's work
    before it answers. One commitment is far less than a real proof: of 2^20 cycles it takes 3 s of one CPU core, a real
    prover 112 s of the twelve of an M2 Pro (risc0 3.0.5, a public measurement), hundreds of times the work. With an
    effort of 1 a card would wait for its executor only.
    """

    iterations: int = 4096
    executor_rate: float = 20e6
    columns: int = 8
    trace_po2: int = 8
    effort: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """A fleet. Names are unique and exactly one host is the head (checked at the door, in codec).

    `time_scale`: emulated seconds per real second; 1 unless every device is emulated. `bento`: the deployment that is
    measured, `command`: the program that is measured; both None = fleet's own synthetic guest on Ray.
    """

    name: str
    path: str
    hosts: tuple[Host, ...]
    current: Current
    prices: Prices
    workload: SyntheticSettings
    time_scale: float = 1.0
    po2_range: tuple[int, int] = (14, 24)
    bento: BentoSettings | None = None
    command: CommandSettings | None = None

    @property
    def head(self) -> Host:
        """The one head."""
        return next(host for host in self.hosts if host.role is Role.HEAD)

    @property
    def emulated(self) -> bool:
        """Whether any figure measured on this fleet is an emulated one."""
        return any(d.kind is DeviceKind.EMULATED for host in self.hosts for d in host.devices)

    def host(self, name: str) -> Host:
        """The host of that name; KeyError where there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)
