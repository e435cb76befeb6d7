"""Where a run stands between two trials: every layout's rate so far with its interval, and its gain over today's."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.analyse.evidence.arms import Arm, estimate
from fleet.analyse.evidence.findings import Findings, findings_so_far
from fleet.analyse.stats import central
from fleet.model.estimate import Estimate
from fleet.model.event import Rate
from fleet.model.inventory import Inventory
from fleet.model.record import Observation
from fleet.model.trial import Plan


def rates_so_far(plan: Plan, inventory: Inventory, seen: Sequence[Observation]) -> tuple[Rate, ...]:
    """The layouts that were measured under the plan's load, the fastest first, as the report would have them now."""
    found = findings_so_far(plan, inventory, seen)
    rates = (
        Rate(
            layout=arm.layout,
            hz=estimate(arm, found.spread),
            gain=gain_over(found, arm, found.base),
            in_service=arm is found.base,
            emulated=any(trial.emulated for trial in arm.trials),
        )
        for arm in found.arms
    )
    return tuple(sorted(rates, key=lambda rate: -rate.hz.value))


def gain_over(found: Findings, arm: Arm, base: Arm | None) -> Estimate | None:
    """The relative gain over an arm under the same load, with its interval; None for that arm itself, or without it."""
    if base is None or base is arm:
        return None
    low, high = central(found.draws(arm) / found.draws(base) - 1)
    value = arm.hz / base.hz - 1
    return Estimate(value=value, low=min(low, value), high=max(high, value), n=len(arm.trials), unit="")
