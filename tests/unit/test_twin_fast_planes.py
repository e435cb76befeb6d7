"""Distance, and the legacy control plane: figures that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twin_worlds import case_of

from fleet.model.record import TaskKind
from fleet.twin.control import Phases, Polling, next_poll
from fleet.twin.graph import Graph, Node
from fleet.twin.links import Link, efficiency, linked
from fleet.twin.replay import Control, Schedule, Service, Worker, replay

SECOND = Service(device=1.0)
PROVE = Node(kind=TaskKind.PROVE, before=(), released=0.0)
JOIN = Node(kind=TaskKind.JOIN, before=(), released=0.0)
MEGABYTES = 1e6


def graph(*nodes: Node) -> Graph:
    return Graph(nodes=nodes, cycles=len(nodes))


def boxes(count: int) -> list[Worker]:
    return [Worker(host="box", device=f"{number}") for number in range(count)]


def polled(nodes: tuple[Node, ...], polling: Polling, *workers: float, seconds: float = 1.0) -> Schedule:
    """Tasks of a second each, or so many; agents whose first requests are at these times, other timers at 0."""
    phases = Phases(refreshers=(0.0,) * polling.refreshers, helpers=(0.0,) * polling.helpers, workers=workers)
    service = Service(device=seconds)
    return replay(graph(*nodes), boxes(len(workers)), lambda *_: service, Control(polling=polling), phases)


@pytest.mark.parametrize(("rtt", "eta"), [(0.005, 0.98), (0.020, 0.92), (0.100, 0.70)])
def test_distance_costs_what_the_notes_say(rtt: float, eta: float) -> None:
    """A prove of 3.1 s with 5 MB, decision.md's figures."""
    assert efficiency(3.1, Link(rtt=rtt), 5 * MEGABYTES) == pytest.approx(eta, abs=0.005)


def test_joins_lose_more_by_distance_than_proves_do() -> None:
    far = Link(rtt=0.05)
    assert efficiency(1.15, far, 0.4 * MEGABYTES) < efficiency(3.1, far, 5 * MEGABYTES)


def test_agents_of_a_host_share_its_line_but_not_their_round_trips() -> None:
    """2 MB at 1 MB/s: the second agent's bytes wait for the first's; 3 trips of 0.1 s run side by side."""
    pools = {("far", TaskKind.PROVE): (SECOND,), ("box", TaskKind.PROVE): (SECOND,)}
    link = Link(rtt=0.1, bandwidth=MEGABYTES, trips=3)
    there = linked(pools, {"far": link}, {TaskKind.PROVE: 2 * MEGABYTES})
    assert there["box", TaskKind.PROVE] == (SECOND,)
    service = there["far", TaskKind.PROVE][0]
    assert service.line == pytest.approx(2.0)
    assert service.latency == pytest.approx(0.1 * (3 + 7.1085), abs=1e-4)
    workers = [Worker(host="far", device="0"), Worker(host="far", device="1")]
    schedule = replay(graph(PROVE, PROVE), workers, lambda *_: service)
    first = service.latency + 2 + 1
    assert schedule.ended == pytest.approx((first, first + 2))


def test_joins_go_first_or_the_oldest_does() -> None:
    for joins_first, order in ((True, (1.0, 0.0)), (False, (0.0, 1.0))):
        control = Control(joins_first=joins_first)
        assert replay(graph(PROVE, JOIN), boxes(1), lambda *_: SECOND, control).started == order


def test_work_is_not_seen_before_the_counter_is_refreshed() -> None:
    """Made at 0.5, after the refresh at 0: seen at 5, and the agent asks at 0.3, 1.3, … so it starts at 5.3."""
    late = Node(kind=TaskKind.PROVE, before=(), released=0.5)
    assert polled((late,), Polling(), 0.3).started == pytest.approx((5.3,))


def test_a_stale_counter_above_nought_lets_new_work_be_seen_at_once() -> None:
    """One task was ready at the refresh; the one that follows it starts right after it, no refresh needed."""
    follower = Node(kind=TaskKind.JOIN, before=(0,), released=0.0)
    assert polled((PROVE, follower), Polling(), 0.3).started == pytest.approx((0.3, 1.3))


def test_an_agent_that_meets_the_lock_sleeps() -> None:
    """The second agent asks 1 ms after the first, whose claim holds the row for 2 ms: it asks again a second later."""
    both = (PROVE, PROVE)
    assert polled(both, Polling(lock=0.002), 0.3, 0.301, seconds=3).started == pytest.approx((0.3, 1.301))
    assert polled(both, Polling(lock=0.0005), 0.3, 0.301, seconds=3).started == pytest.approx((0.3, 0.301))


def test_a_refresh_that_meets_the_lock_leaves_the_counter_as_it_was() -> None:
    """The second refresh comes 1 ms into the agent's request: it would have shown that nothing is ready any more."""
    polling = Polling(lock=0.002, refreshers=2)
    phases = Phases(refreshers=(0.0, 0.301), helpers=(0.0,), workers=(0.3,))
    follower = Node(kind=TaskKind.JOIN, before=(0,), released=0.0)
    for lock, started in ((0.002, 1.3), (0.0005, 5.3)):
        control = Control(polling=replace(polling, lock=lock))
        schedule = replay(graph(PROVE, follower), boxes(1), lambda *_: SECOND, control, phases)
        assert schedule.started == pytest.approx((0.3, started))


def test_without_sleep_the_lock_is_passed_on() -> None:
    """Three agents that never sleep claim one after the other, 2 ms apart."""
    schedule = polled((PROVE, PROVE, PROVE), Polling(poll=0.0, lock=0.002), 0.0, 0.0, 0.0)
    assert sorted(schedule.started) == pytest.approx([0.0, 0.002, 0.004])


def test_the_heads_tasks_wait_for_their_counter_too() -> None:
    """Ready at 1.3; the refresh at 5 shows it; the helper asks at 0, 1, 2, …"""
    last = Node(kind=TaskKind.FINALIZE, before=(0,), released=0.0, fixed=0.2)
    schedule = polled((PROVE, last), Polling(), 0.3)
    assert schedule.started == pytest.approx((0.3, 5.0))
    assert schedule.seconds == pytest.approx(5.2)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_control_plane_without_any_delay_is_push(seed: int) -> None:
    """Agents that never sleep, a counter that is always right, no lock: as if work were handed to them."""
    case = case_of(seed, 15)
    crew = boxes(1)  # With one agent no two can differ in who gets what.
    free = Polling(poll=0.0, refresh=0.0, lock=0.0)
    pushed, pulled = (
        replay(case.graph, crew, lambda number, _: Service(device=number % 3), Control(polling=polling))
        for polling in (None, free)
    )
    assert pulled.ended == pytest.approx(pushed.ended, abs=1e-9)


@given(first=st.floats(0, 100), period=st.floats(0.001, 10), earliest=st.floats(0, 1000))
def test_the_next_request_is_the_first_that_is_not_too_early(first: float, period: float, earliest: float) -> None:
    asked = next_poll(first, period, earliest)
    assert asked >= max(first, earliest)
    assert asked < max(first, earliest) + period * 1.000001


@pytest.mark.parametrize(
    "wrong", [{"poll": -1.0}, {"refresh": 1e-9}, {"lock": -1.0}, {"refreshers": 0}, {"helpers": 0}]
)
def test_a_control_plane_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"refresher|timer"):
        Polling(**wrong)  # type: ignore[arg-type]
