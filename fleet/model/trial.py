"""What is to be measured: agents, a layout of them, a load, a trial; and what bounds the measuring."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from fleet.units import format_setting


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AgentSpec:
    """One agent: the `slot`-th on a device of a host."""

    host: str
    device: str
    slot: int = 0

    @property
    def name(self) -> str:
        """`box/gpu0#1`."""
        return f"{self.host}/{self.device}#{self.slot}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which agents prove, at which segment size (2^`po2` cycles). Agents are sorted and unique."""

    agents: tuple[AgentSpec, ...]
    po2: int

    @property
    def devices(self) -> tuple[tuple[str, str], ...]:
        """The (host, device) pairs in use, sorted."""
        return tuple(sorted({(a.host, a.device) for a in self.agents}))

    @property
    def agents_per_device(self) -> int:
        """The largest number of agents on one device."""
        return max(a.slot for a in self.agents) + 1

    @property
    def where(self) -> str:
        """`box×2 + far×1`: devices by host."""
        hosts: dict[str, int] = {}
        for host, _ in self.devices:
            hosts[host] = hosts.get(host, 0) + 1
        return " + ".join(f"{host}×{count}" for host, count in hosts.items())

    @property
    def label(self) -> str:
        """`box×2 + far×1, 1 agent each, po2 20`: devices by host, agents a device, segment size."""
        each = "1 agent each" if self.agents_per_device == 1 else f"{self.agents_per_device} agents each"
        return f"{self.where}, {each}, {format_setting(self.po2)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`jobs` jobs of `iterations` iterations of the synthetic guest, submitted together."""

    iterations: int
    jobs: int = 1


class Goal(StrEnum):
    """Which of the two measures the verdict is about: the time of one job, or what several at once get done."""

    LATENCY = "latency"
    CAPACITY = "capacity"


JOBS_AT_ONCE = 3
"""The fewest jobs that keep every agent busy between them (decision.md: three or more)."""


class Experiment(StrEnum):
    """Why a trial is run. A warm-up compiles and connects; what it measures counts for nothing.

    The last three come when the decision stands: SOAK runs the settings at the edge of memory for longer, CAUSE changes
    one thing to find out what an inflation comes from, MEASURES asks what the layouts that matter give by the other
    measure.
    """

    WARMUP = "warm-up"
    CEILING = "ceiling"
    BASELINE = "baseline"
    PACKING = "packing"
    GPUS = "gpus"
    REMOTE = "remote"
    CONFIRM = "confirm"
    SOAK = "soak"
    CAUSE = "cause"
    MEASURES = "measures"


AFTERWARDS = frozenset({Experiment.SOAK, Experiment.CAUSE, Experiment.MEASURES})
DECIDING = tuple(each for each in Experiment if each not in AFTERWARDS)
"""The experiments that the verdict hangs on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One layout under one load, once. Its content is its identity: `id` is stable over processes and resumes."""

    experiment: Experiment
    layout: Layout
    load: Load
    repeat: int
    seed: int

    @property
    def id(self) -> str:
        """12 hex digits of SHA-256 over the content."""
        agents = ",".join(agent.name for agent in self.layout.agents)
        text = (
            f"{self.experiment}|{agents}|{self.layout.po2}|{self.load.iterations}|{self.load.jobs}"
            f"|{self.repeat}|{self.seed}"
        )
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What measuring may cost: trials, seconds of real time, money for rented hosts (None: any). The first ends it."""

    trials: int = 32
    seconds: float = 1800.0
    repeats: int = 3
    money: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be measured on which hosts: the input of every `propose`.

    `hosts` are the usable ones, by name. `current` is the layout in service, which the verdict is relative to;
    `assumed` names what the inventory left open (`po2`, `agents_per_device`, `gpu price`, …). `load` is that of the
    measure that `goal` names.
    """

    run: str
    current: Layout
    load: Load
    budget: Budget
    seed: int
    hosts: tuple[str, ...]
    experiments: tuple[Experiment, ...] = DECIDING
    assumed: tuple[str, ...] = ()
    goal: Goal = Goal.LATENCY
