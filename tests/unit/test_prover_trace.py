"""Traces are the same everywhere, differ by segment, and are read strictly."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.remote.prover import reference
from fleet.remote.prover.field import MODULUS
from fleet.remote.prover.trace import make_trace, read_trace, trace_po2, trace_shape


@settings(deadline=None, max_examples=40)
@given(st.integers(-(2**70), 2**70), st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 9))
def test_a_trace_is_the_reference_s(seed: int, index: int, po2: int, columns: int) -> None:
    """Every element equals that of the plain generator, for any seed; reading gives them back."""
    trace = make_trace(seed, index, po2, columns)
    assert read_trace(trace, columns).tolist() == reference.trace(seed, index, po2, columns)
    assert trace_po2(trace, columns) == po2
    assert len(trace) == 4 * trace_shape(po2, columns)[0] * columns


def test_a_trace_is_the_same_in_another_process() -> None:
    """Nothing of the process, such as its hash seed, gets into a trace."""
    code = "from fleet.remote.prover.trace import make_trace; print(make_trace(7, 3, 4, 2).hex())"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == make_trace(7, 3, 4, 2).hex()


def test_traces_differ() -> None:
    """Seed, segment and size each change the trace from its beginning."""
    traces = {make_trace(*key, 8)[:32] for key in ((1, 0, 6), (2, 0, 6), (1, 1, 6), (1, 0, 7))}
    assert len(traces) == 4


@pytest.mark.parametrize(
    ("trace", "complaint"),
    [
        (b"", "0 bytes"),
        (bytes(4 * 8), "32 bytes"),
        (bytes(4 * 8 * 3), "96 bytes"),
        (bytes(4 * 8 * 4 - 1), "127 bytes"),
        (bytes(4 * 8 * 2 - 4) + MODULUS.to_bytes(4, "little"), str(MODULUS)),
    ],
)
def test_bytes_that_are_no_trace_are_refused(trace: bytes, complaint: str) -> None:
    """Wrong lengths and elements outside the field are named."""
    with pytest.raises(ValueError, match=complaint):
        read_trace(trace, 8)


@pytest.mark.parametrize(("po2", "columns"), [(0, 8), (26, 8), (8, 0)])
def test_impossible_shapes_are_refused(po2: int, columns: int) -> None:
    """The field bounds the rows, and a trace has columns."""
    with pytest.raises(ValueError, match="trace has"):
        trace_shape(po2, columns)


def test_reading_makes_a_fresh_matrix() -> None:
    """The prover overwrites what it reads; the bytes stay as they were."""
    trace = make_trace(1, 0, 3, 2)
    read_trace(trace, 2)[:] = 0
    assert np.frombuffer(trace, dtype="<u4").any()
