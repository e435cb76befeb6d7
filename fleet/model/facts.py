"""What the survey found: facts by host, clock offsets, and the hosts that failed as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One host as it was found. None = the host did not tell. Sizes in bytes."""

    host: str
    system: str
    kernel: str
    cpu_model: str | None
    cores: int
    memory: int
    disk_free: int | None
    python: str | None
    ray: str | None
    fleet: str | None
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOffset:
    """Host clock minus controller clock, and half the round trip as its error bound, in seconds."""

    host: str
    offset: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A host that could not be used: at which stage, why, and what would cure it."""

    host: str
    stage: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is known of the fleet; a host is in `facts` or in `failures`, never in both."""

    facts: tuple[Facts, ...]
    offsets: tuple[ClockOffset, ...] = ()
    failures: tuple[Failure, ...] = ()
