"""The fast prover: the compiled kernels put together into prove, join and finalize.

A segment's trace is interpolated, evaluated on the four cosets that make up its low-degree extension (blow-up 4), and
each row of that is a leaf of a Merkle tree. Tables are made once for each size and kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from fleet.remote.prover import kernels
from fleet.remote.prover.device import JOIN_LEAVES, Digest
from fleet.remote.prover.field import (
    GENERATOR,
    MODULUS,
    MONTGOMERY,
    from_montgomery,
    inverse,
    root_of_unity,
    to_montgomery,
)
from fleet.remote.prover.kernels import Matrix, Vector
from fleet.remote.prover.permutation import DIGEST, final_block, round_constants, row_start
from fleet.remote.prover.trace import BLOW_UP_PO2, read_trace, trace_shape

BLOW_UP = 1 << BLOW_UP_PO2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """What transforms of one size need, in bit-reversed order; `shifts` scale coefficients to each of the cosets."""

    interpolate: Vector
    evaluate: Vector
    shifts: tuple[Vector, ...]


def _reversed_powers(first: int, base: int, count: int) -> Vector:
    powers = np.empty(count, dtype=np.uint32)
    kernels.reversed_powers(np.uint32(first), np.uint32(to_montgomery(base)), powers)
    return powers


@lru_cache(maxsize=4)
def _tables(rows: int) -> _Tables:
    po2 = rows.bit_length() - 1
    root, fine_root = root_of_unity(po2), root_of_unity(po2 + BLOW_UP_PO2)
    # R²: the plain coefficients that come out of interpolation are in Montgomery form from here on.
    first = MONTGOMERY**2 * inverse(rows) % MODULUS
    shifts = (GENERATOR * pow(fine_root, coset, MODULUS) % MODULUS for coset in range(BLOW_UP))
    return _Tables(
        interpolate=_reversed_powers(MONTGOMERY, inverse(root), rows // 2),
        evaluate=_reversed_powers(MONTGOMERY, root, rows // 2),
        shifts=tuple(_reversed_powers(first, shift, rows) for shift in shifts),
    )


@cache
def _round_constants() -> Matrix:
    return np.array([[to_montgomery(c) for c in turn] for turn in round_constants()], dtype=np.uint32)


def _vector(elements: Digest) -> Vector:
    """Elements in Montgomery form. ValueError for anything but eight elements of the field."""
    if len(elements) != DIGEST or not all(0 <= element < MODULUS for element in elements):
        raise ValueError(f"a digest is {DIGEST} numbers from 0 to {MODULUS - 1}, not {elements!r:.200}")
    return np.array([to_montgomery(element) for element in elements], dtype=np.uint32)


def _root(digests: Matrix) -> Digest:
    kernels.merkle_root(digests, _round_constants())
    return tuple(from_montgomery(int(element)) for element in digests[:, 0])


def cosets(trace: Matrix) -> Iterator[Matrix]:
    """The rows k, k + 4, k + 8, … of the trace's low-degree extension for k = 0 … 3, in Montgomery form.

    The trace is overwritten, and so is each matrix when the next is asked for.
    """
    tables = _tables(trace.shape[0])
    kernels.to_reversed(trace, tables.interpolate)
    values = np.empty_like(trace)
    for shift in tables.shifts:
        kernels.scale_rows(trace, shift, values)
        kernels.to_natural(values, tables.evaluate)
        yield values


def prove(trace: bytes, columns: int) -> Digest:
    """The Merkle root over the trace's low-degree extension. ValueError for bytes that are no such trace."""
    matrix = read_trace(trace, columns)
    leaves = np.empty((DIGEST, BLOW_UP * matrix.shape[0]), dtype=np.uint32)
    start = _vector(row_start(columns))
    for number, rows in enumerate(cosets(matrix)):
        kernels.hash_rows(rows, start, _round_constants(), leaves[:, number::BLOW_UP])
    return _root(leaves)


def join(left: Digest, right: Digest, leaves: int = JOIN_LEAVES) -> Digest:
    """Two digests to one, by work that does not depend on them; `leaves` is a power of two."""
    digests = np.empty((DIGEST, leaves), dtype=np.uint32)
    kernels.numbered_leaves(np.concatenate((_vector(left), _vector(right))), _round_constants(), digests)
    return _root(digests)


def finalize(root: Digest) -> Digest:
    """The digest of a job, from the root of its tree."""
    return _root(np.stack((_vector(root), _vector(final_block())), axis=1))


def working_memory(po2: int, columns: int) -> int:
    """Bytes that proving a trace of 2^po2 rows takes: trace and two matrices, the leaves, the tables."""
    rows, columns = trace_shape(po2, columns)
    element = np.dtype(np.uint32).itemsize
    return element * rows * (3 * columns + BLOW_UP * DIGEST + BLOW_UP + 1)
