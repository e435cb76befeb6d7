"""What a layout that was never measured would give: replays of the job under shared luck, against the layout in service.

Both layouts meet the same luck in the same draw, so their ratio is about the layouts. The rate is anchored at the
measured one: Hz = measured Hz of the layout in service × ratio of the replays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

import numpy as np

from fleet.analyse.arms import Arm, estimate
from fleet.analyse.findings import Findings, findings
from fleet.analyse.identity import claim_seconds
from fleet.analyse.stats import Draws, central, generator_for
from fleet.analyse.supply import HostOutlook, Part, shapes_of, supply_of
from fleet.errors import ConfigurationError
from fleet.model.inventory import Device, Role
from fleet.model.rates import span
from fleet.model.record import RunLog, TaskKind
from fleet.model.simulation import Beyond, Change, Prediction, Source
from fleet.model.trial import AgentSpec, Layout
from fleet.model.verdict import Estimate
from fleet.twin.calibrate import Pools, completed, seconds_of
from fleet.twin.control import Polling
from fleet.twin.fast import Scenario, draws_of, replay_many
from fleet.twin.fast import Draws as Luck
from fleet.twin.graph import Graph, graph_of
from fleet.twin.replay import Control

REPLAYS = 240
"""Draws of every figure; many numbers of variants divide it."""

MODEL_ERROR = 0.015
"""Standard error of a replayed ratio inside the measured range: half of the 3 % that decision.md asks of the twin."""

STEP_ERROR = 0.03
"""… and for each step (a doubling, a setting never tried) outside it."""

TRIPS = 5
"""Round trips of a task on a remote worker, one after the other (decision.md, from Bento's sources)."""

NO_EXECUTOR = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """What planning knows and analysis may not import.

    `graph(iterations, po2, rate, finalize)`: the graph of a job; `fits(devices, agents, po2)`: whether memory allows it.
    """

    graph: Callable[[int, int, float, float], Graph]
    fits: Callable[[Iterable[Device], int, int], bool]


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a layout would give: the job's seconds by draw, and its scenarios by variant of the laws."""

    layout: Layout
    scenarios: tuple[Scenario, ...]
    seconds: Draws
    beyond: tuple[Beyond, ...]
    basis: tuple[str, ...]

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
    def now(self) -> Outlook:
        """The layout in service, replayed."""
        return outlook(self, self.base.layout)

    @cached_property
    def measured(self) -> Estimate:
        """The measured rate of the layout in service."""
        return estimate(self.base, self.found.spread, self.seed)

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
    hosts = [supply_of(bench.found, part) for part in parts_of(bench, layout)]
    graph, control = graph_for(bench, layout.po2), control_of(bench, change)
    scenarios = _scenarios(bench, graph, control, hosts, change.rtt)
    return Outlook(
        layout=layout,
        scenarios=scenarios,
        seconds=_replayed(bench, scenarios, replays),
        beyond=_merged((*(b for host in hosts for b in host.beyond), *_more_hosts(bench, layout), *_elsewhere(change))),
        basis=tuple(host.basis for host in hosts),
    )


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
            completed(pools, {worker.host for worker in workers}), bench.found.log.inventory.head.name, rtt
        )
        scenarios.append(Scenario(graph=graph, workers=workers, pools=pools, control=control))
    return tuple(scenarios)


def _further(pools: Pools, head: str, rtt: float) -> Pools:
    """Every task of another host than the head waits for its round trips."""
    if not rtt:
        return pools
    return {
        (host, kind): samples if host == head else tuple(replace(s, latency=s.latency + TRIPS * rtt) for s in samples)
        for (host, kind), samples in pools.items()
    }


def _replayed(bench: Workbench, scenarios: Sequence[Scenario], replays: int) -> Draws:
    """Seconds by draw; draw i is one of variant i modulo their number, with the luck of i in every layout."""
    count = len(scenarios)
    seconds = np.empty(replays)
    for number, scenario in enumerate(scenarios):
        picked = np.arange(number, replays, count)
        if len(picked):
            seconds[picked] = replay_many([scenario], luck_for(bench, scenario, picked))[0]
    return seconds


def luck_for(bench: Workbench, scenario: Scenario, picked: Iterable[int]) -> Luck:
    """The luck of these draws, as much as the scenario takes."""
    polling = scenario.control.polling
    timers = polling.refreshers + polling.helpers + len(scenario.workers) if polling else 0
    return draws_of([bench.seed * 1_000_003 + int(i) for i in picked], len(scenario.graph.nodes), timers)


def graph_for(bench: Workbench, po2: int) -> Graph:
    """The plan's load cut at that size: as seen where it was measured, else as planning has it."""
    arms = sorted((arm for arm in bench.found.arms if arm.layout.po2 == po2), key=lambda arm: arm is not bench.base)
    if arms:
        return together([graph_of(job) for job in arms[0].trials[0].jobs])
    load = bench.found.log.plan.load
    rate, finalize = _head_pace(bench.base)
    return together([bench.premises.graph(load.iterations, po2, rate, finalize)] * load.jobs)


def _head_pace(base: Arm) -> tuple[float, float]:
    """The executor's cycles per second, and the seconds of a finalize off the agents."""
    executed = [(job, task) for job in base.jobs for task in job.tasks if task.kind is TaskKind.EXECUTE]
    seconds = sum(seconds_of(task) for _, task in executed)
    cycles = sum(job.total_cycles for job, _ in executed)
    last = [seconds_of(task) for job in base.jobs for task in job.tasks if task.kind is TaskKind.FINALIZE]
    return (cycles / seconds if seconds > 0 else NO_EXECUTOR), (sum(last) / len(last) if last else 0.0)


def together(graphs: Sequence[Graph]) -> Graph:
    """Jobs submitted together as one graph, their tasks in order of creation."""
    if len(graphs) == 1:
        return graphs[0]
    order = sorted(
        (
            (node.released, number, place)
            for number, graph in enumerate(graphs)
            for place, node in enumerate(graph.nodes)
        ),
    )
    position = {(number, place): at for at, (_, number, place) in enumerate(order)}
    nodes = tuple(
        replace(
            graphs[number].nodes[place],
            before=tuple(position[number, p] for p in graphs[number].nodes[place].before),
        )
        for _, number, place in order
    )
    return Graph(nodes=nodes, cycles=sum(graph.cycles for graph in graphs))


def control_of(bench: Workbench, change: Change) -> Control:
    """Claims cost what they cost in the layout in service; polling where it is asked for."""
    if change.poll is None and change.refresh is None:
        return Control(claim=bench.claim)
    usual = Polling()
    poll = usual.poll if change.poll is None else change.poll
    refresh = usual.refresh if change.refresh is None else change.refresh
    return Control(claim=bench.claim, polling=Polling(poll=poll, refresh=refresh))


def parts_of(bench: Workbench, layout: Layout) -> tuple[Part, ...]:
    """What a layout asks of each host, with the measured host that each resembles."""
    found = bench.found
    parts = []
    for host, agents in groupby(sorted(layout.agents), key=lambda agent: agent.host):
        group = tuple(agents)
        devices = tuple(dict.fromkeys(agent.device for agent in group))
        like, strange = _like(found, host)
        each = len(group) // len(devices)
        parts.append(Part(host=host, like=like, devices=devices, agents=each, po2=layout.po2, strange=strange))
    return tuple(parts)


def _like(found: Findings, host: str) -> tuple[str, bool]:
    """The measured host that a host is served like, and whether that is a guess."""
    if shapes_of(found, host):
        return host, False
    known = [h.name for h in found.log.inventory.hosts if h.role is not Role.HEAD and shapes_of(found, h.name)]
    return (known[0], False) if known else (found.box.name, True)


def _more_hosts(bench: Workbench, layout: Layout) -> tuple[Beyond, ...]:
    """More remote workers than any measured layout had."""
    head = bench.found.log.inventory.head.name

    def remotes(one: Layout) -> int:
        return len({agent.host for agent in one.agents} - {head})

    most = max(remotes(arm.layout) for arm in bench.found.arms if arm.layout.po2)
    asked = remotes(layout)
    if asked <= most:
        return ()
    text = f"{asked} remote workers: {most or 'none'} {'was' if most < 2 else 'were'} measured at once"  # noqa: PLR2004 (grammar)
    return (Beyond(text=text, steps=math.log2(asked / max(1, most)) or 1.0),)


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


def error_of(beyond: Iterable[Beyond]) -> float:
    """The standard error of a replayed ratio that leaves the measured range so far."""
    return MODEL_ERROR + STEP_ERROR * sum(one.steps for one in beyond)


def gains_of(bench: Workbench, view: Outlook) -> Draws:
    """Relative gains over the layout in service, by draw, with the replay's own error, which grows beyond the measured."""
    ratios = view.rates / bench.now.rates[: len(view.seconds)]
    if view.layout == bench.base.layout and not view.beyond:
        return np.asarray(ratios - 1, dtype=np.float64)
    chance = generator_for(bench.seed, f"replay {view.layout}").standard_normal(len(ratios))
    return np.asarray(ratios * np.exp(error_of(view.beyond) * chance) - 1, dtype=np.float64)


def hertz_of(bench: Workbench, gains: Draws) -> Draws:
    """Hz by draw, anchored at the measured rate of the layout in service."""
    return np.asarray(bench.base.hz * bench.noise[: len(gains)] * (1 + gains), dtype=np.float64)


def estimated(draws: Draws, unit: str) -> Estimate:
    """The middle of the draws with their central 95 %; n = 0, as it was not measured."""
    low, high = central(draws)
    return Estimate(value=float(np.median(draws)), low=low, high=high, n=0, unit=unit)


def prediction(bench: Workbench, view: Outlook) -> Prediction:
    """An outlook in figures."""
    gains = gains_of(bench, view)
    arm = bench.found.arm(view.layout)
    return Prediction(
        layout=view.layout,
        hz=estimated(hertz_of(bench, gains), "Hz"),
        gain=estimated(gains, ""),
        better=float((gains > 0).mean()),
        beyond=view.beyond,
        basis=view.basis,
        measured=estimate(arm, bench.found.spread, bench.seed) if arm else None,
    )


def changed_layout(bench: Workbench, change: Change) -> Layout:
    """The layout in service with a change. ConfigurationError where it takes away more than there is."""
    current, box = bench.base.layout, bench.found.box
    po2, agents = change.po2 or current.po2, change.agents or current.agents_per_device
    devices = [pair for pair in current.devices if pair[0] != box.name]
    devices += [(box.name, name) for name in _box_devices(bench, change.gpus)]
    devices = _with_remotes(bench, devices, change.remotes)
    specs = [AgentSpec(host=h, device=d, slot=slot) for h, d in devices for slot in range(agents)]
    return Layout(agents=tuple(sorted(specs)), po2=po2)


def _box_devices(bench: Workbench, more: int) -> list[str]:
    box = bench.found.box
    names = [device for host, device in bench.base.layout.devices if host == box.name]
    if len(names) + more < 1:
        raise ConfigurationError(f"--gpus {more:+d}: {box.name} has {len(names)} in service, at least one must stay")
    new = [f"new-{number + 1}" for number in range(max(0, more))]
    return [*names, *new][: len(names) + more]


def _with_remotes(bench: Workbench, devices: list[tuple[str, str]], more: int) -> list[tuple[str, str]]:
    """Remote workers added (the inventory's candidates first, then others like them) or taken away."""
    inventory, box = bench.found.log.inventory, bench.found.box.name
    serving = sorted({host for host, _ in devices if host not in (box, inventory.head.name)})
    if len(serving) + more < 0:
        raise ConfigurationError(f"--remote {more:+d}: there are {len(serving)} remote workers in service")
    if more <= 0:
        gone = set(serving[len(serving) + more :])
        return [pair for pair in devices if pair[0] not in gone]
    spare = [host for host in inventory.hosts if host.candidate and host.devices and host.name not in serving]
    spare.sort(key=lambda host: not shapes_of(bench.found, host.name))
    model = next(iter(spare), None) or next((h for h in inventory.hosts if h.name in serving), None)
    added = [(host.name, device.name) for host in spare[:more] for device in host.devices]
    for number in range(more - len(spare[:more])):
        names = [device.name for device in model.devices] if model else ["new-1"]
        added += [(f"new-{number + 1}", name) for name in names]
    return [*devices, *added]
