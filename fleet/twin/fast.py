"""Replays by the thousand: the compiled engine where numba is installed, else the reference with the same results.

`replay_fast` is the reference's `replay`, faster. `replay_many` asks a figure of many scenarios under many draws: all
scenarios meet the same luck in the same draw, so their differences are about the scenarios.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import ModuleType

import numpy as np

from fleet.model.record import TaskKind
from fleet.twin.arrays import Floats, Tasks
from fleet.twin.calibrate import Pools, drawn_services
from fleet.twin.control import Phases, Polling, phase_count, phases_of
from fleet.twin.flatten import Crew, Supply, crew_of, sampled_supply, tabled_supply, tasks_of, with_own_lots, world_of
from fleet.twin.graph import Graph, Node
from fleet.twin.replay import Control, Schedule, Service, Services, Worker, replay

STUCK = "tasks wait for prerequisites that never end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What would happen if: a graph on these agents, their service samples by (host, kind), and a control plane."""

    graph: Graph
    workers: tuple[Worker, ...]
    pools: Pools
    control: Control = field(default_factory=Control)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Chance by draw: `luck` (draws, tasks) picks samples, `shares` (draws, timers) the phases of polling timers.

    All in [0, 1). A scenario of fewer tasks or timers uses the first of them.
    """

    luck: Floats
    shares: Floats


def draws_of(seeds: Iterable[int], tasks: int, timers: int = 0) -> Draws:
    """One draw for each seed, which gives the luck of the tasks, then the shares of the timers."""
    generators = [np.random.default_rng(seed) for seed in seeds]
    luck = np.array([g.random(tasks) for g in generators]).reshape(len(generators), tasks)
    shares = np.array([g.random(timers) for g in generators]).reshape(len(generators), timers)
    return Draws(luck=luck, shares=shares)


def compiled_engine() -> ModuleType | None:
    """The engine, None where numba is not installed."""
    if find_spec("numba") is None:
        return None
    from fleet.twin import engine  # noqa: PLC0415 (numba takes a second to import and need not be there)

    return engine


def prepare() -> bool:
    """Have the engine compiled, or read from where it was kept, before it is needed; False without numba."""
    node = Node(kind=TaskKind.PROVE, before=(), released=0.0)
    replay_fast(Graph(nodes=(node,), cycles=1), [Worker(host="", device="")], lambda *_: Service(device=1.0))
    return compiled_engine() is not None


def replay_fast(
    graph: Graph,
    workers: Sequence[Worker],
    services: Services,
    control: Control | None = None,
    phases: Phases | None = None,
) -> Schedule:
    """What `replay` gives, with its arguments and errors; every service is asked for, used or not."""
    engine, control = compiled_engine(), control or Control()
    if engine is None or not workers:
        return replay(graph, workers, services, control, phases)
    tasks = with_own_lots(tasks_of(graph, joins_first=control.joins_first))
    crew = crew_of(workers, by_host=False)
    supply = tabled_supply(crew, graph, services, control)
    luck = np.zeros((1, len(graph.nodes)))
    world = world_of(tasks, crew, supply, control, luck, _phases(control.polling, len(workers), phases))
    seconds = np.empty(1)
    engine.run_all(world, seconds)
    if np.isnan(seconds[0]):
        raise ValueError(f"{world.core['left'][0]} {STUCK}")
    started, ended = (tuple(tasks.tasks[column][np.argsort(tasks.order)].tolist()) for column in ("started", "ended"))
    return Schedule(started=started, ended=ended, seconds=float(seconds[0]))


def _phases(polling: Polling | None, workers: int, phases: Phases | None) -> Floats:
    """One row of timers."""
    if polling is None:
        return np.empty((1, 0))
    phases = phases or phases_of(polling, [0.0] * phase_count(polling, workers))
    return np.array([phases.refreshers + phases.helpers + phases.workers])


def replay_many(scenarios: Sequence[Scenario], draws: Draws) -> Floats:
    """The job's seconds by (scenario, draw).

    ValueError without workers, where draws are too small, a host has no samples of a kind, or a graph cannot be
    finished.
    """
    kinds = {id(s.graph): {n.kind for n in s.graph.nodes if n.fixed is None} for s in _unlike(scenarios)}
    for scenario in scenarios:
        _check(scenario, draws, kinds[id(scenario.graph)])
    engine = compiled_engine()
    rows = _by_reference(scenarios, draws) if engine is None else _by_engine(engine, scenarios, draws)
    seconds = np.array(list(rows)).reshape(len(scenarios), len(draws.luck))
    if np.isnan(seconds).any():
        raise ValueError(STUCK)
    return seconds


def _unlike(scenarios: Iterable[Scenario]) -> Iterable[Scenario]:
    """One scenario for each graph."""
    return {id(scenario.graph): scenario for scenario in scenarios}.values()


def _check(scenario: Scenario, draws: Draws, kinds: Iterable[TaskKind]) -> None:
    workers, control = scenario.workers, scenario.control
    if not workers:
        raise ValueError("a replay needs at least one worker")
    if draws.luck.shape[1] < len(scenario.graph.nodes):
        raise ValueError(f"{len(scenario.graph.nodes)} tasks need as much luck, not {draws.luck.shape[1]}")
    timers = phase_count(control.polling, len(workers))
    if draws.shares.shape[1] < timers:
        raise ValueError(f"{timers} timers need as many shares, not {draws.shares.shape[1]}")
    for pool in {worker.pool for worker in workers}:
        for kind in kinds:
            if not scenario.pools.get((pool, kind)):
                raise ValueError(f"no {kind} task was measured on {pool}")


def _by_reference(scenarios: Iterable[Scenario], draws: Draws) -> Iterator[list[float]]:
    for scenario in scenarios:
        graph, polling = scenario.graph, scenario.control.polling
        timers = phase_count(polling, len(scenario.workers))
        row = []
        for luck, shares in zip(draws.luck, draws.shares, strict=True):
            phases = phases_of(polling, shares[:timers].tolist()) if polling else None
            services = drawn_services(graph, scenario.pools, luck)
            row.append(replay(graph, scenario.workers, services, scenario.control, phases).seconds)
        yield row


def _by_engine(engine: ModuleType, scenarios: Iterable[Scenario], draws: Draws) -> Iterator[Floats]:
    """Graphs, agents and samples are made into arrays once for all the scenarios that share them."""
    graphs: dict[tuple[int, bool], tuple[Tasks, Floats]] = {}
    crews: dict[int, Crew] = {}
    supplies: dict[tuple[int, tuple[Worker, ...], float], Supply] = {}
    for scenario in scenarios:
        control, form = scenario.control, (id(scenario.graph), scenario.control.joins_first)
        if form not in graphs:
            tasks = tasks_of(scenario.graph, joins_first=control.joins_first)
            graphs[form] = tasks, np.take(draws.luck, tasks.order, axis=1)
        if id(scenario.workers) not in crews:
            crews[id(scenario.workers)] = crew_of(scenario.workers, by_host=True)
        crew = crews[id(scenario.workers)]
        lot = (id(scenario.pools), crew.places, control.inbound)
        if lot not in supplies:
            supplies[lot] = sampled_supply(crew, scenario.pools, control)
        phases = _scaled(control.polling, draws.shares, len(scenario.workers))
        seconds = np.empty(len(draws.luck))
        tasks, luck = graphs[form]
        engine.run_all(world_of(tasks, crew, supplies[lot], control, luck, phases), seconds)
        yield seconds


def _scaled(polling: Polling | None, shares: Floats, workers: int) -> Floats:
    """Phases in seconds by (draw, timer), as `phases_of` has them."""
    if polling is None:
        return np.empty((len(shares), 0))
    periods = [polling.refresh] * polling.refreshers + [polling.poll] * (polling.helpers + workers)
    phases: Floats = shares[:, : len(periods)] * np.array(periods)
    return phases
