"""What the doctor sees of a host and between hosts, and what it says. None = not there, or the host did not tell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fleet.model.facts import ClockOffset, Facts, Failure
from fleet.model.inventory import Host


class Light(StrEnum):
    """Right; works, but worth a look; must be cured."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of a check-up: what was looked at, what was seen, and what to do about it (always, where red)."""

    name: str
    light: Light
    seen: str
    cure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """All checks of one host."""

    host: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The check-ups of an inventory's hosts, in its order."""

    inventory: str
    checkups: tuple[Checkup, ...]

    def count(self, light: Light) -> int:
        """How many checks have this light."""
        return sum(check.light is light for checkup in self.checkups for check in checkup.checks)


class Sudo(StrEnum):
    """What `sudo -n true` came to. LOCKED: it wants a password, or refuses the user."""

    ROOT = "root"
    FREE = "free"
    LOCKED = "locked"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU as nvidia-smi has it. `memory` in bytes; `ecc`: uncorrected errors since the driver was loaded.

    `throttle`: NVML's bits of clock event reasons. `link` and `link_max`: PCIe generation and lanes, now and at most
    (the generation drops while the GPU is idle, the lanes do not).
    """

    name: str
    driver: str
    memory: int | None = None
    ecc: int | None = None
    throttle: int | None = None
    link: tuple[int, int] | None = None
    link_max: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Docker:
    """The engine's version, the compose plugin's, and whether the engine has the NVIDIA runtime.

    `engine` None with a `problem`: the client is there, and this is what it complains about.
    """

    engine: str | None
    compose: str | None
    nvidia: bool
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What the doctor asks beyond the survey's facts. Sizes in bytes. `gpu_problem`: nvidia-smi's complaint."""

    sudo: Sudo
    memory_available: int | None = None
    shared_memory: int | None = None
    gpus: tuple[Gpu, ...] = ()
    gpu_problem: str | None = None
    docker: Docker | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A host's side of the link test: ports of its range that were listened on, and those that something else holds.

    `own`: the node address is one of the host's. `problem`: why nothing could be tried.
    """

    ports: tuple[int, ...] = ()
    taken: tuple[int, ...] = ()
    own: bool = True
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """From one host to another: which of its ports answered as it, which did not and why.

    `rtt` in seconds; `up` and `down` (towards `source`) in bytes per second; None = not measured.
    """

    source: str
    target: str
    open: tuple[int, ...] = ()
    closed: tuple[tuple[int, str], ...] = ()
    rtt: float | None = None
    up: float | None = None
    down: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One host with all that was seen of it. With a `failure` (its stage names the check) there is nothing else.

    `reached`: where its SSH server is, as ssh_config has it. `sudo_failure`: why what needs root cannot be run, though
    the inventory says that sudo lets us.
    """

    host: Host
    failure: Failure | None = None
    reached: str = ""
    facts: Facts | None = None
    offset: ClockOffset | None = None
    vitals: Vitals | None = None
    listening: Listening | None = None
    paths: tuple[Path, ...] = ()
    path_problem: str | None = None
    sudo_failure: Failure | None = None
