"""The compiled kernels agree with the plain reference, element by element."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.remote.prover import cpu, kernels, reference
from fleet.remote.prover.field import MODULUS, from_montgomery, to_montgomery
from fleet.remote.prover.permutation import DIGEST, ROUNDS, WIDTH, round_constants, row_start

edges = st.sampled_from((0, 1, 2, MODULUS - 2, MODULUS - 1, (MODULUS - 1) // 2, 2**30, 2**31 - 2**27))
elements = edges | st.integers(0, MODULUS - 1)
compiling = settings(deadline=None, max_examples=25)


def matrix(values: list[list[int]]) -> kernels.Matrix:
    """Rows of numbers as the kernels take them."""
    return np.array(values, dtype=np.uint32)


def montgomery(values: list[list[int]]) -> kernels.Matrix:
    """The same in Montgomery form."""
    return matrix([[to_montgomery(value) for value in row] for row in values])


def plain(values: kernels.Matrix) -> list[list[int]]:
    """Numbers from Montgomery form."""
    return [[from_montgomery(int(value)) for value in row] for row in values]


def constants() -> kernels.Matrix:
    """The permutation's constants, as the kernels take them."""
    return montgomery([list(turn) for turn in round_constants()])


def reversed_rows(values: kernels.Matrix) -> kernels.Matrix:
    """Rows in bit-reversed order."""
    bits = len(values).bit_length() - 1
    return values[[int(f"{i:0{bits}b}"[::-1], 2) for i in range(len(values))]].copy()


@st.composite
def matrices(draw: st.DrawFn, max_po2: int = 5, max_columns: int = 5) -> list[list[int]]:
    """2^1 to 2^max_po2 rows of elements."""
    rows, columns = 2 ** draw(st.integers(1, max_po2)), draw(st.integers(1, max_columns))
    row = st.lists(elements, min_size=columns, max_size=columns)
    return draw(st.lists(row, min_size=rows, max_size=rows))


def dft(values: list[list[int]]) -> list[list[int]]:
    """The reference transform, column by column."""
    return [list(row) for row in zip(*(reference.dft(column) for column in zip(*values, strict=True)), strict=True)]


@compiling
@given(matrices())
def test_transform_to_natural_order_is_the_dft(values: list[list[int]]) -> None:
    """Coefficients in bit-reversed order become values at the powers of the root."""
    fast = reversed_rows(matrix(values))
    kernels.to_natural(fast, cpu._tables(len(values)).evaluate)
    assert fast.tolist() == dft(values)


@compiling
@given(matrices())
def test_transform_to_reversed_order_is_the_dft_mirrored(values: list[list[int]]) -> None:
    """With the inverse root's twiddles, row r holds the transform at −bitreverse(r)."""
    fast = matrix(values)
    kernels.to_reversed(fast, cpu._tables(len(values)).interpolate)
    slow = dft(values)
    assert reversed_rows(fast).tolist() == [slow[-i % len(slow)] for i in range(len(slow))]


@compiling
@given(matrices(max_po2=9, max_columns=3))
def test_transforming_there_and_back_multiplies_by_the_length(values: list[list[int]]) -> None:
    """The two transforms are inverses up to the factor n."""
    fast, tables = matrix(values), cpu._tables(len(values))
    kernels.to_reversed(fast, tables.interpolate)
    kernels.to_natural(fast, tables.evaluate)
    assert fast.tolist() == [[len(values) * value % MODULUS for value in row] for row in values]


@compiling
@given(
    st.integers(1, 20).flatmap(
        lambda lanes: st.lists(st.lists(elements, min_size=WIDTH, max_size=WIDTH), min_size=lanes, max_size=lanes)
    )
)
def test_permutation_of_many_states(states: list[list[int]]) -> None:
    """Every lane is permuted as if it were alone, whatever the number of lanes."""
    fast = montgomery(states).T.copy()
    kernels.permute(fast, constants())
    assert plain(fast.T) == [reference.permute(state) for state in states]


def test_permutation_is_a_bijection() -> None:
    """The linear layer can be inverted and 7 is prime to p − 1: no two states have the same image."""
    rows = [row[:] for row in reference.matrix()]
    for column in range(WIDTH):
        pivot = next(r for r in range(column, WIDTH) if rows[r][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        scale = pow(rows[column][column], -1, MODULUS)
        rows[column] = [value * scale % MODULUS for value in rows[column]]
        for r in range(column + 1, WIDTH):
            factor = rows[r][column]
            rows[r] = [(a - factor * b) % MODULUS for a, b in zip(rows[r], rows[column], strict=True)]
    assert (MODULUS - 1) % 7
    assert 7**ROUNDS > MODULUS > 7 ** (ROUNDS - 1)
    assert len({constant for turn in round_constants() for constant in turn}) == ROUNDS * WIDTH


@compiling
@given(matrices(max_po2=3, max_columns=19))
def test_row_hashes(values: list[list[int]]) -> None:
    """Rows of any width are hashed as the reference does, also into every other column of the digests."""
    digests = np.zeros((DIGEST, 2 * len(values)), dtype=np.uint32)
    start = montgomery([list(row_start(len(values[0])))])[0]
    kernels.hash_rows(montgomery(values), start, constants(), digests[:, 1::2])
    assert plain(digests[:, 1::2].T) == [reference.hash_row(row) for row in values]
    assert not digests[:, ::2].any()


@pytest.mark.parametrize("count", [1, 2, 64, 4 * kernels.LANES])
def test_merkle_root(count: int) -> None:
    """The tree over fewer and over more digests than are hashed together has the reference's root."""
    leaves = np.random.default_rng(count).integers(0, MODULUS, (count, DIGEST)).tolist()
    fast = montgomery(leaves).T.copy()
    kernels.merkle_root(fast, constants())
    assert plain(fast.T)[0] == reference.merkle_root(leaves)
