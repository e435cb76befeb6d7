"""What the devices of one box do to each other: how long a prove takes alone, with all of them, with one more."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fleet.analyse.causes.scaling import inflation
from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings
from fleet.analyse.evidence.identity import claim_seconds
from fleet.analyse.evidence.jobgraph import load_graph
from fleet.analyse.evidence.pools import alike, crew, mixed, place_of
from fleet.analyse.stats import DRAWS, Draws, t_975
from fleet.model.estimate import Estimate
from fleet.model.record import TaskKind
from fleet.twin.calibrate import host_times, whole_pools
from fleet.twin.forecast import ideal_speedup
from fleet.twin.sharing import (
    SHARING_LAWS,
    SharingLaw,
    balanced_visit,
    saturated_visit,
    service_time,
    shared_part,
)

GRID = 9
"""Points between which a law is taken to be straight."""

EXPLAINED = 0.95
"""The bus explains an inflation where queueing for it gives at least this share of the prove time seen."""

PRIOR_INFLATION = 1.35
"""How much longer a prove may take with a second device in a box, where nobody has seen two devices in it.

A wide prior: the guide's box, at 1.63 of an ideal 1.90, lies well inside.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowding:
    """Mean prove seconds in the box: `alone` on one device, `now` on all `devices` in service.

    `moved`: seconds of a lone prove on the bus, None where not known, or where several agents wait for each other.
    `between`: seconds an agent spends off its proves for each prove. `stretch`: now ÷ alone with its interval.
    `filling`: proves take longer in company although the pace does not suffer yet, as several agents a device hide it:
    something shared is filling up, and nobody knows how full it is.
    """

    alone: float
    now: float
    devices: int
    moved: float | None
    between: float
    stretch: Estimate
    filling: bool = False

    @property
    def notable(self) -> bool:
        """Whether an inflation shows above the noise."""
        return self.stretch.low > 1

    @property
    def by_bus(self) -> bool:
        """Whether queueing for the bus explains what is seen (also where nothing is)."""
        if self.moved is None:
            return False
        queued = service_time(balanced_visit, self.alone, self.moved, self.between, self.devices)
        return queued >= EXPLAINED * self.now


def crowding(found: Findings, base: Arm) -> Crowding | None:
    """The box's contrast; None where one device alone, or more than one, was not measured with today's settings."""
    box = found.box.name
    devices = sum(host == box for host, _ in base.layout.devices)
    alone = found.alone(box)
    if alone is None or devices < 2:  # noqa: PLR2004 (one device crowds nobody)
        return None
    one = host_times(alone.jobs, box, TaskKind.PROVE)
    slower = inflation(alone, base, found.spread, box, alike(found.box, alone.layout.agents[0].device))
    stretch = slower if _one_each(alone) or mixed(found.box) else _lost_pace(found, alone, base)
    if one is None or stretch is None or slower is None:
        return None
    return Crowding(
        alone=one.seconds,
        now=one.seconds * stretch.value,
        devices=devices,
        moved=one.transfer if len(alone.layout.agents) == 1 else None,
        between=between(base),
        stretch=stretch,
        filling=not _one_each(alone) and slower.low > 1,
    )


def _one_each(arm: Arm) -> bool:
    return arm.layout.agents_per_device == 1


def _lost_pace(found: Findings, alone: Arm, base: Arm) -> Estimate | None:
    """The speed-up that the task graph allows ÷ the one measured.

    Where several agents share a device, a prove takes longer for their company before it takes longer for that of other
    devices, so the seconds of a prove say little; what the box does to its devices shows in its pace.
    """
    if any(host != found.box.name for host, _ in base.layout.devices):
        return inflation(alone, base, found.spread, found.box.name)
    one, all_ = crew(found, alone.layout.agents), crew(found, base.layout.agents)
    ideal = ideal_speedup(load_graph(base), one, all_, whole_pools(alone.jobs, place_of(found)))
    value = ideal * alone.hz / base.hz
    half = t_975(found.spread.freedom) * math.sqrt(
        found.spread.variance * (1 / len(alone.trials) + 1 / len(base.trials))
    )
    low, high = value * math.exp(-half), value * math.exp(half)
    return Estimate(value=value, low=low, high=high, n=len(base.trials), unit="×")


def next_inflations(seen: Crowding) -> tuple[tuple[str, float], ...]:
    """(law, prove seconds with one device more ÷ those now) for every law that the records do not refute.

    Where the bus explains what is seen, its queue is the law. Where something else does, two laws are fitted to it and
    bound the answer. Where nothing is seen, it is nothing or as much queueing as the noise may hide.
    """
    if seen.by_bus and seen.moved is not None:
        return (("queueing for the bus", _grown(seen, balanced_visit, seen.moved)),)
    if not seen.notable:
        hidden = shared_part(balanced_visit, seen.alone, seen.alone * seen.stretch.high, seen.between, seen.devices)
        return (
            ("no inflation seen", 1.0),
            ("queueing, as much as the noise may hide", _grown(seen, balanced_visit, hidden)),
        )
    fitted = (
        (name, law, shared_part(law, seen.alone, seen.now, seen.between, seen.devices)) for name, law in SHARING_LAWS
    )
    return tuple((f"{name}, fitted to the inflation seen", _grown(seen, law, shared)) for name, law, shared in fitted)


def next_stretch(seen: Crowding, noise: Draws, generator: np.random.Generator) -> Draws:
    """Draws of: prove seconds with one device more ÷ those now.

    What was measured is as uncertain as its trials are noisy: `noise` has the draws' stretch ÷ the one seen, as logs.
    What the bus explains grows as its queue does; the rest
    lies anywhere between the two laws where it shows, and queues where noise may hide it.
    """
    stretch = np.maximum(1.0, seen.now / seen.alone * np.exp(noise))
    queued, grown = (_queued(seen, devices) for devices in (seen.devices, seen.devices + 1))
    rest = np.maximum(1.0, stretch / queued)
    shares = generator.random(DRAWS) if seen.stretch.low > queued else np.ones(DRAWS)
    by_law = [_interpolated(seen, law, rest) for law in (balanced_visit, saturated_visit)]
    ratios = grown / queued * (shares * by_law[0] + (1 - shares) * by_law[1])
    if seen.filling:
        full = (seen.devices + 1) / seen.devices
        ratios = np.maximum(ratios, generator.uniform(1.0, full, DRAWS))
    return np.asarray(ratios, dtype=np.float64)


def _queued(seen: Crowding, devices: int) -> float:
    """How much longer a prove takes with so many devices for queueing for the bus alone; 1 where it is not known."""
    if seen.moved is None:
        return 1.0
    return service_time(balanced_visit, seen.alone, seen.moved, seen.between, devices) / seen.alone


def _interpolated(seen: Crowding, law: SharingLaw, rest: Draws) -> Draws:
    """The law's answer for each draw, from its answers at a few points."""
    grid = np.linspace(1.0, max(float(rest.max()), 1.01), GRID)
    answers = []
    for point in grid:
        shared = shared_part(law, seen.alone, float(point) * seen.alone, seen.between, seen.devices)
        now, then = (service_time(law, seen.alone, shared, seen.between, seen.devices + more) for more in (0, 1))
        answers.append(max(1.0, then / now))
    return np.interp(rest, grid, answers)


def _grown(seen: Crowding, law: SharingLaw, shared: float) -> float:
    """Prove seconds with one device more by a law ÷ those now, never less than 1."""
    return max(1.0, service_time(law, seen.alone, shared, seen.between, seen.devices + 1) / seen.now)


def worst_inflation(found: Findings, base: Arm) -> float:
    """The worst that a device more could do to a prove in a box whose own contrast was never measured."""
    devices = sum(host == found.box.name for host, _ in base.layout.devices)
    if devices > 1:
        return (devices + 1) / devices
    times = host_times(base.jobs, found.box.name, TaskKind.PROVE)
    if times is None or times.transfer is None:
        return PRIOR_INFLATION
    laws = (service_time(law, times.seconds, times.transfer, between(base), 2) for _, law in SHARING_LAWS)
    return max(PRIOR_INFLATION, *(seconds / times.seconds for seconds in laws))


def between(arm: Arm) -> float:
    """Seconds an agent spends off its proves for each prove it does: joins and claims."""
    proves = host_times(arm.jobs, None, TaskKind.PROVE)
    joins = host_times(arm.jobs, None, TaskKind.JOIN)
    claim = claim_seconds(arm)
    if proves is None or joins is None:
        return claim
    return claim + (joins.seconds + claim) * joins.count / proves.count
