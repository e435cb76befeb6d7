"""What it meant: throughput and scaling, options with gains and costs, the verdict, and what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fleet.model.anatomy import Decomposition, Efficiency, Inflation, Share
from fleet.model.estimate import Estimate
from fleet.model.inventory import Price
from fleet.model.trial import Experiment, Goal, Layout


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
    """What binds now, and how it is known.

    `executor`, `coordinator`, a cause of an inflation (`bus`, `cpu`, `power`, `dram`, `time_slicing`, `box`),
    `dispatch`, `task_graph`, `device`, `unknown`.
    """

    code: str
    text: str
    evidence: tuple[str, ...] = ()


SURE = 0.95
"""The probability from which an answer is claimed to be right."""


class Claim(StrEnum):
    """How much a verdict claims: a 95 % claim; the likely answer, with little to lose by it; or nothing yet."""

    SURE = "sure"
    LIKELY = "likely"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The one decision. `confidence`: P(nothing else would give notably more); `needs`: what would make it surer.

    Of settings `confidence` says that changing them is the best that can be done, and `unrivalled` that no others that
    were measured give notably more than those that are named; 1 where none are named, or no others were measured.
    """

    choice: Choice
    label: str
    confidence: float
    gain: Estimate | None
    cost: Price | None
    bottleneck: Bottleneck
    reasons: tuple[Reason, ...]
    needs: tuple[str, ...] = ()
    unrivalled: float = 1.0

    @property
    def claim(self) -> Claim:
        """How much it claims."""
        if self.choice is Choice.INCONCLUSIVE:
            return Claim.OPEN
        return Claim.SURE if self.confidence >= SURE else Claim.LIKELY


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An observation that failed the gate: it is shown and never becomes a number."""

    trial: str
    label: str
    code: str
    seen: str
    cure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSeen:
    """A trial of the run, the `number`-th: why it was chosen and what came of it.

    `refused`: the code of what the gate holds against it, None = it counts. `hz` is effective Hz, None where there is
    none; `seconds` are real seconds.
    """

    number: int
    trial: str
    experiment: Experiment
    why: str
    layout: Layout
    jobs: int
    iterations: int
    refused: str | None
    hz: float | None
    seconds: float


class Standing(StrEnum):
    """What is known of a suspect: it did it, it is seen where the inflation is, it did not, or nobody looked."""

    CAUSE = "cause"
    CORRELATED = "correlated"
    CLEARED = "cleared"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A possible cause of an inflation: what was seen of it, and the one change that would show it.

    `intervention`: the change, in the operator's words; `result`: what it did, None = it was not made.
    """

    code: str
    text: str
    standing: Standing
    seen: tuple[str, ...]
    intervention: str
    result: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BothMeasures:
    """A layout by both measures: one job, and `jobs` jobs at once. Gains are over the layout in service."""

    layout: Layout
    jobs: int
    latency: Estimate
    capacity: Estimate
    latency_gain: Estimate | None
    capacity_gain: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """All that is known after a run. `goal`: the measure that the verdict is about."""

    verdict: Verdict
    options: tuple[Option, ...]
    throughputs: tuple[Throughput, ...]
    scalings: tuple[Scaling, ...]
    shares: tuple[Share, ...]
    ceilings: tuple[tuple[str, int], ...]
    refused: tuple[Refusal, ...]
    caveats: tuple[str, ...]
    not_measured: tuple[str, ...]
    goal: Goal = Goal.LATENCY
    decompositions: tuple[Decomposition, ...] = ()
    inflations: tuple[Inflation, ...] = ()
    efficiencies: tuple[Efficiency, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    measures: tuple[BothMeasures, ...] = ()
    campaign: tuple[TrialSeen, ...] = ()


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
