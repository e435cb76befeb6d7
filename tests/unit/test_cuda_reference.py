"""What a card is held against on a machine without numba is itself held against the compiled prover."""

from __future__ import annotations

import numpy_prover
import pytest

from fleet.remote.prover import cpu
from fleet.remote.prover.trace import make_trace


@pytest.mark.parametrize(("po2", "columns"), [(1, 1), (4, 9), (9, 16)])
def test_numpys_prover_is_the_compiled_one(po2: int, columns: int) -> None:
    """Trace and digest."""
    trace = numpy_prover.trace(3, 1, po2, columns)
    assert trace == make_trace(3, 1, po2, columns)
    assert numpy_prover.prove(trace, columns) == cpu.prove(trace, columns)


def test_numpys_joins_and_ends_are_the_compiled_ones() -> None:
    """And what comes after the segments."""
    left, right = (1, 2, 3, 4, 5, 6, 7, 8), (8, 7, 6, 5, 4, 3, 2, 2013265920)
    assert numpy_prover.join(left, right, 64) == cpu.join(left, right, 64)
    assert numpy_prover.finalize(right) == cpu.finalize(right)
