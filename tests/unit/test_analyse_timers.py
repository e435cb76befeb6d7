"""Timers read off records: planted clusters whose sleeps stray, and jobs that the twin has played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from planted_timers import Cluster, planted
from test_report_history import ARCHIVE, jobs

from fleet.analyse.foretell.timers import timers
from fleet.analyse.history import history
from fleet.model.history import History, Knobs, Plane
from fleet.model.record import JobRecord


def records(cluster: Cluster, count: int, since: int = 0) -> list[JobRecord]:
    return [planted(cluster, seed) for seed in range(since, since + count)]


TOLD = (
    Cluster(agents=8, poll=1.0, refresh=5.0, segments=33),
    Cluster(agents=8, poll=1.0, refresh=2.0),
    Cluster(agents=6, poll=3.0, refresh=5.0, segments=33),
)


@pytest.mark.parametrize("cluster", TOLD, ids=lambda c: f"{c.agents} agents, {c.poll:g} s, {c.refresh:g} s")
def test_what_was_planted_lies_in_the_interval(cluster: Cluster) -> None:
    """Ten jobs tell both timers within a few percent."""
    told = timers(records(cluster, 10), Plane.GATED, cluster.agents)
    assert told is not None
    assert told.poll is not None
    assert told.refresh is not None
    assert told.poll.low <= cluster.poll <= told.poll.high <= 1.06 * told.poll.low
    assert told.refresh.low <= cluster.refresh <= told.refresh.high <= 1.2 * told.refresh.low


HARD = (
    Cluster(agents=8, poll=0.0, refresh=5.0),
    Cluster(agents=4, poll=1.0, refresh=0.0),
    Cluster(agents=8, poll=0.25, refresh=1.0),
    Cluster(agents=6, poll=1.0, refresh=5.0, late=0.05),
)


@pytest.mark.parametrize("cluster", HARD, ids=lambda c: f"{c.agents} agents, {c.poll:g} s, {c.refresh:g} s, {c.late:g}")
def test_what_cannot_be_told_is_not_guessed(cluster: Cluster) -> None:
    """Agents that never sleep, counters that are always right, few waits: the truth or nothing."""
    for count in (1, 6):
        told = timers(records(cluster, count, since=100 * count), Plane.GATED, cluster.agents)
        assert told is not None
        for seen, planted_seconds in ((told.poll, cluster.poll), (told.refresh, cluster.refresh)):
            assert seen is None or seen.low <= planted_seconds + cluster.late <= seen.high + 2 * cluster.late


def test_two_jobs_tell_nothing() -> None:
    """Waits of one job share their ticks, so that two jobs are no evidence, however many waits they have."""
    told = timers(records(TOLD[1], 2), Plane.GATED, 8)
    assert told is not None
    assert (told.jobs, told.poll, told.refresh) == (2, None, None)


def test_a_known_poll_interval_is_enough_for_the_refresh_interval() -> None:
    """Four agents show their comb late; who states it learns the refresh interval from the same jobs."""
    cluster = Cluster(agents=4, poll=1.0, refresh=5.0)
    few = records(cluster, 4)
    alone, helped = (timers(few, Plane.GATED, 4, poll) for poll in (None, 1.0))
    assert alone is not None
    assert alone.refresh is None
    assert helped is not None
    assert helped.refresh is not None
    assert helped.refresh.low <= 5.0 <= helped.refresh.high


def test_where_counters_are_always_right_there_is_no_refresh_interval() -> None:
    """The older database's plane has one timer; a plane that pushes has none."""
    told = timers(records(TOLD[1], 6), Plane.TRIGGERS, 8)
    assert told is not None
    assert told.refresh is None
    assert timers(records(TOLD[1], 1), Plane.PUSH, 8) is None


def of_the_past(waits: Sequence[JobRecord], knobs: Knobs) -> History:
    """The archive's jobs with other records."""
    past = [replace(job, record=record) for job, record in zip(jobs() * 2, waits, strict=False)]
    return history(ARCHIVE, past, knobs)


def test_what_the_waits_tell_is_replayed_and_said() -> None:
    """A cluster with a refresh of 2 s that nobody states is not replayed with the default of 5 s."""
    waits = records(TOLD[1], 10)
    found = of_the_past(waits, Knobs(agents=8))
    assert (found.knobs.poll, found.knobs.refresh) == (1.0, 2.0)
    assert any(note.startswith("STREAM_REFRESH_INTERVAL 2 s is read off the waits of 1") for note in found.notes)
    stated = of_the_past(waits, Knobs(agents=8, poll=1.0, refresh=5.0, poll_stated=True, refresh_stated=True))
    assert stated.knobs.refresh == 5.0
    assert any("is stated as 5 s, but the waits of 1" in note for note in stated.notes)
    assert abs(found.missed or 1.0) < abs(stated.missed or 0.0)
