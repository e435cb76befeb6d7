"""The prover in numpy alone: what a card's digests are held against on a machine that has neither numba nor a network.

Slower than the compiled one, much faster than plain Python, and it shares no code with either.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from fleet.remote.prover.field import GENERATOR, MODULUS, inverse, root_of_unity
from fleet.remote.prover.permutation import DIGEST, M4, ROUNDS, WIDTH, final_block, round_constants, row_start

Array = npt.NDArray[np.uint64]
_P = np.uint64(MODULUS)


def trace(seed: int, index: int, po2: int, columns: int) -> bytes:
    """SplitMix64 over a counter, keyed by SHA-256 of the arguments."""
    text = f"fleet trace {seed} {index} {po2} {columns}"
    key = np.uint64(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
    z = key + np.arange(1, (columns << po2) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(32)) * _P >> np.uint64(32)).astype("<u4").tobytes()


def transform(values: Array, root: int) -> Array:
    """Every column at the powers of `root`, in natural order (Stockham's way: no reversal)."""
    rows = values.shape[0]
    if rows == 1:
        return values
    even, odd = transform(values[::2], root * root % MODULUS), transform(values[1::2], root * root % MODULUS)
    turned = odd * _powers(root, rows // 2)[:, None] % _P
    return np.concatenate(((even + turned) % _P, (even + _P - turned) % _P))


def _powers(base: int, count: int) -> Array:
    powers = np.ones(1, dtype=np.uint64)
    while powers.size < count:
        powers = np.concatenate((powers, powers * np.uint64(pow(base, powers.size, MODULUS)) % _P))
    return powers[:count]


def extend(matrix: Array) -> Array:
    """The low-degree extension: four times the rows, on the coset."""
    rows, po2 = matrix.shape[0], matrix.shape[0].bit_length() - 1
    plain = transform(matrix, inverse(root_of_unity(po2))) * np.uint64(inverse(rows)) % _P
    extended = np.empty((4 * rows, matrix.shape[1]), dtype=np.uint64)
    for coset in range(4):
        shift = GENERATOR * pow(root_of_unity(po2 + 2), coset, MODULUS) % MODULUS
        extended[coset::4] = transform(plain * _powers(shift, rows)[:, None] % _P, root_of_unity(po2))
    return extended


def compress(left: Array, right: Array) -> Array:
    """Columns of 8 and 8 elements to columns of 8."""
    layer: Array = np.array(
        [[M4[i % 4][j % 4] * (2 if i // 4 == j // 4 else 1) for j in range(WIDTH)] for i in range(WIDTH)],
        dtype=np.uint64,
    )
    state: Array = layer @ np.concatenate((left, right)) % _P
    for turn in range(ROUNDS):
        x = (state + np.array(round_constants()[turn], dtype=np.uint64)[:, None]) % _P
        square = x * x % _P
        seventh: Array = square * x % _P * (square * square % _P) % _P
        state = np.mod(layer @ seventh, _P, dtype=np.uint64)
    return (state[:DIGEST] + left) % _P


def root(digests: Array) -> tuple[int, ...]:
    """The root of the tree over the columns."""
    while digests.shape[1] > 1:
        digests = compress(digests[:, ::2], digests[:, 1::2])
    return tuple(int(element) for element in digests[:, 0])


def prove(given: bytes, columns: int) -> tuple[int, ...]:
    """A segment's digest."""
    rows = extend(np.frombuffer(given, dtype="<u4").astype(np.uint64).reshape(-1, columns))
    rows = np.pad(rows, ((0, 0), (0, -columns % DIGEST)))
    digests = np.repeat(np.array(row_start(columns), dtype=np.uint64)[:, None], rows.shape[0], axis=1)
    for first in range(0, rows.shape[1], DIGEST):
        digests = compress(digests, np.ascontiguousarray(rows[:, first : first + DIGEST].T))
    return root(digests)


def join(left: tuple[int, ...], right: tuple[int, ...], leaves: int) -> tuple[int, ...]:
    """Two digests to one."""
    rights = np.repeat(np.array(right, dtype=np.uint64)[:, None], leaves, axis=1)
    rights[-1] = (rights[-1] + np.arange(leaves, dtype=np.uint64)) % _P
    return root(compress(np.repeat(np.array(left, dtype=np.uint64)[:, None], leaves, axis=1), rights))


def finalize(top: tuple[int, ...]) -> tuple[int, ...]:
    """The digest of a job."""
    return root(np.array(list(zip(top, final_block(), strict=True)), dtype=np.uint64))
