"""The fast prover agrees with the reference bit by bit."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.remote.prover import cpu, reference
from fleet.remote.prover.device import Digest
from fleet.remote.prover.field import GENERATOR, MODULUS, from_montgomery, root_of_unity
from fleet.remote.prover.kernels import Matrix
from fleet.remote.prover.trace import make_trace, read_trace

elements = st.sampled_from((0, 1, MODULUS - 1)) | st.integers(0, MODULUS - 1)
digests = st.lists(elements, min_size=8, max_size=8).map(tuple)
compiling = settings(deadline=None, max_examples=25)


def extend(trace: Matrix) -> list[list[int]]:
    """The fast low-degree extension in plain values and natural order."""
    extension = np.empty((4 * trace.shape[0], trace.shape[1]), dtype=np.uint32)
    for number, rows in enumerate(cpu.cosets(trace)):
        extension[number::4] = rows
    return [[from_montgomery(int(value)) for value in row] for row in extension]


@st.composite
def traces(draw: st.DrawFn) -> list[list[int]]:
    """Two to sixteen rows of one to ten columns."""
    rows, columns = 2 ** draw(st.integers(1, 4)), draw(st.integers(1, 10))
    row = st.lists(elements, min_size=columns, max_size=columns)
    return draw(st.lists(row, min_size=rows, max_size=rows))


@compiling
@given(traces())
def test_extension_and_digest_are_the_reference_s(trace: list[list[int]]) -> None:
    """Interpolation, evaluation on the coset, row hashes and tree: the same values, the same digest."""
    assert extend(np.array(trace, dtype=np.uint32)) == reference.extend(trace)
    data = b"".join(struct.pack(f"<{len(row)}I", *row) for row in trace)
    assert cpu.prove(data, len(trace[0])) == reference.prove(trace)


@compiling
@given(st.lists(elements, min_size=16, max_size=16))
def test_extension_is_the_polynomial_on_the_coset(coefficients: list[int]) -> None:
    """A column made from a known polynomial extends to that polynomial's values at 31·w^j."""
    trace = np.array([[value] for value in reference.dft(coefficients)], dtype=np.uint32)
    root = root_of_unity(6)
    points = [GENERATOR * pow(root, j, MODULUS) % MODULUS for j in range(64)]
    assert extend(trace) == [[reference.evaluate(coefficients, point)] for point in points]


def test_the_trace_that_emulated_devices_prove() -> None:
    """The whole of a 2^8 × 8 trace: 1,024 leaves of the right tree."""
    assert cpu.prove(make_trace(3, 1, 8, 8), 8) == reference.prove(reference.trace(3, 1, 8, 8))


@compiling
@given(digests, digests, st.sampled_from((1, 2, 8)))
def test_join_and_finalize_are_the_reference_s(left: Digest, right: Digest, leaves: int) -> None:
    """Both are the plain arithmetic's, and a join is not symmetric."""
    assert cpu.join(left, right, leaves) == reference.join(left, right, leaves)
    assert cpu.finalize(left) == reference.finalize(left)
    assert left == right or cpu.join(left, right, leaves) != cpu.join(right, left, leaves)


def test_one_changed_bit_changes_the_digest() -> None:
    """The commitment binds every element: the last one too."""
    trace = bytearray(make_trace(1, 0, 5, 8))
    before = cpu.prove(bytes(trace), 8)
    trace[-4] ^= 1
    assert cpu.prove(bytes(trace), 8) != before


@pytest.mark.parametrize("digest", [(), (0,) * 7, (0,) * 9, (0,) * 7 + (MODULUS,), (-1,) + (0,) * 7])
def test_what_is_no_digest_is_refused(digest: Digest) -> None:
    """Digests come from other hosts: their size and range are checked."""
    with pytest.raises(ValueError, match="8 numbers"):
        cpu.join(digest, (0,) * 8)


def test_large_transforms_are_right_where_it_can_be_checked() -> None:
    """At 2^14 rows the extension of x ↦ x^12345 is the powers of the points, far past one block of lanes."""
    rows, degree = 1 << 14, 12_345
    root = root_of_unity(14)
    column = np.array([[pow(root, degree * i, MODULUS)] for i in range(rows)], dtype=np.uint32)
    fine = root_of_unity(16)
    for number, values in enumerate(cpu.cosets(column)):
        for row in (0, 1, 7_777, rows - 1):
            point = GENERATOR * pow(fine, 4 * row + number, MODULUS)
            assert from_montgomery(int(values[row, 0])) == pow(point, degree, MODULUS)


def test_working_memory_covers_the_arrays() -> None:
    """Trace, two matrices, leaves and tables of 2^10 × 8, counted one by one."""
    trace = read_trace(make_trace(0, 0, 10, 8), 8)
    tables = cpu._tables(1024)
    arrays = 3 * trace.nbytes + 4 * 1024 * 8 * 4
    arrays += tables.interpolate.nbytes + tables.evaluate.nbytes + sum(shift.nbytes for shift in tables.shifts)
    assert cpu.working_memory(10, 8) == arrays
