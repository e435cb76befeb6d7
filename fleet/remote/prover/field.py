"""The BabyBear field, p = 15·2^27 + 1: its constants and scalar arithmetic, in plain integers."""

from __future__ import annotations

MODULUS = 15 * 2**27 + 1
GENERATOR = 31
"""Generates the multiplicative group; also the shift of the coset that low-degree extensions are evaluated on."""
TWO_ADICITY = 27
"""2^27 is the largest power of two that divides p − 1, so the longest transform has 2^27 points."""

MONTGOMERY = 2**32 % MODULUS
"""The factor R of the Montgomery form x·R mod p, in which the compiled kernels keep their values."""


def inverse(value: int) -> int:
    """1 / value. ZeroDivisionError for zero."""
    if value % MODULUS == 0:
        raise ZeroDivisionError("zero has no inverse")
    return pow(value, -1, MODULUS)


def root_of_unity(po2: int) -> int:
    """A primitive 2^po2-th root of unity; the roots of all orders are powers of one another. ValueError past 27."""
    if not 0 <= po2 <= TWO_ADICITY:
        raise ValueError(f"the field has roots of unity of order 2^0 to 2^{TWO_ADICITY}, not 2^{po2}")
    return pow(GENERATOR, (MODULUS - 1) >> po2, MODULUS)


def to_montgomery(value: int) -> int:
    """The Montgomery form of a value, value·R mod p."""
    return value * MONTGOMERY % MODULUS


def from_montgomery(form: int) -> int:
    """The value of a Montgomery form, form / R mod p."""
    return form * inverse(MONTGOMERY) % MODULUS
