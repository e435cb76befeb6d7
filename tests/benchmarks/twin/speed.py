"""The twin's speed against SimPy, heapq and its own reference, on the same job in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from fleet.twin import flatten
from fleet.twin.calibrate import Pools, drawn_services
from fleet.twin.control import Polling
from fleet.twin.fast import Draws, Scenario, compiled_engine, draws_of, replay_many
from fleet.twin.graph import Graph
from fleet.twin.replay import Control, Worker, replay
from tests.benchmarks.twin.rivals import by_heapq, by_simpy, by_simpy_with_resources
from tests.benchmarks.twin.work import crew_of, job_of, samples, work_of

BIG, SHARED, PLAN = 1_000_000, 100_000, 2_000
"""Tasks of the big job, of the job that all rivals run, and of a plan."""
PLANS = 1_000
CREWS, BIG_CREW, RIVAL_CREWS = (8, 64, 1024), 64, (8, 64)
BIG_GOAL, PLANS_GOAL, SIMPY_GOAL = 0.15, 0.25, 200
SAME = 1e-9
REPEATS = 5


class Disagreement(Exception):  # noqa: N818 (it is one)
    """Two replays of one job gave different seconds."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The best of a few: seconds of the processor, of the wall, and what the job took in simulated time."""

    processor: float
    wall: float
    answer: float


def measured(run: Callable[[], float], repeats: int = REPEATS) -> Timing:
    """Run it a few times."""
    processor, wall, answer = float("inf"), float("inf"), 0.0
    for _ in range(repeats):
        began, woke = time.thread_time(), time.perf_counter()
        answer = run()
        processor = min(processor, time.thread_time() - began)
        wall = min(wall, time.perf_counter() - woke)
    return Timing(processor=processor, wall=wall, answer=answer)


def speed_table(*, quick: bool) -> Iterator[str]:
    """All lines, each as soon as it is known. Disagreement where two replays of one job differ."""
    if compiled_engine() is None:
        yield "numba is not installed: the twin replays with its reference, and there is nothing to compare"
        return
    share = 10 if quick else 1
    yield "SPEED (seconds of the processor, of the wall; best of a few)"
    yield f"  {'':46} {'processor':>10} {'wall':>8} {'M tasks/s':>10}"
    yield from _big(BIG // share)
    yield from _plans(PLANS // share)
    for agents in RIVAL_CREWS:
        yield from _rivals(SHARED // share, agents, bus=False)
        yield from _rivals(SHARED // share, agents, bus=True)


def _line(what: str, timing: Timing, tasks: int, note: str = "") -> str:
    rate = tasks / timing.processor / 1e6
    return f"  {what:46} {timing.processor:10.4f} {timing.wall:8.3f} {rate:10.3f}  {note}".rstrip()


def _goal(value: float, goal: float) -> str:
    return f"goal ≤ {goal} s: {'reached' if value <= goal else 'missed'}"


def compiled(graph: Graph, crew: Sequence[Worker], pools: Pools, luck: Draws) -> Callable[[], float]:
    """A replay by the engine alone: arrays in, seconds out."""
    engine, control = compiled_engine(), Control()
    assert engine is not None
    agents = flatten.crew_of(crew, by_host=True)
    tasks = flatten.tasks_of(graph, joins_first=control.joins_first)
    supply = flatten.sampled_supply(agents, pools, control)
    world = flatten.world_of(tasks, agents, supply, control, np.take(luck.luck, tasks.order, axis=1), luck.shares)
    seconds = np.empty(1)

    def run() -> float:
        engine.run_all(world, seconds)
        return float(seconds[0])

    run()  # Compiles, or reads what was compiled.
    return run


def _big(tasks: int) -> Iterator[str]:
    graph = job_of(tasks)
    size, luck = len(graph.nodes), draws_of([1], len(graph.nodes))
    for agents in CREWS:
        crew = crew_of(agents)
        timing = measured(compiled(graph, crew, samples(crew, bus=False), luck))
        note = _goal(timing.processor * BIG / tasks, BIG_GOAL) if agents == BIG_CREW else ""
        yield _line(f"engine, {size:,} tasks, {agents} agents", timing, size, note)
    arrays = measured(lambda: float(len(flatten.tasks_of(graph, joins_first=True).order)), 1)
    yield _line("  its graph into arrays, once", arrays, size)


def _plans(plans: int) -> Iterator[str]:
    """`replay_many` with everything that it does, for crews of 1 to 16."""
    graph = job_of(PLAN)
    size, luck = len(graph.nodes), draws_of([1], len(graph.nodes), 20)
    pools = samples(crew_of(16), bus=False)
    for name, control in (("push", Control()), ("polling", Control(polling=Polling(refreshers=2, helpers=2)))):
        scenarios = [
            Scenario(graph=graph, workers=crew_of(1 + plan % 16), pools=pools, control=control) for plan in range(plans)
        ]
        timing = measured(partial(_total, scenarios, luck))
        note = _goal(timing.processor * PLANS / plans, PLANS_GOAL) if name == "push" else ""
        yield _line(f"{plans:,} plans of {size:,} tasks, {name}", timing, plans * size, note)


def _total(scenarios: Sequence[Scenario], luck: Draws) -> float:
    return float(replay_many(scenarios, luck).sum())


def _rivals(tasks: int, agents: int, *, bus: bool) -> Iterator[str]:
    graph, crew = job_of(tasks), crew_of(agents)
    pools = samples(crew, bus=bus)
    size, luck = len(graph.nodes), draws_of([1], len(graph.nodes))
    services = drawn_services(graph, pools, luck.luck[0])
    work = work_of(graph, crew, services)
    ours = measured(compiled(graph, crew, pools, luck))
    yield _line(f"engine, {size:,} tasks, {agents} agents{', bus and device' if bus else ''}", ours, size)
    bare = (("plain heapq", by_heapq), ("SimPy, as few events as can be", by_simpy))
    full = (("SimPy, bus and device as resources", by_simpy_with_resources),)
    for name, rival in full if bus else bare:
        yield _against(ours, name, measured(partial(rival, work), 2), size)
    reference = measured(lambda: replay(graph, crew, services).seconds, 1)
    yield _against(ours, "the reference", reference, size)


def _against(ours: Timing, name: str, theirs: Timing, tasks: int) -> str:
    if abs(theirs.answer - ours.answer) > SAME * ours.answer:
        raise Disagreement(f"{name}: {theirs.answer!r} s, the engine {ours.answer!r} s")
    ratio = theirs.processor / ours.processor
    note = f"engine {ratio:,.0f} × faster"
    if name.startswith("SimPy"):
        note += f", goal ≥ {SIMPY_GOAL} ×: {'reached' if ratio >= SIMPY_GOAL else 'missed'}"
    return _line(f"  {name}", theirs, tasks, note)
