"""What a layout that need not have been measured would give: replays of the job, against the layout in service.

Both layouts meet the same luck in the same draw, so their ratio is about the layouts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from statistics import fmean

import numpy as np

from fleet.analyse.evidence.arms import Arm, estimate
from fleet.analyse.evidence.findings import Findings, findings
from fleet.analyse.evidence.identity import claim_seconds, shares
from fleet.analyse.evidence.jobgraph import ExpectedGraph, graph_for
from fleet.analyse.foretell.changes import parts_of
from fleet.analyse.foretell.shapes import Part
from fleet.analyse.foretell.supply import HostOutlook, supply_of
from fleet.analyse.stats import Draws, generator_for
from fleet.errors import ConfigurationError
from fleet.model.estimate import Estimate
from fleet.model.inventory import Device
from fleet.model.rates import same_settings
from fleet.model.record import RunLog
from fleet.model.simulation import Beyond, Change, Source
from fleet.model.trial import Layout
from fleet.twin.calibrate import Pools, completed
from fleet.twin.control import Polling
from fleet.twin.fast import Draws as Luck
from fleet.twin.fast import Scenario, draws_of, replay_many
from fleet.twin.graph import Graph
from fleet.twin.links import Link, linked
from fleet.twin.replay import Control
from fleet.units import format_setting

REPLAYS = 240
"""Draws of every figure; many numbers of variants divide it."""

DISPATCH = 0.05
"""From this share of their time on that agents wait for dispatch, a claim is more than a matter of milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """What planning knows and analysis may not import.

    `graph`: the graph that a job will have; `fits(devices, agents, po2)`: whether memory allows it.
    """

    graph: ExpectedGraph
    fits: Callable[[Iterable[Device], int, int], bool]


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a layout would give: the job's seconds by draw, and its scenarios by variant of the laws.

    `other`: the share of its agents whose times come from other trials than those of the layout in service, and
    `noise`: the relative standard error that these trials' luck leaves.
    """

    layout: Layout
    scenarios: tuple[Scenario, ...]
    seconds: Draws
    beyond: tuple[Beyond, ...]
    basis: tuple[str, ...]
    other: float = 0.0
    noise: float = 0.0

    @property
    def rates(self) -> Draws:
        """Cycles per second by draw."""
        return np.asarray(self.scenarios[0].graph.cycles / self.seconds, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """A run made ready for questions: its findings, the arm in service, and the luck that all questions share."""

    found: Findings
    base: Arm
    premises: Premises

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.found.log.plan.seed

    @cached_property
    def claim(self) -> float:
        """Seconds that a claim costs in the layout in service."""
        return claim_seconds(self.base)

    @cached_property
    def waiting(self) -> float:
        """The share of the agents' time that goes into waiting for dispatch in the layout in service; 0 where small."""
        share = shares([self.base])[0].dispatch
        return share if share > DISPATCH else 0.0

    @cached_property
    def supply(self) -> Callable[[Part], HostOutlook]:
        """How a part of a layout would serve; layouts share most of their parts, so each is worked out once."""
        return cache(partial(supply_of, self.found))

    @cached_property
    def now(self) -> Outlook:
        """The layout in service, replayed."""
        return outlook(self, self.base.layout)

    @cached_property
    def measured(self) -> Estimate:
        """The measured rate of the layout in service."""
        return estimate(self.base, self.found.spread)

    @cached_property
    def noise(self) -> Draws:
        """How far the measured rate may be off, as factors by draw."""
        chance = generator_for(self.seed, "anchor").standard_t(self.found.spread.freedom, REPLAYS)
        return np.asarray(np.exp(self.found.spread.of_mean(self.base.logs) * chance), dtype=np.float64)


def workbench(log: RunLog, premises: Premises) -> Workbench:
    """Make a stored run ready. ConfigurationError where the layout in service has no admissible trial."""
    found = findings(log)
    base = found.base
    if base is None:
        raise ConfigurationError(
            f"run {log.id} has no admissible trial of the layout in service, {log.plan.current.label}",
            hint=f"fleet report {log.id} says why; measure again",
        )
    return Workbench(found=found, base=base, premises=premises)


def source_of(log: RunLog) -> Source:
    """Where the figures come from."""
    return Source(
        run=log.id,
        inventory=log.inventory.name,
        emulated=log.inventory.emulated or any(o.emulated for o in log.observations),
        time_scale=log.inventory.time_scale,
        currency=log.inventory.prices.currency,
        trials=len(log.observations),
    )


def outlook(bench: Workbench, layout: Layout, change: Change | None = None, replays: int = REPLAYS) -> Outlook:
    """Replay a layout under the run's luck. `change` says what is different besides the layout."""
    change = change or Change()
    _need_setting(bench, layout)
    parts = parts_of(bench.found, layout)
    hosts = [bench.supply(part) for part in parts]
    graph = graph_for(bench.found, bench.base, bench.premises.graph, layout.po2)
    scenarios = tuple(
        scenario
        for control in _controls(bench, layout, change)
        for scenario in _scenarios(bench, graph, control, hosts, change.rtt)
    )
    agents = [len(part.devices) * part.agents for part in parts]
    return Outlook(
        layout=layout,
        scenarios=scenarios,
        seconds=replayed(bench, scenarios, replays),
        beyond=_merged((*(b for host in hosts for b in host.beyond), *_more_hosts(bench, layout), *_elsewhere(change))),
        basis=tuple(host.basis for host in hosts),
        other=fmean([float(host.noise > 0) for host in hosts], weights=agents),
        noise=fmean([host.noise for host in hosts], weights=agents),
    )


def _need_setting(bench: Workbench, layout: Layout) -> None:
    """Refuse a command's setting that was not measured: it is no size, so nothing follows from others for it."""
    if bench.found.log.inventory.command is None or any(a.layout.po2 == layout.po2 for a in bench.found.arms):
        return
    raise ConfigurationError(f"{format_setting(layout.po2)} was not measured in this run", hint="measure it first")


def _scenarios(
    bench: Workbench, graph: Graph, control: Control, hosts: Sequence[HostOutlook], rtt: float
) -> tuple[Scenario, ...]:
    """One scenario for each variant; a host with fewer variants than another repeats them."""
    count = math.lcm(*(len(host.variants) for host in hosts))
    scenarios = []
    for number in range(count):
        supplies = [host.variants[number % len(host.variants)] for host in hosts]
        workers = tuple(worker for supply in supplies for worker in supply.workers)
        pools: Pools = {key: samples for supply in supplies for key, samples in supply.pools.items()}
        pools = _further(
            completed(pools, {worker.pool for worker in workers}), bench.found.log.inventory.head.name, rtt
        )
        scenarios.append(Scenario(graph=graph, workers=workers, pools=pools, control=control))
    return tuple(scenarios)


def _further(pools: Pools, head: str, rtt: float) -> Pools:
    """Every task of another host than the head waits for its round trips; how many bytes it moves is not known."""
    return linked(pools, {host: Link(rtt=rtt) for host, _ in pools if host != head}, {})


def replayed(bench: Workbench, scenarios: Sequence[Scenario], replays: int) -> Draws:
    """Seconds by draw; draw i is of variant i modulo their number, with the luck of i in every layout."""
    count = len(scenarios)
    seconds = np.empty(replays)
    for number, scenario in enumerate(scenarios):
        picked = np.arange(number, replays, count)
        if len(picked):
            seconds[picked] = replay_many([scenario], _luck(bench, scenario, picked))[0]
    return seconds


def _luck(bench: Workbench, scenario: Scenario, picked: Iterable[int]) -> Luck:
    """The luck of these draws, as much as the scenario takes."""
    polling = scenario.control.polling
    timers = polling.refreshers + polling.helpers + len(scenario.workers) if polling else 0
    return draws_of([bench.seed * 1_000_003 + int(i) for i in picked], len(scenario.graph.nodes), timers)


def _controls(bench: Workbench, layout: Layout, change: Change) -> tuple[Control, ...]:
    """The control plane by every law that may hold for other settings, where agents wait notably for it.

    Settings that were measured, on whatever devices, tell what a claim costs under them. Else a claim waits as long as
    it did, or as segments are shorter or longer (as agents that poll do), or as claims are rarer or more frequent (as
    agents that queue for the coordinator do).
    """
    control, size = control_of(bench, change), 2.0 ** (layout.po2 - bench.base.layout.po2)
    if not bench.waiting or size == 1.0:
        return (control,)
    alike = [arm for arm in bench.found.arms if same_settings(arm.layout, layout)]
    if alike:
        nearest = min(alike, key=lambda arm: abs(len(arm.layout.agents) - len(layout.agents)))
        return (replace(control, claim=claim_seconds(nearest)),)
    return tuple(replace(control, claim=control.claim * factor) for factor in (size, 1.0, 1 / size))


def control_of(bench: Workbench, change: Change) -> Control:
    """Claims cost what they cost in the layout in service; polling where it is asked for."""
    if change.poll is None and change.refresh is None:
        return Control(claim=bench.claim)
    usual = Polling()
    poll = usual.poll if change.poll is None else change.poll
    refresh = usual.refresh if change.refresh is None else change.refresh
    return Control(claim=bench.claim, polling=Polling(poll=poll, refresh=refresh))


def _more_hosts(bench: Workbench, layout: Layout) -> tuple[Beyond, ...]:
    """More remote workers than any measured layout had."""
    head = bench.found.log.inventory.head.name

    def remotes(one: Layout) -> int:
        return len({agent.host for agent in one.agents} - {head})

    most = max(remotes(arm.layout) for arm in bench.found.arms)
    asked = remotes(layout)
    if asked <= max(1, most):
        return ()
    text = f"{asked} remote workers: at most {most} measured at once"
    return (Beyond(text=text, steps=math.log2(asked / max(1, most))),)


def _elsewhere(change: Change) -> tuple[Beyond, ...]:
    found = []
    if change.rtt:
        found.append(Beyond(text="a round trip that was not measured", steps=1.0))
    if change.poll is not None or change.refresh is not None:
        found.append(Beyond(text="a polling control plane that was not measured", steps=1.0))
    return tuple(found)


def _merged(beyond: Iterable[Beyond]) -> tuple[Beyond, ...]:
    """Each only once, however many hosts say it."""
    return tuple(dict.fromkeys(beyond))
