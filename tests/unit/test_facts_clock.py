"""Clock offsets: the quickest round trip counts, and the truth always lies within the error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.plan.checkup.clock import ClockSample, offset, read_clock

NONCE = "0123456789abcdef"


@given(
    truth=st.floats(-1e4, 1e4),
    trips=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), min_size=1, max_size=5),
    coarse=st.booleans(),
)
def test_the_true_offset_lies_within_the_error(truth: float, trips: list[tuple[float, float]], *, coarse: bool) -> None:
    """Whatever the way there and the way back take, and where the host tells whole seconds only."""
    samples = []
    for number, (there, back) in enumerate(trips):
        sent = 1.7e9 + 20.0 * number
        told = sent + there + truth
        samples.append(
            ClockSample(
                sent=sent, received=sent + there + back, told=told // 1 if coarse else told, resolution=float(coarse)
            )
        )
    found = offset("box", samples)
    assert abs(found.offset - truth) <= found.error + 1e-5
    assert found.error == pytest.approx((min(there + back for there, back in trips) + coarse) / 2, abs=1e-5)


def test_a_quick_coarse_answer_loses_against_a_slow_exact_one() -> None:
    coarse = ClockSample(sent=100.0, received=100.1, told=100.0, resolution=1.0)
    exact = ClockSample(sent=101.0, received=101.5, told=103.25)
    assert offset("box", [coarse, exact]).offset == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("line", "told", "resolution"),
    [
        (f"{NONCE} 1795400200.123456789", 1795400200.123456789, 0.0),
        (f"{NONCE} 1795400200.5\r", 1795400200.5, 0.0),
        (f"{NONCE} 1795400200", 1795400200.0, 1.0),
    ],
)
def test_a_line_of_the_clock_is_read(line: str, told: float, resolution: float) -> None:
    sample = ClockSample(sent=1.0, received=2.0, told=told, resolution=resolution)
    assert read_clock(line, NONCE, 1.0, 2.0) == sample


@pytest.mark.parametrize(
    "line", ["", "1795400200.1", "deadbeef 1795400200.1", NONCE, f"{NONCE} 17954002OO", f"{NONCE} -1", f"{NONCE} nan"]
)
def test_any_other_line_tells_no_time(line: str) -> None:
    assert read_clock(line, NONCE, 1.0, 2.0) is None
