"""The two laws of sharing: known closed forms, bounds, and that fitting inverts them."""

from __future__ import annotations

import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fleet.twin.sharing import SHARING_LAWS, SharingLaw, balanced_visit, saturated_visit, service_time, shared_part

seconds = st.floats(0.01, 100.0)
devices = st.integers(1, 16)
laws = st.sampled_from([law for _, law in SHARING_LAWS])


def test_two_customers_by_hand() -> None:
    """R(2) = D·(1 + D / (D + Z)): one second shared, three private."""
    assert balanced_visit(1.0, 3.0, 2) == pytest.approx(1.25)


def test_saturation_by_hand() -> None:
    """Nobody waits until n·D exceeds D + Z; from there a cycle takes n·D."""
    assert [saturated_visit(1.0, 3.0, n) for n in (1, 4, 5, 8)] == [1.0, 1.0, 2.0, 5.0]


@given(seconds, seconds, devices)
def test_throughput_stays_within_the_operational_bounds(shared: float, private: float, count: int) -> None:
    """max(D, n·D − Z) ≤ R(n) ≤ n·D: queueing never beats the asymptote, and never waits for more than all others."""
    visit = balanced_visit(shared, private, count)
    assert saturated_visit(shared, private, count) <= visit * (1 + 1e-9)
    assert visit <= count * shared * (1 + 1e-9)


@given(laws, seconds, seconds, devices)
def test_more_devices_never_wait_less(law: SharingLaw, shared: float, private: float, count: int) -> None:
    """Both laws grow with the number of devices."""
    assert law(shared, private, count + 1) >= law(shared, private, count) * (1 - 1e-12)


def test_mean_value_analysis_is_exact_for_random_visits() -> None:
    """Against a simulation of 3 devices with exponential visits and thinking: within 2 %."""
    chance = random.Random(11)  # noqa: S311 (a simulation)
    shared, private, count, visits = 1.0, 2.0, 3, 60_000
    arrivals = [chance.expovariate(1 / private) for _ in range(count)]
    free = waited = 0.0
    for _ in range(visits):
        first = min(range(count), key=arrivals.__getitem__)
        arrived = arrivals[first]
        free = max(free, arrived) + chance.expovariate(1 / shared)
        waited += free - arrived
        arrivals[first] = free + chance.expovariate(1 / private)
    assert balanced_visit(shared, private, count) == pytest.approx(waited / visits, rel=0.02)


@given(seconds, st.floats(0.05, 0.95), st.floats(0, 50), st.integers(2, 8))
def test_fitting_queueing_inverts_it(alone: float, share: float, between: float, count: int) -> None:
    """From the crowded time the shared seconds come back."""
    crowded = service_time(balanced_visit, alone, share * alone, between, count)
    assume(crowded > alone * 1.0001)
    assert shared_part(balanced_visit, alone, crowded, between, count) == pytest.approx(share * alone, rel=1e-4)


@given(laws, seconds, st.floats(1.0, 3.0), st.floats(0, 50), st.integers(2, 8))
def test_what_is_fitted_reproduces_what_was_seen(
    law: SharingLaw, alone: float, stretch: float, between: float, count: int
) -> None:
    """Whatever share is found explains the crowded time, unless even sharing everything cannot."""
    crowded = alone * stretch
    shared = shared_part(law, alone, crowded, between, count)
    assert 0 <= shared <= alone
    most = service_time(law, alone, alone, between, count)
    assert service_time(law, alone, shared, between, count) == pytest.approx(min(crowded, most), rel=1e-6)


def test_nothing_stretched_is_nothing_shared() -> None:
    """Noise below one is no sharing."""
    assert shared_part(balanced_visit, 2.0, 1.99, 1.0, 2) == 0.0
