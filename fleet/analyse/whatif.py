"""What would one more device give that was never measured: replays of the job under laws that bound the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleet.analyse.arms import Arm
from fleet.analyse.crowding import crowding, next_inflations, worst_inflation
from fleet.analyse.findings import Findings
from fleet.analyse.identity import claim_seconds
from fleet.analyse.stats import DRAWS, Draws, generator_for
from fleet.model.record import TaskKind
from fleet.twin.calibrate import Pools, completed, split_pools, stand_in, stretched, whole_pools
from fleet.twin.forecast import independent, mean_seconds, sampled_seconds, workers_of
from fleet.twin.graph import graph_of
from fleet.twin.replay import Control, Worker

REPLAYS = 24
"""Replays for each law; their spread is what the luck of service times does to one job."""

PRIOR_EFFICIENCY = 0.70
"""The η of a remote worker that nobody has seen, at worst: decision.md's 0.70 at 100 ms; at best it is 1."""

GRID = 5
NEW = "new"


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A relative gain that was not measured. `contrast`: calibrated on a measured contrast, else on a prior."""

    gains: Draws
    contrast: bool
    basis: str

    @property
    def value(self) -> float:
        """The middle of what the laws say."""
        return float(np.median(self.gains))


def gpu_forecast(found: Findings, base: Arm) -> Forecast:
    """The gain of one more device in the box, like those it has."""
    box = found.box.name
    added = (*workers_of(base.layout.agents), *[Worker(host=box, device=NEW)] * base.layout.agents_per_device)
    seen = crowding(found, base)
    if seen is None:
        worst = worst_inflation(found, base)
        ratios = np.linspace(1.0, worst, GRID)
        samples = [_gains(found, base, added, {(box, TaskKind.PROVE): float(ratio)}) for ratio in ratios]
        basis = f"with one device more a prove may take 1.00 to {worst:.2f} times as long: never measured in {box}"
        return Forecast(gains=_mixture(found, base, samples), contrast=False, basis=basis)
    samples, words = [], []
    for law, ratio in next_inflations(seen):
        samples.append(_gains(found, base, added, {(box, TaskKind.PROVE): ratio}))
        words.append(f"{law}: with device {seen.devices + 1} a prove takes {ratio:.2f} times as long as now")
    if seen.by_bus and (alone := found.alone(box)) is not None:
        samples.append(_bus_gains(found, base, alone, added))
        words.append("replay with the bus as a queue, from the seconds a lone device moves bytes")
    return Forecast(gains=_mixture(found, base, samples), contrast=True, basis="; ".join(words))


def remote_forecast(found: Findings, base: Arm) -> Forecast:
    """The gain of a remote worker that was never measured: a device like the box's, at an efficiency nobody knows."""
    box = found.box.name
    like = found.alone(box) or base
    added = (*workers_of(base.layout.agents), *[Worker(host=NEW, device=NEW)] * base.layout.agents_per_device)
    pools = {**stand_in(whole_pools(like.jobs), NEW, box), **whole_pools(base.jobs)}
    efficiencies = np.linspace(PRIOR_EFFICIENCY, 1.0, GRID)
    kinds = (TaskKind.PROVE, TaskKind.JOIN, TaskKind.RESOLVE)
    samples = [_gains(found, base, added, {(NEW, kind): float(1 / e) for kind in kinds}, pools) for e in efficiencies]
    basis = f"a worker like {box} at an efficiency of {PRIOR_EFFICIENCY:.2f} to 1: never measured"
    return Forecast(gains=_mixture(found, base, samples), contrast=False, basis=basis)


def predicted_hz(found: Findings, base: Arm, arm: Arm) -> float | None:
    """What the twin says of an arm from other arms only: the base and each added host alone. None without those."""
    hosts = sorted({a.host for a in arm.layout.agents} - {a.host for a in base.layout.agents})
    lone = [found.alone(host) for host in hosts]
    pools: Pools = dict(whole_pools(base.jobs))
    for other in lone:
        if other is None:
            return None
        pools = {**whole_pools(other.jobs), **pools}
    graph, control = graph_of(base.jobs[0]), Control(claim=claim_seconds(base))
    before = mean_seconds(graph, independent(workers_of(base.layout.agents)), pools, control)
    after = mean_seconds(graph, independent(workers_of(arm.layout.agents)), pools, control)
    return base.hz * before / after


def _gains(
    found: Findings,
    base: Arm,
    added: Sequence[Worker],
    factors: dict[tuple[str, TaskKind], float],
    pools: Pools | None = None,
) -> tuple[float, ...]:
    """Relative gains over the base, one for each seed, when services have their waiting inside and are stretched."""
    graph, control = graph_of(base.jobs[0]), Control(claim=claim_seconds(base))
    pools = completed(pools or whole_pools(base.jobs), {worker.host for worker in added})
    before = sampled_seconds(graph, independent(workers_of(base.layout.agents)), pools, control, _seeds(found))
    after = sampled_seconds(graph, independent(added), stretched(pools, factors), control, _seeds(found))
    return tuple(b / a - 1 for b, a in zip(before, after, strict=True))


def _bus_gains(found: Findings, base: Arm, alone: Arm, added: Sequence[Worker]) -> tuple[float, ...]:
    """Relative gains, one for each seed, when devices share the bus and nothing else.

    One agent alone never waits, so its transfers are the pure demand.
    """
    pools = split_pools(alone.jobs) or whole_pools(alone.jobs)
    graph, control = graph_of(base.jobs[0]), Control(claim=claim_seconds(alone))
    before = sampled_seconds(graph, workers_of(base.layout.agents), pools, control, _seeds(found))
    after = sampled_seconds(graph, added, pools, control, _seeds(found))
    return tuple(b / a - 1 for b, a in zip(before, after, strict=True))


def _seeds(found: Findings) -> range:
    return range(found.log.plan.seed, found.log.plan.seed + REPLAYS)


def _mixture(found: Findings, base: Arm, samples: Sequence[Sequence[float]]) -> Draws:
    """Draws that take each law as equally likely, with the noise of the measured base on top."""
    generator = generator_for(found.log.plan.seed, f"forecast {base.layout} {len(samples)}")
    picked = np.concatenate([generator.choice(np.asarray(s), DRAWS // len(samples)) for s in samples])
    picked = np.resize(generator.permutation(picked), DRAWS)
    noise = generator.standard_t(found.spread.freedom, DRAWS) * found.spread.of_mean(base.logs)
    return np.asarray((1 + picked) * np.exp(noise) - 1, dtype=np.float64)
