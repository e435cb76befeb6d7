"""What it meant: estimates with intervals, options with gains and costs, the verdict, and what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fleet.model.inventory import Price
from fleet.model.trial import Experiment, Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval, from `n` admissible trials (0 = predicted, not measured)."""

    value: float
    low: float
    high: float
    n: int
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Effective Hz of a layout: total cycles over total time of its admissible trials under one kind of load."""

    layout: Layout
    experiments: tuple[Experiment, ...]
    jobs: int
    iterations: int
    hz: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """A layout against a smaller one that differs in the number of devices only.

    `ideal`: the speed-up that the job's task graph allows when no service time changes. `karp_flatt`: None when
    undefined. `efficiency` = speed-up ÷ ideal.
    """

    base: Layout
    layout: Layout
    devices: int
    speedup: Estimate
    ideal: float
    efficiency: float
    karp_flatt: float | None
    inflation: float | None


class Choice(StrEnum):
    """The answers fleet gives."""

    TUNE = "tune"
    ADD_GPU = "add_gpu"
    ADD_REMOTE_WORKER = "add_remote_worker"
    REPLICATE = "replicate"
    HOLD = "hold"
    INCONCLUSIVE = "inconclusive"


class Evidence(StrEnum):
    """How much an option's gain is worth."""

    MEASURED = "measured"
    PREDICTED = "predicted"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One thing that could be done next, judged: `gain` is the relative gain in Hz (0.61 = +61 %), None = unknown.

    `blocked` says why it cannot be done (no slot, no worker), None = it can. `best`: P(it is the best option).
    """

    choice: Choice
    label: str
    evidence: Evidence
    gain: Estimate | None
    cost: Price | None
    best: float
    layout: Layout | None = None
    blocked: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why: a stable code, a sentence, and the figures behind it."""

    code: str
    text: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bottleneck:
    """What binds now: `bus`, `device`, `dispatch`, `task_graph`, `executor`, `unknown`; and how it is known."""

    code: str
    text: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The one decision. `needs`: what to run or state to be surer, in the operator's words."""

    choice: Choice
    label: str
    confidence: float
    gain: Estimate | None
    cost: Price | None
    bottleneck: Bottleneck
    reasons: tuple[Reason, ...]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An observation that failed the gate: it is shown and never becomes a number."""

    trial: str
    label: str
    code: str
    seen: str
    cure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Where the agents' time went, shares that add up to 1: busy, waiting for dispatch, waiting for the task graph."""

    layout: Layout
    busy: float
    dispatch: float
    graph: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """All that is known after a run."""

    verdict: Verdict
    options: tuple[Option, ...]
    throughputs: tuple[Throughput, ...]
    scalings: tuple[Scaling, ...]
    shares: tuple[Share, ...]
    ceilings: tuple[tuple[str, int], ...]
    refused: tuple[Refusal, ...]
    caveats: tuple[str, ...]
    not_measured: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An analysis with what a reader needs to place it: the same value behind every rendering.

    `current` is the layout in service, which gains are relative to; `seconds` were spent in trials (real seconds).
    """

    run: str
    created: float
    version: str
    inventory: str
    emulated: bool
    time_scale: float
    currency: str
    hosts: tuple[str, ...]
    failures: tuple[str, ...]
    trials: int
    seed: int
    seconds: float
    analysis: Analysis
    current: Layout | None = None
