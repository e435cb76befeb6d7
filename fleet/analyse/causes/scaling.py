"""Scaling: what more devices gave, against what the job's task graph allows and what each task took longer."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings
from fleet.analyse.evidence.jobgraph import load_graph
from fleet.analyse.evidence.pools import crew, place_of
from fleet.analyse.stats import Spread, central, t_975
from fleet.model.estimate import Estimate
from fleet.model.rates import same_settings
from fleet.model.record import TaskKind
from fleet.model.verdict import Scaling
from fleet.twin.calibrate import host_times, whole_pools
from fleet.twin.forecast import ideal_speedup


def scalings(found: Findings) -> tuple[Scaling, ...]:
    """Every arm against the smallest arm it contains that has its settings."""
    return tuple(_scaling(found, base, arm) for arm in found.arms if (base := _base_of(found.arms, arm)) is not None)


def _base_of(arms: Sequence[Arm], arm: Arm) -> Arm | None:
    devices = set(arm.layout.devices)
    smaller = [a for a in arms if set(a.layout.devices) < devices and same_settings(a.layout, arm.layout)]
    return min(smaller, key=lambda a: (len(a.layout.devices), a.layout.label), default=None)


def _scaling(found: Findings, base: Arm, arm: Arm) -> Scaling:
    low, high = central(found.draws(arm) / found.draws(base))
    value = arm.hz / base.hz
    # A model that the base has no device of takes what it takes in the larger arm.
    pools = {**whole_pools(arm.jobs, place_of(found)), **whole_pools(base.jobs, place_of(found))}
    ideal = ideal_speedup(load_graph(base), crew(found, base.layout.agents), crew(found, arm.layout.agents), pools)
    stretch = inflation(base, arm, found.spread)
    return Scaling(
        base=base.layout,
        layout=arm.layout,
        devices=len(arm.layout.devices),
        speedup=Estimate(value=value, low=min(low, value), high=max(high, value), n=len(arm.trials), unit="×"),
        ideal=ideal,
        efficiency=value / ideal,
        karp_flatt=karp_flatt(value, len(arm.layout.devices) / len(base.layout.devices)),
        inflation=stretch.value if stretch else None,
    )


def karp_flatt(speedup: float, devices: float) -> float | None:
    """The serial fraction that would explain the speed-up, (1/S − 1/p) / (1 − 1/p) (Karp & Flatt 1990)."""
    if devices <= 1 or speedup <= 0:
        return None
    return (1 / speedup - 1 / devices) / (1 - 1 / devices)


def inflation(
    base: Arm, arm: Arm, spread: Spread, host: str | None = None, devices: Collection[str] | None = None
) -> Estimate | None:
    """How much longer a prove task takes on the base's host (or `host`) in the larger arm: φ, with its interval.

    `devices`: those of the host that are like the base's; what others are faster or slower by is no inflation.
    The interval takes a trial's mean prove time to be as noisy as its rate. None where either arm has no such task.
    """
    where = host or base.layout.agents[0].host
    one, many = (host_times(a.jobs, where, TaskKind.PROVE, devices) for a in (base, arm))
    if one is None or many is None or one.seconds <= 0:
        return None
    value = many.seconds / one.seconds
    error = math.sqrt(spread.variance * (1 / len(base.trials) + 1 / len(arm.trials)))
    half = t_975(spread.freedom) * error
    return Estimate(value=value, low=value * math.exp(-half), high=value * math.exp(half), n=len(arm.trials), unit="×")


def remote_efficiency(near: Arm, near_host: str, far: Arm, host: str, spread: Spread) -> Estimate | None:
    """η: prove seconds of a device of `near_host` in one arm ÷ those of `host` in another. 1 = distance is free."""
    one = host_times(near.jobs, near_host, TaskKind.PROVE)
    other = host_times(far.jobs, host, TaskKind.PROVE)
    if one is None or other is None or other.seconds <= 0:
        return None
    value = one.seconds / other.seconds
    half = t_975(spread.freedom) * math.sqrt(spread.variance * (1 / len(near.trials) + 1 / len(far.trials)))
    return Estimate(value=value, low=value * math.exp(-half), high=value * math.exp(half), n=len(far.trials), unit="")
