"""The compiled arithmetic: transforms, hashing, Merkle trees and traces over the BabyBear field.

All in one module on purpose: numba's disk cache looks at the stamp of a function's own file only, so a kernel that
called into another file would go on running that file's old code.

Matrices are C-ordered uint32, one row a point, one column a polynomial. Digests are (8, n): element by element, so that
a step over neighbouring digests runs in vector registers. Hashing works on Montgomery forms (x·2^32 mod p) only; a
product of a plain value and a Montgomery form is plain, so transforms with Montgomery twiddles keep the form they get.
Every value is kept below p. Loops over slices instead of index sums, because numba checks indices it cannot bound for
wrap-around, and that keeps LLVM from vectorising (a factor of eight on the transforms). Loops over elements instead of
assignments of whole arrays, because those compile for seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from fleet.remote.prover.field import MODULUS, MONTGOMERY
from fleet.remote.prover.permutation import DIGEST, WIDTH

Matrix = npt.NDArray[np.uint32]
Vector = npt.NDArray[np.uint32]
_F = TypeVar("_F", bound=Callable[..., object])

_P = np.uint32(MODULUS)
_P_WIDE = np.uint64(MODULUS)
_MINUS_P_INVERSE = np.uint64(-pow(MODULUS, -1, 2**32) % 2**32)
_LOW = np.uint64(2**32 - 1)
_HALF = np.uint64(32)
_MONTGOMERY_SQUARE = np.uint32(MONTGOMERY**2 % MODULUS)

LANES = 128
"""States permuted together: 8 KiB, well inside the first-level cache."""


def compiled(function: _F) -> _F:
    """`njit` with a disk cache that releases the interpreter's lock; to the type checker nothing changes."""
    return cast("_F", njit(cache=True, nogil=True, parallel=False)(function))


@compiled
def _multiply(a: np.uint32, b: np.uint32) -> np.uint32:
    """Montgomery's product a·b / 2^32 mod p (1985)."""
    product = np.uint64(a) * np.uint64(b)
    quotient = (product * _MINUS_P_INVERSE) & _LOW
    result = np.uint32((product + quotient * _P_WIDE) >> _HALF)
    return min(result, np.uint32(result - _P))


@compiled
def _add(a: np.uint32, b: np.uint32) -> np.uint32:
    """Sum mod p: 2p fits 32 bits, and of x and x − p the right one is the smaller as unsigned numbers."""
    total = np.uint32(a + b)
    return min(total, np.uint32(total - _P))


@compiled
def _subtract(a: np.uint32, b: np.uint32) -> np.uint32:
    """Difference mod p."""
    difference = np.uint32(a - b)
    return min(difference, np.uint32(difference + _P))


@compiled
def _butterflies_down(low: Vector, high: Vector, twiddle: np.uint32) -> None:
    for j in range(low.size):
        turned = _multiply(high[j], twiddle)
        kept = low[j]
        low[j] = _add(kept, turned)
        high[j] = _subtract(kept, turned)


@compiled
def _butterflies_up(low: Vector, high: Vector, twiddle: np.uint32) -> None:
    for j in range(low.size):
        first = low[j]
        second = high[j]
        low[j] = _add(first, second)
        high[j] = _multiply(_subtract(first, second), twiddle)


@compiled
def to_reversed(values: Matrix, twiddles: Vector) -> None:
    """Transform each column in place, rows in natural order in and bit-reversed order out (Cooley–Tukey).

    `twiddles[b]` is root^bitreverse(b) in Montgomery form: one factor for the whole b-th block of every stage.
    """
    flat = values.reshape(-1)
    half, blocks = flat.size // 2, 1
    while half >= values.shape[1]:
        for block in range(blocks):
            first = 2 * block * half
            middle = first + half
            _butterflies_down(flat[first:middle], flat[middle : middle + half], twiddles[block])
        half, blocks = half // 2, blocks * 2


@compiled
def to_natural(values: Matrix, twiddles: Vector) -> None:
    """Transform each column in place, rows in bit-reversed order in and natural order out (Gentleman–Sande)."""
    flat = values.reshape(-1)
    half, blocks = values.shape[1], values.shape[0] // 2
    while blocks >= 1:
        for block in range(blocks):
            first = 2 * block * half
            middle = first + half
            _butterflies_up(flat[first:middle], flat[middle : middle + half], twiddles[block])
        half, blocks = half * 2, blocks // 2


@compiled
def reversed_powers(first: np.uint32, base: np.uint32, powers: Vector) -> None:
    """Fill in first·base^i at bitreverse(i); `base` in Montgomery form, the result in the form of `first`."""
    value, position = first, 0
    for _ in range(powers.size):
        powers[position] = value
        value = _multiply(value, base)
        bit = powers.size >> 1
        while position & bit:
            position ^= bit
            bit >>= 1
        position |= bit


@compiled
def scale_rows(values: Matrix, factors: Vector, scaled: Matrix) -> None:
    """scaled[row] = values[row]·factors[row]."""
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            scaled[row, column] = _multiply(values[row, column], factors[row])


@compiled
def _seventh_powers(elements: Vector, constant: np.uint32) -> None:
    for lane in range(elements.size):
        x = _add(elements[lane], constant)
        square = _multiply(x, x)
        elements[lane] = _multiply(_multiply(square, x), _multiply(square, square))


@compiled
def _mix_four(first: Vector, second: Vector, third: Vector, fourth: Vector) -> None:
    """Multiply by M4 with additions only (Poseidon2, section 5.1)."""
    for lane in range(first.size):
        a, b, c, d = first[lane], second[lane], third[lane], fourth[lane]
        ab, cd = _add(a, b), _add(c, d)
        bbcd, ddab = _add(_add(b, b), cd), _add(_add(d, d), ab)
        ab2, cd2 = _add(ab, ab), _add(cd, cd)
        row_4 = _add(_add(cd2, cd2), ddab)
        row_2 = _add(_add(ab2, ab2), bbcd)
        first[lane], second[lane] = _add(ddab, row_2), row_2
        third[lane], fourth[lane] = _add(bbcd, row_4), row_4


@compiled
def _add_sum_of_four(first: Vector, second: Vector, third: Vector, fourth: Vector) -> None:
    for lane in range(first.size):
        a, b, c, d = first[lane], second[lane], third[lane], fourth[lane]
        total = _add(_add(a, b), _add(c, d))
        first[lane], second[lane] = _add(a, total), _add(b, total)
        third[lane], fourth[lane] = _add(c, total), _add(d, total)


@compiled
def _linear_layer(states: Matrix) -> None:
    for i in range(0, 16, 4):
        _mix_four(states[i], states[i + 1], states[i + 2], states[i + 3])
    for i in range(4):
        _add_sum_of_four(states[i], states[i + 4], states[i + 8], states[i + 12])


@compiled
def permute(states: Matrix, constants: Matrix) -> None:
    """Permute each column of (16, lanes) states in place; `constants` are (rounds, 16), all in Montgomery form."""
    _linear_layer(states)
    for turn in range(constants.shape[0]):
        for i in range(WIDTH):
            _seventh_powers(states[i], constants[turn, i])
        _linear_layer(states)


@compiled
def _compress(states: Matrix, before: Matrix, constants: Matrix, digests: Matrix, first: int) -> None:
    """Write each state's digest to its column of `digests` from `first` on; `before` is scratch, (8, lanes)."""
    for i in range(DIGEST):
        for lane in range(states.shape[1]):
            before[i, lane] = states[i, lane]
    permute(states, constants)
    for i in range(DIGEST):
        for lane in range(states.shape[1]):
            digests[i, first + lane] = _add(states[i, lane], before[i, lane])


@compiled
def hash_rows(rows: Matrix, start: Vector, constants: Matrix, digests: Matrix) -> None:
    """Hash each row into its column of `digests`, eight elements at a time; the number of rows is a power of two."""
    lanes = min(LANES, rows.shape[0])
    states, before = np.empty((WIDTH, lanes), dtype=np.uint32), np.empty((DIGEST, lanes), dtype=np.uint32)
    hashed = np.empty((DIGEST, lanes), dtype=np.uint32)
    for first in range(0, rows.shape[0], lanes):
        for i in range(DIGEST):
            for lane in range(lanes):
                hashed[i, lane] = start[i]
        for block in range(0, rows.shape[1], DIGEST):
            for i in range(DIGEST):
                inside = block + i < rows.shape[1]
                for lane in range(lanes):
                    states[i, lane] = hashed[i, lane]
                    states[DIGEST + i, lane] = rows[first + lane, block + i] if inside else np.uint32(0)
            _compress(states, before, constants, hashed, 0)
        for i in range(DIGEST):
            for lane in range(lanes):
                digests[i, first + lane] = hashed[i, lane]


@compiled
def merkle_root(digests: Matrix, constants: Matrix) -> None:
    """Leave the root over a power of two of digests in column 0; the other columns are overwritten."""
    count = digests.shape[1] // 2
    while count >= 1:
        lanes = min(LANES, count)
        states, before = np.empty((WIDTH, lanes), dtype=np.uint32), np.empty((DIGEST, lanes), dtype=np.uint32)
        for first in range(0, count, lanes):
            for i in range(DIGEST):
                for lane in range(lanes):
                    states[i, lane] = digests[i, 2 * (first + lane)]
                    states[DIGEST + i, lane] = digests[i, 2 * (first + lane) + 1]
            _compress(states, before, constants, digests, first)
        count //= 2


@compiled
def numbered_leaves(pair: Vector, constants: Matrix, digests: Matrix) -> None:
    """Digest i is the 16 elements of `pair` compressed after i was added to the last; a power of two of digests."""
    lanes = min(LANES, digests.shape[1])
    states, before = np.empty((WIDTH, lanes), dtype=np.uint32), np.empty((DIGEST, lanes), dtype=np.uint32)
    for first in range(0, digests.shape[1], lanes):
        for i in range(WIDTH):
            for lane in range(lanes):
                states[i, lane] = pair[i]
        for lane in range(lanes):
            number = _multiply(np.uint32(first + lane), _MONTGOMERY_SQUARE)
            states[WIDTH - 1, lane] = _add(states[WIDTH - 1, lane], number)
        _compress(states, before, constants, digests, first)


@compiled
def fill_trace(key: np.uint64, elements: Vector) -> None:
    """SplitMix64 of key and counter, its upper half scaled to [0, p)."""
    for i in range(elements.size):
        z = key + np.uint64(i + 1) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        elements[i] = np.uint32(((z >> _HALF) * _P_WIDE) >> _HALF)
