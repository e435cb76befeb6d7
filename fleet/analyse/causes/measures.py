"""The two measures side by side: what one job gets, and what several at once get done. They can disagree."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.analyse.evidence.arms import estimate
from fleet.analyse.evidence.findings import Findings
from fleet.analyse.evidence.sofar import gain_over
from fleet.model.estimate import Estimate
from fleet.model.verdict import BothMeasures


def both_measures(found: Findings) -> tuple[BothMeasures, ...]:
    """Every layout that was measured with one job and with several at once, of as many iterations each."""
    every = (*found.arms, *found.others)
    iterations = found.log.plan.load.iterations
    one = {arm.layout: arm for arm in every if arm.load.jobs == 1 and arm.load.iterations == iterations}
    many = {arm.layout: arm for arm in every if arm.load.jobs > 1 and arm.load.iterations == iterations}
    current = found.log.plan.current
    return tuple(
        BothMeasures(
            layout=layout,
            jobs=many[layout].load.jobs,
            latency=estimate(one[layout], found.spread),
            capacity=estimate(many[layout], found.spread),
            latency_gain=gain_over(found, one[layout], one.get(current)),
            capacity_gain=gain_over(found, many[layout], many.get(current)),
        )
        for layout in one
        if layout in many
    )


def disagreements(measures: Iterable[BothMeasures], worth: float) -> tuple[BothMeasures, ...]:
    """The layouts that are worth it by one measure and not by the other, with intervals that have nothing in common."""
    return tuple(one for one in measures if _apart(one.latency_gain, one.capacity_gain, worth))


def _apart(one: Estimate | None, other: Estimate | None, worth: float) -> bool:
    if one is None or other is None:
        return False
    low, high = sorted((one, other), key=lambda gain: gain.value)
    return low.value < worth <= high.value and low.high < high.low
