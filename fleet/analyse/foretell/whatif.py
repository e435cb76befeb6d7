"""What would one more device give that was never measured: replays of the job under laws that bound the truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from fleet.analyse.causes.crowding import PRIOR_INFLATION, crowding, next_inflations, next_stretch, worst_inflation
from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings
from fleet.analyse.evidence.identity import claim_seconds, shares
from fleet.analyse.evidence.jobgraph import load_graph
from fleet.analyse.evidence.pools import crew, mixed, one_more, place_of, pool_of, pools_of, usual_model
from fleet.analyse.foretell.holdup import let_through
from fleet.analyse.stats import DRAWS, Draws, central, generator_for
from fleet.model.record import TaskKind
from fleet.twin.calibrate import Pools, completed, split_pools, stand_in, stretched, whole_pools
from fleet.twin.fast import Scenario, draws_of, replay_many
from fleet.twin.forecast import independent, mean_seconds, sampled_seconds
from fleet.twin.replay import Control, Worker
from fleet.units import task_word

REPLAYS = 24
"""Replays for each law; their spread is what the luck of service times does to one job."""

PRIOR_EFFICIENCY = 0.70
"""The η of a remote worker that nobody has seen, at worst: decision.md's 0.70 at 100 ms; at best it is 1."""

FAR_AWAY, FAR = 0.15, 0.1
"""The chance that distance takes more than that (a thin line, slow round trips), and what it leaves at worst."""

STRANGE = (0.35, 2.5)
"""… and where it has other models than the box: cards of two generations differ by as much either way."""

GRID = 7

MODEL_ERROR = 0.023
"""What a replay's ratio of two layouts is off by, as a standard deviation: decision.md has 2.3 %."""

DISPATCH = 0.05
"""From this share of the agents' time on that they wait for dispatch, a claim is more than a matter of milliseconds."""

OTHERWISE = 0.5
"""How far what the control plane lets through of one addition may lie on the way to what is thought without any."""

ROOMY = 0.5
"""The chance that devices of a box whose own contrast was never measured do not notice each other."""

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
    added = (*crew(found, base.layout.agents), *[one_more(found.box, NEW)] * base.layout.agents_per_device)
    generator = generator_for(found.log.plan.seed, f"gpu {base.layout}")
    seen = crowding(found, base)
    if seen is None:
        worst = worst_inflation(found, base)
        ratios = np.where(generator.random(DRAWS) < ROOMY, 1.0, generator.uniform(1.0, worst, DRAWS))
        longer = f"a {task_word()} may take 1.00 to {worst:.2f} times as long"
        basis = f"with one device more {longer}: never measured in {box}"
    else:
        ratios = next_stretch(seen, _stretch_noise(found, base), generator)
        low, high = central(ratios)
        laws = ", ".join(law for law, _ in next_inflations(seen))
        times = f"{low:.2f} to {high:.2f} times as long as now ({laws})"
        basis = f"with device {seen.devices + 1} a {task_word()} takes {times}"
    slower = [(pool, TaskKind.PROVE) for pool in pools_of(found.box)]
    gains = _stretched_gains(found, base, added, slower, ratios, whole_pools(base.jobs, place_of(found)))
    if seen is not None and seen.by_bus and not mixed(found.box) and (alone := found.alone(box)) is not None:
        queued, share = fmean(_bus_gains(found, base, alone, added)), generator.random(DRAWS)
        gains = share * gains + (1 - share) * queued
        basis += "; replay with the bus as a queue, from the seconds a lone device moves bytes"
    linear = len(added) / len(base.layout.agents) / ratios - 1
    return Forecast(gains=_uncertain(found, base, gains, linear, generator), contrast=seen is not None, basis=basis)


def _stretch_noise(found: Findings, base: Arm) -> Draws:
    """By how much the stretch that was seen may be off, as logs: by the luck of the trials that it was seen in.

    Where the layout in service is truly faster than it was measured, its proves are shorter than seen; and so alone.
    """
    alone = found.alone(found.box.name)
    lone = np.log(found.draws(alone) / alone.hz) if alone is not None else np.zeros(DRAWS)
    return np.asarray(lone - np.log(found.draws(base) / base.hz), dtype=np.float64)


def _uncertain(found: Findings, base: Arm, gains: Draws, linear: Draws, generator: np.random.Generator) -> Draws:
    """The gains with what the replay itself may be off by.

    Several agents of a device speed each other up when some of them have nothing left to do; a replay with the times
    they had together knows nothing of that. The truth then lies between it and a gain in proportion to the agents, the
    closer to it the less they have to do. And what waits for dispatch may go on waiting however many agents ask: the
    replay takes a claim's cost as it is, at worst it grows so that the waiting share, and as much again, gains nothing;
    where more agents were measured, as much of a gain is let through as was of theirs, or somewhat like the other.
    """
    share = shares([base])[0]
    if base.layout.agents_per_device > 1:
        at_work = max(0.0, 2 * share.busy - 1)
        gains = gains + generator.random(DRAWS) * at_work * np.maximum(linear - gains, 0.0)
    if share.dispatch > DISPATCH:
        through = 1 - generator.random(DRAWS) * min(1.0, 2 * share.dispatch)
        if (seen := let_through(found, base)) is not None:
            through = seen + generator.uniform(0.0, OTHERWISE, DRAWS) * (through - seen)
        gains = gains * through
    return np.asarray((1 + gains) * np.exp(generator.normal(0.0, MODEL_ERROR, DRAWS)) - 1, dtype=np.float64)


def remote_forecast(found: Findings, base: Arm) -> Forecast:
    """The gain of a remote worker that was never measured: a device like the box's, at an efficiency nobody knows."""
    box = found.box.name
    spare = [host.devices for host in found.log.inventory.hosts if host.candidate and host.devices]
    devices = spare[0] if spare else found.box.devices[:1]
    strange = not {device.model for device in devices} <= {device.model for device in found.box.devices}
    model = usual_model(found.box) if strange or not spare else devices[0].model
    lone = found.alone(box)
    near = lone if lone is not None and found.models(lone.layout, box) == {model} else None
    agents = base.layout.agents_per_device * len(devices)
    added = (*crew(found, base.layout.agents), *[Worker(host=NEW, device=NEW)] * agents)
    place = place_of(found)
    pools = stand_in(whole_pools((near or base).jobs, place), NEW, pool_of(found.box, model))
    pools = {**pools, **whole_pools(base.jobs, place)}
    generator = generator_for(found.log.plan.seed, f"remote {base.layout}")
    slower = [(NEW, kind) for kind in (TaskKind.PROVE, TaskKind.JOIN, TaskKind.RESOLVE)]
    low, high = STRANGE if strange else (PRIOR_EFFICIENCY, 1.0 if near else PRIOR_INFLATION)
    efficiency = generator.uniform(low, high, DRAWS)
    lost = generator.uniform(FAR, 1.0, DRAWS)
    ratios = 1 / np.where(generator.random(DRAWS) < FAR_AWAY, efficiency * lost, efficiency)
    gains = _stretched_gains(found, base, added, slower, ratios, pools)
    linear = agents / ratios / len(base.layout.agents)
    basis = f"a worker of {len(devices)} at {low:.2f} to {high:.2f} of a device of {box}: never measured"
    return Forecast(gains=_uncertain(found, base, gains, linear, generator), contrast=False, basis=basis)


def _stretched_gains(
    found: Findings,
    base: Arm,
    added: Sequence[Worker],
    slower: Iterable[tuple[str, TaskKind]],
    ratios: Draws,
    pools: Pools,
) -> Draws:
    """The gain for each draw of how much longer `slower` takes: replays at a few ratios, straight lines between.

    Services have their waiting inside, so every agent has a device of its own.
    """
    grid = np.linspace(min(float(ratios.min()), 1.0), max(float(ratios.max()), 1.01), GRID)
    keys = tuple(slower)
    graph, control = load_graph(base), Control(claim=claim_seconds(base))
    pools = completed(pools, {worker.pool for worker in added})
    now = Scenario(graph=graph, workers=independent(crew(found, base.layout.agents)), pools=pools, control=control)
    then = replace(now, workers=independent(added))
    scenarios = [replace(then, pools=stretched(pools, dict.fromkeys(keys, float(ratio)))) for ratio in grid]
    seconds = replay_many([now, *scenarios], draws_of(_seeds(found), len(graph.nodes)))
    gains = (seconds[0] / seconds[1:] - 1).mean(axis=1)
    return np.asarray(np.interp(ratios, grid, gains), dtype=np.float64)


def predicted_hz(found: Findings, base: Arm, arm: Arm) -> float | None:
    """What the twin says of an arm from other arms only; None where they say nothing of an added host.

    An added host is as it was alone, else like a lone device of the box at no distance where it has the same models.
    """
    hosts = {a.host for a in base.layout.agents}
    now, place = crew(found, base.layout.agents), place_of(found)
    more = crew(found, [agent for agent in arm.layout.agents if agent.host not in hosts])
    pools: Pools = dict(whole_pools(base.jobs, place))
    for host in sorted({worker.host for worker in more}):
        like = host if found.alone(host) else found.box.name
        other = found.alone(like)
        if other is None or found.models(arm.layout, host) != found.models(other.layout, like):
            return None
        lone, lent = crew(found, other.layout.agents)[0].pool, whole_pools(other.jobs, place)
        for pool in sorted({worker.pool for worker in more if worker.host == host}):
            pools = {**stand_in(lent, pool, pool if like == host else lone), **pools}
    graph, control = load_graph(base), Control(claim=claim_seconds(base))
    before = mean_seconds(graph, independent(now), pools, control)
    after = mean_seconds(graph, independent((*now, *more)), pools, control)
    return base.hz * before / after


def _bus_gains(found: Findings, base: Arm, alone: Arm, added: Sequence[Worker]) -> tuple[float, ...]:
    """Relative gains, one for each seed, when devices share the bus and nothing else.

    One agent alone never waits, so its transfers are the pure demand.
    """
    place = place_of(found)
    pools = split_pools(alone.jobs, place) or whole_pools(alone.jobs, place)
    graph, control = load_graph(base), Control(claim=claim_seconds(alone))
    before = sampled_seconds(graph, crew(found, base.layout.agents), pools, control, _seeds(found))
    after = sampled_seconds(graph, added, pools, control, _seeds(found))
    return tuple(b / a - 1 for b, a in zip(before, after, strict=True))


def _seeds(found: Findings) -> range:
    return range(found.log.plan.seed, found.log.plan.seed + REPLAYS)
