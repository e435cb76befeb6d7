"""A replay always comes to its end: what happens in one instant is bounded, and so is what happens in a job."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twin_worlds import Case, case_of, phases_with

from fleet.twin import agenda
from fleet.twin.control import Polling, period_of
from fleet.twin.fast import compiled_engine, replay_fast
from fleet.twin.replay import Schedule, replay

TINY = 1e-12
"""Seconds that vanish beside a job's."""


def planes(chance: Random, case: Case) -> Case:
    """The same world with a plane of the far corners: no sleep, no counter, locks of nothing and of a minute."""
    polling = Polling(
        poll=chance.choice((0.0, 0.0, 0.04, 1.0)),
        refresh=chance.choice((0.0, 0.04, 1.0, 5.0)),
        lock=chance.choice((0.0, TINY, 0.002, 0.25, 50.0)),
        refreshers=chance.randint(1, 3),
        helpers=chance.randint(1, 3),
    )
    control = replace(case.control, polling=polling, claim=chance.choice((0.0, TINY, 0.004, 1.0)))
    stretch = chance.choice((0.0, 1.0, 1.0, 30.0))
    table = {key: replace(service, device=service.device * stretch) for key, service in case.table.items()}
    phases = phases_with(chance, control, len(case.workers))
    return replace(case, control=control, table=table, phases=phases)


def counted(case: Case, monkeypatch: pytest.MonkeyPatch) -> tuple[Schedule, int, int]:
    """The reference's answer, its steps, and the most steps of one instant; no more than a million are taken."""
    step, at, steps, instant, most = agenda.Agenda.step, -1.0, 0, 0, 0

    def counting(self: agenda.Agenda) -> bool:
        nonlocal at, steps, instant, most
        more = step(self)
        steps, instant = steps + 1, instant + 1 if self.now == at else 1
        at, most = self.now, max(most, instant)
        assert steps < 1_000_000
        return more

    with monkeypatch.context() as patch:
        patch.setattr(agenda.Agenda, "step", counting)
        schedule = replay(case.graph, case.workers, case.services, case.control, case.phases)
    return schedule, steps, most


# Every request that comes to nothing sleeps, waits for the lock or for a refresh, or is parked until work is there; so
# the steps of an instant are bounded by tasks and agents, and those of a job by its timers. Both replays end alike.
@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), tasks=st.integers(1, 25))
def test_no_control_plane_goes_round_in_circles(seed: int, tasks: int) -> None:
    case = planes(Random(seed), case_of(seed, tasks))  # noqa: S311 (chance for a test)
    polling, agents = case.control.polling, len(case.workers)
    assert polling is not None
    with pytest.MonkeyPatch.context() as monkeypatch:
        schedule, steps, most = counted(case, monkeypatch)
    moves = 8 * tasks
    assert most <= moves + agents * (tasks + 2) + polling.refreshers
    period = period_of(polling, case.control.claim)
    ticks = polling.refreshers * (schedule.seconds / polling.refresh + 1) if polling.refresh else 0
    asked = agents * schedule.seconds / period if period else 0
    assert steps <= moves + ticks + asked + agents * (moves + ticks + 2)
    if compiled_engine() is not None:
        fast = replay_fast(case.graph, case.workers, case.services, case.control, case.phases)
        assert fast.ended == pytest.approx(schedule.ended, rel=1e-9, abs=1e-9)


def test_agents_sleep_through_until_something_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counter is always right and the head needs an hour: nobody asks a million times in between."""
    case = case_of(1, 1)
    polling = Polling(poll=0.001, refresh=0.0)
    late = replace(case.graph, nodes=(replace(case.graph.nodes[0], released=3600.0005, fixed=None),))
    crew = case.workers[:1]
    case = replace(
        case, graph=late, workers=crew, control=replace(case.control, polling=polling, claim=0.0), phases=None
    )
    schedule, steps, _ = counted(case, monkeypatch)
    assert steps < 20
    assert schedule.started == pytest.approx((3600.001,), abs=1e-6)
