"""Turns never overlap, waste no idle time, and cost nobody anything for waking up late."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.remote.prover.turns import MAX_SPANS, Turns, cut, passed, take

durations = st.floats(0.001, 10.0)
requests = st.lists(st.tuples(st.floats(0.0, 200.0), durations), min_size=1, max_size=3 * MAX_SPANS)


@given(requests)
def test_turns_never_overlap_and_never_begin_early(asked: list[tuple[float, float]]) -> None:
    """In whatever order and however late they are asked for, also past what is remembered."""
    turns = Turns()
    given_ = [take(turns, arrival, seconds) for arrival, seconds in asked]
    assert all(turn.start >= arrival for turn, (arrival, _) in zip(given_, asked, strict=True))
    assert [turn.end - turn.start for turn in given_] == pytest.approx([seconds for _, seconds in asked])
    assert all(one.end <= two.start for one, two in pairwise(sorted(given_, key=lambda turn: turn.start)))
    assert passed(turns, 1e9) == pytest.approx(sum(seconds for _, seconds in asked))


@given(requests)
def test_asked_for_in_order_of_arrival_it_is_a_queue(asked: list[tuple[float, float]]) -> None:
    """First come, first served: each begins on arrival, or when the one before ends."""
    turns, free_at = Turns(), 0.0
    for arrival, seconds in sorted(asked):
        turn = take(turns, arrival, seconds)
        assert turn.start == max(arrival, free_at)
        free_at = turn.end


def test_a_late_request_gets_the_idle_time_that_was_its_own() -> None:
    """Due at 10 and asked for after somebody took 14 to 15: it fits before. What does not fit comes after."""
    turns = Turns()
    take(turns, 14.0, 1.0)
    assert take(turns, 10.0, 4.0).start == 10.0
    assert take(turns, 9.0, 2.0).start == 15.0


def test_nothing_takes_no_turn() -> None:
    """A transfer of no bytes waits for nobody."""
    turns = Turns()
    take(turns, 1.0, 5.0)
    assert take(turns, 2.0, 0.0).end == 2.0


@given(requests, st.floats(0.0, 300.0), st.floats(0.0, 300.0))
def test_time_passes_steadily(asked: list[tuple[float, float]], one: float, two: float) -> None:
    """Between two readings of what has passed lies no more than the time between them, and nothing is taken back."""
    turns = Turns()
    for arrival, seconds in asked[:MAX_SPANS]:
        take(turns, arrival, seconds)
    early, late = sorted((one, two))
    assert -1e-9 <= passed(turns, late) - passed(turns, early) <= late - early + 1e-9
    assert passed(turns, 0.0) == pytest.approx(0.0, abs=1e-9)


@given(requests, st.floats(0.0, 300.0))
def test_cutting_frees_the_future_and_keeps_the_past(asked: list[tuple[float, float]], now: float) -> None:
    """What has passed stays counted; a turn asked for now begins now."""
    turns = Turns()
    for arrival, seconds in asked:
        take(turns, arrival, seconds)
    before = passed(turns, now)
    cut(turns, now)
    assert passed(turns, now) == passed(turns, 1e9) == pytest.approx(before)
    assert take(turns, now, 1.0).start == now
