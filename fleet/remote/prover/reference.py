"""The slow, obvious prover in plain Python: the truth that the compiled one is tested against, never used to measure.

A trace is a list of rows of `columns` elements. Row i holds the columns' polynomials at the i-th power of the root of
unity of the trace's length. Its extension holds them at GENERATOR times the powers of a root of four times that order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

from fleet.remote.prover.field import GENERATOR, MODULUS, inverse, root_of_unity
from fleet.remote.prover.permutation import DIGEST, EXPONENT, M4, WIDTH, final_block, round_constants, row_start

Elements = Sequence[int]


def dft(values: Elements) -> list[int]:
    """The polynomial with these coefficients at all powers of the root of unity, term by term."""
    root = root_of_unity(len(values).bit_length() - 1)
    return [evaluate(values, pow(root, power, MODULUS)) for power in range(len(values))]


def inverse_dft(values: Elements) -> list[int]:
    """The coefficients of the polynomial that takes these values at the powers of the root of unity."""
    mirrored = dft(values)
    scale = inverse(len(values))
    return [mirrored[-index % len(values)] * scale % MODULUS for index in range(len(values))]


def evaluate(coefficients: Elements, point: int) -> int:
    """The polynomial at one point (Horner)."""
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * point + coefficient) % MODULUS
    return value


def extend_column(values: Elements) -> list[int]:
    """The low-degree extension of one column: its polynomial at the 4n points of the coset."""
    coefficients = inverse_dft(values)
    root = root_of_unity(len(values).bit_length() + 1)
    return [evaluate(coefficients, GENERATOR * pow(root, power, MODULUS)) for power in range(4 * len(values))]


def extend(trace: Sequence[Elements]) -> list[list[int]]:
    """The low-degree extension of a whole trace, row by row."""
    columns = [extend_column(column) for column in zip(*trace, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


@cache
def matrix() -> list[list[int]]:
    """The linear layer, written out: M4 in every 4×4 block, twice that on the diagonal."""
    return [[M4[i % 4][j % 4] * (2 if i // 4 == j // 4 else 1) for j in range(WIDTH)] for i in range(WIDTH)]


def _multiply(state: Elements) -> list[int]:
    return [sum(a * b for a, b in zip(row, state, strict=True)) % MODULUS for row in matrix()]


def permute(state: Elements) -> list[int]:
    """The permutation of 16 elements."""
    state = _multiply(state)
    for constants in round_constants():
        state = [pow(x + c, EXPONENT, MODULUS) for x, c in zip(state, constants, strict=True)]
        state = _multiply(state)
    return state


def compress(left: Elements, right: Elements) -> list[int]:
    """Two digests to one."""
    state = [*left, *right]
    return [(new + old) % MODULUS for new, old in zip(permute(state)[:DIGEST], left, strict=True)]


def hash_row(row: Elements) -> list[int]:
    """The digest of a row: its elements, padded with zeros to blocks of eight, folded in from the left."""
    digest = list(row_start(len(row)))
    for first in range(0, len(row), DIGEST):
        block = [*row[first : first + DIGEST]]
        digest = compress(digest, block + [0] * (DIGEST - len(block)))
    return digest


def merkle_root(leaves: Sequence[Elements]) -> list[int]:
    """The root of the binary tree over a power of two of digests, neighbours compressed in order."""
    if len(leaves) == 1:
        return list(leaves[0])
    return merkle_root([compress(leaves[i], leaves[i + 1]) for i in range(0, len(leaves), 2)])


def prove(trace: Sequence[Elements]) -> tuple[int, ...]:
    """A segment's digest: the Merkle root over the rows of its trace's extension."""
    return tuple(merkle_root([hash_row(row) for row in extend(trace)]))


def join(left: Elements, right: Elements, leaves: int) -> tuple[int, ...]:
    """Constant work: the Merkle root over `leaves` compressions of the pair, each with its number added at the end."""
    numbered = [[*right[:-1], (right[-1] + number) % MODULUS] for number in range(leaves)]
    return tuple(merkle_root([compress(left, block) for block in numbered]))


def finalize(root: Elements) -> tuple[int, ...]:
    """A job's digest."""
    return tuple(compress(root, final_block()))


def trace(seed: int, index: int, po2: int, columns: int) -> list[list[int]]:
    """The trace of segment `index`: SplitMix64 (Steele, Lea, Flood 2014) over a counter, keyed by SHA-256.

    Its upper 32 bits u give the element floor(u·p / 2^32).
    """
    words = 2**64
    key = int.from_bytes(hashlib.sha256(f"fleet trace {seed} {index} {po2} {columns}".encode()).digest()[:8], "big")
    elements = []
    for counter in range(1, columns * 2**po2 + 1):
        z = (key + counter * 0x9E3779B97F4A7C15) % words
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % words
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % words
        z ^= z >> 31
        elements.append((z >> 32) * MODULUS >> 32)
    return [elements[first : first + columns] for first in range(0, len(elements), columns)]
