"""The compiled replay and the reference are one: the same start and end of every task, whatever the world."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twin_worlds import case_of, control_with, graph_with, workers_with

from fleet.model.record import TaskKind
from fleet.twin import control
from fleet.twin.calibrate import drawn_services
from fleet.twin.control import phase_count, phases_of
from fleet.twin.fast import Scenario, draws_of, replay_fast, replay_many
from fleet.twin.graph import Graph, Node
from fleet.twin.replay import Control, Service, Worker, replay

engine = pytest.importorskip("fleet.twin.engine", reason="numba is not installed")

BOX = Worker(host="box", device="0")
SEEDS = st.integers(0, 2**32)


@settings(max_examples=500, deadline=None)
@given(seed=SEEDS, tasks=st.integers(1, 40))
def test_every_task_starts_and_ends_at_the_same_time(seed: int, tasks: int) -> None:
    case = case_of(seed, tasks)
    slow = replay(case.graph, case.workers, case.services, case.control, case.phases)
    fast = replay_fast(case.graph, case.workers, case.services, case.control, case.phases)
    assert fast.started == pytest.approx(slow.started, abs=1e-9)
    assert fast.ended == pytest.approx(slow.ended, abs=1e-9)
    assert fast.seconds == pytest.approx(slow.seconds, abs=1e-9)


def test_large_graphs_too() -> None:
    """More tasks than two levels of 64-bit words hold, so that every level is in use."""
    case = case_of(7, 5000)
    slow = replay(case.graph, case.workers, case.services, case.control, case.phases)
    fast = replay_fast(case.graph, case.workers, case.services, case.control, case.phases)
    assert fast.ended == pytest.approx(slow.ended, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_many_scenarios_under_many_draws_are_what_the_reference_gives_one_by_one(seed: int) -> None:
    scenarios = [_scenario(seed + number) for number in range(4)]
    draws = draws_of(range(3), 40, 12)
    seconds = replay_many(scenarios, draws)
    for row, scenario in enumerate(scenarios):
        polling, crew = scenario.control.polling, len(scenario.workers)
        for draw in range(3):
            services = drawn_services(
                scenario.graph, scenario.pools, np.random.default_rng(draw).random(len(scenario.graph.nodes))
            )
            shares = draws.shares[draw, : phase_count(polling, crew)].tolist()
            phases = phases_of(polling, shares) if polling else None
            slow = replay(scenario.graph, scenario.workers, services, scenario.control, phases)
            assert seconds[row, draw] == pytest.approx(slow.seconds, abs=1e-9)


def _scenario(seed: int) -> Scenario:
    chance = Random(seed)  # noqa: S311 (chance for a test)
    kinds = (TaskKind.PROVE, TaskKind.JOIN, TaskKind.RESOLVE)
    pools = {
        (host, kind): tuple(Service(device=chance.uniform(1, 2), bus=chance.random()) for _ in range(3))
        for host in ("box", "far")
        for kind in kinds
    }
    graph = graph_with(chance, lambda most: chance.uniform(0, most), chance.randint(1, 40))
    settings_of = control_with(chance, lambda most: chance.uniform(0, most))
    return Scenario(graph=graph, workers=workers_with(chance), pools=pools, control=settings_of)


def test_without_numba_the_reference_answers_with_the_same_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    scenarios, draws = [_scenario(seed) for seed in range(6)], draws_of(range(2), 40, 12)
    compiled = replay_many(scenarios, draws)
    case = case_of(3, 30)
    fast = replay_fast(case.graph, case.workers, case.services, case.control, case.phases)
    monkeypatch.setattr("fleet.twin.fast.compiled_engine", lambda: None)
    assert replay_many(scenarios, draws) == pytest.approx(compiled, abs=1e-9)
    slow = replay_fast(case.graph, case.workers, case.services, case.control, case.phases)
    assert slow.ended == pytest.approx(fast.ended, abs=1e-9)


@settings(deadline=None)
@given(first=st.floats(0, 1e3), period=st.just(0.0) | st.floats(control.SHORTEST, 10), earliest=st.floats(0, 1e4))
@example(first=0.0, period=0.1, earliest=0.3)
def test_both_replays_round_the_next_request_alike(first: float, period: float, earliest: float) -> None:
    assert engine.next_poll.py_func(first, period, earliest) == control.next_poll(first, period, earliest)


def test_a_graph_that_cannot_be_finished_is_refused() -> None:
    """Two tasks that wait for each other never end, with either control plane."""
    nodes = (
        Node(kind=TaskKind.PROVE, before=(1,), released=0.0),
        Node(kind=TaskKind.PROVE, before=(0,), released=0.0),
    )
    graph = Graph(nodes=nodes, cycles=1)
    for plane in (Control(), Control(polling=control.Polling())):
        with pytest.raises(ValueError, match="2 tasks wait"):
            replay(graph, [BOX], lambda *_: Service(device=1.0), plane)
        with pytest.raises(ValueError, match="2 tasks wait"):
            replay_fast(graph, [BOX], lambda *_: Service(device=1.0), plane)
        scenario = Scenario(graph=graph, workers=(BOX,), pools=_pools("box"), control=plane)
        with pytest.raises(ValueError, match="tasks wait"):
            replay_many([scenario], draws_of([0], 2, 3))


def _pools(host: str) -> dict[tuple[str, TaskKind], tuple[Service, ...]]:
    return {(host, TaskKind.PROVE): (Service(device=1.0),)}


@pytest.mark.parametrize(
    ("workers", "host", "tasks", "timers", "complaint"),
    [
        ((), "box", 1, 3, "at least one worker"),
        ((BOX,), "far", 1, 3, "no prove task was measured on box"),
        ((BOX,), "box", 0, 3, "1 tasks need as much luck, not 0"),
        ((BOX,), "box", 1, 2, "3 timers need as many shares, not 2"),
    ],
)
def test_what_cannot_be_replayed_is_said_before_anything_runs(
    workers: tuple[Worker, ...], host: str, tasks: int, timers: int, complaint: str
) -> None:
    graph = Graph(nodes=(Node(kind=TaskKind.PROVE, before=(), released=0.0),), cycles=1)
    plane = Control(polling=control.Polling())
    scenario = Scenario(graph=graph, workers=workers, pools=_pools(host), control=plane)
    with pytest.raises(ValueError, match=complaint):
        replay_many([scenario], draws_of([0], tasks, timers))


def test_a_seed_means_the_same_luck_as_in_a_resampled_replay() -> None:
    assert draws_of([5], 10).luck[0] == pytest.approx(np.random.default_rng(5).random(10))


def test_where_no_cache_can_be_written_it_is_compiled_all_the_same() -> None:
    """A function without a file has no place for its cache."""
    from fleet.twin.compiled import entry  # noqa: PLC0415 (needs numba)

    names: dict[str, Any] = {}
    exec("def double(x): return x * 2", names)  # noqa: S102 (a function without a file)
    assert entry(names["double"])(4) == 8
