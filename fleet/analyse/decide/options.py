"""What could be done next, with what it would give and cost: other settings, a GPU, a remote worker, nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleet.analyse.causes.anatomy import coordinator_bound
from fleet.analyse.causes.bounds import bounded, bus_bound, executor_bound
from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings
from fleet.analyse.foretell.replica import GAIN, limits, replica_blocked, replica_gains, wants_capacity
from fleet.analyse.foretell.room import no_room
from fleet.analyse.foretell.whatif import gpu_forecast, remote_forecast
from fleet.analyse.stats import Draws, central
from fleet.model.estimate import Estimate
from fleet.model.inventory import Per, Price
from fleet.model.record import Outcome
from fleet.model.trial import Layout
from fleet.model.verdict import Choice, Evidence, Option
from fleet.units import device_word, format_turn

WORTH = 0.05
"""A gain below this share is not worth an operator's time."""

HARDWARE = frozenset({Choice.ADD_GPU, Choice.ADD_REMOTE_WORKER, Choice.REPLICATE})


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An option with its gain as draws; `basis` says where they come from, `n` from how many trials.

    `rivals`: the share of throughput that the best of its kind that were measured gives beyond it, by draw; None where
    no others were.
    """

    choice: Choice
    label: str
    evidence: Evidence
    gains: Draws | None = None
    value: float | None = None
    n: int = 0
    cost: Price | None = None
    layout: Layout | None = None
    blocked: str | None = None
    basis: str = ""
    rivals: Draws | None = None

    @property
    def open(self) -> bool:
        """Whether it can be done and its gain is known somehow."""
        return self.blocked is None and self.gains is not None

    def probability(self, threshold: float = WORTH) -> float:
        """P(its gain reaches the threshold); 0 where the gain is unknown."""
        return float(np.mean(self.gains >= threshold)) if self.gains is not None else 0.0

    @property
    def gain(self) -> Estimate | None:
        """The gain as an estimate."""
        if self.gains is None or self.value is None:
            return None
        low, high = central(self.gains)
        return Estimate(value=self.value, low=min(low, self.value), high=max(high, self.value), n=self.n, unit="")


def candidates_of(found: Findings, base: Arm) -> tuple[Candidate, ...]:
    """All options of this run, each relative to the layout in service."""
    one_cluster = (tune_candidate(found, base), gpu_candidate(found, base), remote_candidate(found, base))
    return (*one_cluster, replica_candidate(found, base)) if wants_capacity(found) else one_cluster


def tune_candidate(found: Findings, base: Arm) -> Candidate:
    """The best other settings that were measured on the devices in service."""
    free = Price(amount=0.0, per=Per.ONCE)
    arms = [arm for arm in found.on_devices(base.layout) if lasts(found, arm.layout)]
    if not arms:
        return Candidate(choice=Choice.TUNE, label="other settings", evidence=Evidence.NONE, cost=free)
    best = max(arms, key=lambda arm: arm.hz)
    most = np.max([found.draws(arm) for arm in arms], axis=0) if len(arms) > 1 else None
    return Candidate(
        choice=Choice.TUNE,
        label=knobs(base.layout, best.layout),
        evidence=Evidence.MEASURED,
        gains=bounded(found.draws(best) / found.draws(base) - 1, [executor_bound(base, best)]),
        value=best.hz / base.hz - 1,
        n=len(best.trials),
        cost=free,
        layout=best.layout,
        rivals=None if most is None else 1 - found.draws(best) / most,
    )


def lasts(found: Findings, layout: Layout) -> bool:
    """Whether the layout never ran out of memory, under whatever load: what fails in a soak is no answer."""
    return not any(
        seen.outcome is Outcome.OUT_OF_MEMORY and seen.trial.layout == layout for seen in found.log.observations
    )


def knobs(old: Layout, new: Layout) -> str:
    """Which knob to what value: `po2 18 → 21, 1 → 2 agents per device`."""
    turned = []
    if old.po2 != new.po2:
        turned.append(format_turn(old.po2, new.po2))
    if old.agents_per_device != new.agents_per_device:
        turned.append(f"{old.agents_per_device} → {new.agents_per_device} agents per device")
    return ", ".join(turned)


def gpu_candidate(found: Findings, base: Arm) -> Candidate:
    """One more device in the box: never measured, as it is not there, but calibrated where the box has several."""
    forecast = gpu_forecast(found, base)
    box = found.box
    return Candidate(
        choice=Choice.ADD_GPU,
        label=f"a {device_word()} in {box.name}",
        evidence=Evidence.PREDICTED,
        gains=bounded(forecast.gains, [executor_bound(base), bus_bound(base, box.name), coordinator_bound(base)]),
        value=forecast.value,
        cost=found.log.inventory.prices.gpu,
        blocked=no_room(found, 1),
        basis=forecast.basis,
    )


def remote_candidate(found: Findings, base: Arm) -> Candidate:
    """One more worker host: as measured with the best single candidate, else a prior that is never recommended."""
    cost = found.log.inventory.prices.worker
    single = [(arm, hosts[0]) for arm, hosts in found.with_candidates() if len(hosts) == 1]
    if not single:
        forecast = remote_forecast(found, base)
        return Candidate(
            choice=Choice.ADD_REMOTE_WORKER,
            label="a remote worker",
            evidence=Evidence.PREDICTED,
            gains=bounded(forecast.gains, [executor_bound(base), coordinator_bound(base)]),
            value=forecast.value,
            cost=cost,
            basis=forecast.basis,
        )
    arm, host = max(single, key=lambda pair: pair[0].hz)
    return Candidate(
        choice=Choice.ADD_REMOTE_WORKER,
        label=f"a remote worker like {host.name}",
        evidence=Evidence.MEASURED,
        gains=bounded(found.draws(arm) / found.draws(base) - 1, [executor_bound(base)]),
        value=arm.hz / base.hz - 1,
        n=len(arm.trials),
        cost=host.cost or cost,
        layout=arm.layout,
    )


def replica_candidate(found: Findings, base: Arm) -> Candidate:
    """A second cluster like the one in service: never measured, as it is not there; for capacity only."""
    return Candidate(
        choice=Choice.REPLICATE,
        label="a second head with a fleet like the one in service",
        evidence=Evidence.PREDICTED,
        gains=replica_gains(found, base),
        value=GAIN,
        cost=found.log.inventory.prices.replica,
        blocked=replica_blocked(found, base),
        basis="; ".join(limits(found, base)),
    )


def comparable(candidates: Sequence[Candidate]) -> bool:
    """Whether the prices of the hardware options can be set against each other; a replica counts where it is one."""
    costs = [c.cost for c in candidates if c.choice in HARDWARE and not (c.choice is Choice.REPLICATE and c.blocked)]
    return all(cost is not None and cost.amount > 0 for cost in costs) and len({c.per for c in costs if c}) == 1


def scores(candidate: Candidate, *, priced: bool) -> Draws:
    """Gain per cost, draw by draw; plain gain where prices cannot be compared. Needs known gains."""
    gains = candidate.gains if candidate.gains is not None else np.zeros(1)
    return gains / candidate.cost.amount if priced and candidate.cost else gains


def best_probabilities(candidates: Sequence[Candidate]) -> dict[Choice, float]:
    """P(it is the best thing to do), by choice; together 1.

    In each draw: settings first where they are worth it, as they cost nothing; else the hardware with the largest
    gain per cost among what is worth it; else nothing.
    """
    draws = len(next(c.gains for c in candidates if c.gains is not None)) if any(c.open for c in candidates) else 1
    priced = comparable(candidates)
    undecided = np.ones(draws, dtype=bool)
    best: dict[Choice, float] = {}
    for tune in (c for c in candidates if c.choice is Choice.TUNE and c.open):
        pays = np.asarray(tune.gains) >= WORTH
        best[Choice.TUNE] = float(pays.mean())
        undecided &= ~pays
    hardware = [c for c in candidates if c.choice in HARDWARE and c.open]
    if hardware:
        values = np.array([np.where(np.asarray(c.gains) >= WORTH, scores(c, priced=priced), -np.inf) for c in hardware])
        winner, pays = values.argmax(axis=0), np.isfinite(values.max(axis=0))
        for number, candidate in enumerate(hardware):
            best[candidate.choice] = float((undecided & pays & (winner == number)).mean())
        undecided &= ~pays
    return {**best, Choice.HOLD: float(undecided.mean())}


def options_of(candidates: Sequence[Candidate]) -> tuple[Option, ...]:
    """The options as the report shows them; doing nothing is the last one."""
    best = best_probabilities(candidates)
    shown = [
        Option(
            choice=c.choice,
            label=c.label,
            evidence=c.evidence,
            gain=c.gain,
            cost=c.cost,
            best=best.get(c.choice, 0.0),
            layout=c.layout,
            blocked=c.blocked,
        )
        for c in candidates
    ]
    hold = Option(
        choice=Choice.HOLD,
        label="leave it as it is",
        evidence=Evidence.MEASURED,
        gain=None,
        cost=None,
        best=best[Choice.HOLD],
    )
    return (*shown, hold)
