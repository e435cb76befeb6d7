"""The executor: segments at its own rate, traces that everybody can make again, no more of them than there is room."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from fleet.model.inventory import SyntheticSettings
from fleet.plan.trials.segments import segments
from fleet.remote.cluster.executor import Cut, CutAll, CutFailed, Cutting, Room, cut_job
from fleet.remote.cluster.expected import Expected
from fleet.remote.prover.digest import expected_digest
from fleet.remote.prover.trace import make_trace

FAST = SyntheticSettings(executor_rate=1e15, columns=2, trace_po2=3)


def cutting(*, small: bool = True, iterations: int = 64) -> Cutting:
    return Cutting(
        iterations=iterations, po2=16, trace_po2=FAST.trace_po2 if small else None, time_scale=1.0, settings=FAST
    )


def cut(job: int, what: Cutting, room: Room, stop: threading.Event | None = None) -> list[object]:
    posted: list[object] = []
    cut_job(job, what, lambda data: data, room, stop or threading.Event(), posted.append)
    return posted


def test_an_executor_posts_every_segment_in_order_and_then_its_end() -> None:
    *cuts, end = cut(3, cutting(), Room())
    assert [each.segment for each in cuts if isinstance(each, Cut)] == list(segments(64, 16))
    assert isinstance(end, CutAll)
    assert end.job == 3


def test_a_trace_depends_on_job_and_segment_only() -> None:
    """Whoever works out the reference makes the same one."""
    cuts = [each for each in cut(3, cutting(), Room()) if isinstance(each, Cut)]
    assert [each.stored for each in cuts] == [make_trace(3, each.segment.index, 3, 2) for each in cuts]
    assert all(each.size == len(each.stored) for each in cuts)


def test_a_device_that_really_proves_gets_as_many_rows_as_the_segment_has_cycles() -> None:
    what = cutting(small=False)
    assert [what.rows_po2(each) for each in what.plan()] == [each.po2 for each in segments(64, 16)]
    assert {cutting().rows_po2(each) for each in what.plan()} == {3}


def test_an_executor_waits_while_the_store_is_full_and_ends_when_it_is_told() -> None:
    """One trace always has room; the second must wait for it, here until the trial ends."""
    room = Room(limit=1)
    posted: list[Any] = []
    thread = threading.Thread(
        target=cut_job, args=(0, cutting(), lambda data: data, room, threading.Event(), posted.append)
    )
    thread.start()
    thread.join(0.5)
    assert len(posted) == 1
    room.give_back(posted[0].size)
    thread.join(0.5)
    assert len(posted) == 2
    room.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert len(posted) == 2


def test_an_executor_that_is_told_to_stop_says_nothing_more() -> None:
    stop = threading.Event()
    stop.set()
    assert cut(0, cutting(), Room(), stop) == []


def test_what_goes_wrong_in_an_executor_reaches_the_trial() -> None:
    posted: list[object] = []

    def full(_data: bytes) -> None:
        raise OSError("the disk is full")

    cut_job(2, cutting(), full, Room(), threading.Event(), posted.append)
    assert posted == [CutFailed(job=2, message="the executor failed: OSError: the disk is full")]


def test_the_expected_digest_is_worked_out_once_and_differs_by_job() -> None:
    """No two jobs of a trial have the same one, or a mix-up of jobs would go unnoticed."""
    expected, what = Expected(), cutting(iterations=20)
    futures = expected.ask(what, 2)
    rows = [3] * len(what.plan())
    assert [each.result(timeout=60) for each in futures] == [expected_digest(job, rows, 2) for job in range(2)]
    assert futures[0].result() != futures[1].result()
    assert expected.ask(what, 1)[0] is futures[0]


def test_segments_of_the_expected_digest_may_be_proved_side_by_side() -> None:
    """The digest is the same; each segment is told, for whoever waits."""
    told: list[int] = []
    alone = expected_digest(1, [5, 5, 4], 2, pulse=lambda: told.append(1))
    assert len(told) == 3
    assert expected_digest(1, [5, 5, 4], 2, workers=3) == alone


def test_an_impossible_po2_is_the_executors_failure() -> None:
    with pytest.raises(ValueError, match="po2 14 leaves no room"):
        Cutting(iterations=1, po2=14, trace_po2=None, time_scale=1.0, settings=FAST).plan()
