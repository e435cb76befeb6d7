"""The parameters of the prover's hash: a permutation of 16 field elements of our own, NOT reviewed by cryptographers.

It is shaped like Poseidon2 (Grassi, Khovratovich, Schofnegger 2023) with external rounds only. The linear layer M, then
in each round: add the round's constants, raise every element to the 7th power (7 is prime to p − 1), multiply by M.
Twelve rounds are the fewest whose degree, 7^12, exceeds p. M is the circulant block matrix (2·M4, M4, M4, M4).

Everything else is built from `compress`: permute 16 elements, keep the first 8 and add the input's first 8.
"""

from __future__ import annotations

import hashlib
from functools import cache

from fleet.remote.prover.field import MODULUS

WIDTH = 16
DIGEST = 8
ROUNDS = 12
EXPONENT = 7

M4 = ((5, 7, 1, 3), (4, 6, 1, 1), (1, 3, 5, 7), (1, 1, 4, 6))
"""The 4×4 MDS matrix of Poseidon2, section 5.1."""

ROW_TAG = 1
"""Second element of a row hash's start value; the first is the number of columns."""
FINAL_TAG = 2
"""Second element of what a root is compressed with to become a job's digest."""


@cache
def round_constants() -> tuple[tuple[int, ...], ...]:
    """Constants by round and element, from SHA-256 over their position: nothing up the sleeve."""
    return tuple(tuple(_constant(turn, element) for element in range(WIDTH)) for turn in range(ROUNDS))


def _constant(turn: int, element: int) -> int:
    text = f"fleet permutation, round {turn}, element {element}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big") % MODULUS


def row_start(columns: int) -> tuple[int, ...]:
    """The value that hashing a row of so many columns starts from."""
    return (columns, ROW_TAG, *(0,) * (DIGEST - 2))


def final_block() -> tuple[int, ...]:
    """What a job's root is compressed with at the end."""
    return (0, FINAL_TAG, *(0,) * (DIGEST - 2))
