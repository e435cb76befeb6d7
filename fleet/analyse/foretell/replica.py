"""A second head with its own fleet: twice the capacity, where one cluster's coordinator or its distances limit it.

Jobs that are submitted together can be shared out between two clusters that know nothing of each other, so the second
gives what the first does. One job gains nothing from it.
"""

from __future__ import annotations

import math

import numpy as np

from fleet.analyse.causes.anatomy import COORDINATOR_BUSY, coordinator
from fleet.analyse.causes.contrasts import efficiencies
from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings
from fleet.analyse.stats import DRAWS, PRIOR_CV, Draws, generator_for
from fleet.model.trial import Goal
from fleet.units import format_share, work_word

EFFICIENT = 0.9
"""The remote efficiency η below which distance eats the gain of more workers (decision.md, step 7)."""

UNLIKE = math.sqrt(2) * PRIOR_CV
"""By how much two clusters of the same parts differ, as a standard deviation: what repeats of one do, twice."""

GAIN = 1.0


def limits(found: Findings, base: Arm) -> tuple[str, ...]:
    """What keeps one cluster from growing, with its figures; empty where nothing of the kind is seen."""
    busy = coordinator(base)
    lines = []
    if busy is not None and busy >= COORDINATOR_BUSY:
        lines.append(f"the coordinator hands out tasks {format_share(busy)} of the time")
    lines += [
        f"a device of {far.host} {work_word()}s at {far.efficiency.value:.2f} of a near one"
        for far in efficiencies(found)
        if far.efficiency.high < EFFICIENT
    ]
    return tuple(lines)


def replica_gains(found: Findings, base: Arm) -> Draws:
    """The relative gain in capacity of a second cluster like the one in service."""
    generator = generator_for(found.log.plan.seed, f"replica {base.layout}")
    return np.asarray(GAIN * np.exp(generator.normal(0.0, UNLIKE, DRAWS)), dtype=np.float64)


def replica_blocked(found: Findings, base: Arm) -> str | None:
    """Why a second cluster is no answer here; None where it is one."""
    if not limits(found, base):
        return "one cluster is not at its limit: neither its coordinator nor distance holds it back"
    if found.log.inventory.prices.replica is None:
        return "its price is not stated (`prices: {replica: …}`), so that it cannot be set against anything"
    return None


def wants_capacity(found: Findings) -> bool:
    """Whether the verdict is about what several jobs at once get done."""
    return found.log.plan.goal is Goal.CAPACITY
