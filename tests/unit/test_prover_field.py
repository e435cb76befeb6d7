"""The field's constants are what they claim to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.remote.prover.field import (
    GENERATOR,
    MODULUS,
    TWO_ADICITY,
    from_montgomery,
    inverse,
    root_of_unity,
    to_montgomery,
)

elements = st.integers(0, MODULUS - 1)


def test_modulus_is_the_babybear_prime() -> None:
    """p = 15·2^27 + 1 has no divisor up to its square root."""
    assert MODULUS == 2_013_265_921
    assert all(MODULUS % divisor for divisor in range(2, 44_870))


def test_generator_generates_the_whole_group() -> None:
    """31 has full order: no power (p − 1)/q for a prime q of p − 1 = 2^27·3·5 is one."""
    assert all(pow(GENERATOR, (MODULUS - 1) // q, MODULUS) != 1 for q in (2, 3, 5))


@pytest.mark.parametrize("po2", range(TWO_ADICITY + 1))
def test_roots_are_primitive_and_nested(po2: int) -> None:
    """The root of order 2^k has exactly that order, and its square is the root of half the order."""
    root = root_of_unity(po2)
    assert pow(root, 1 << po2, MODULUS) == 1
    if po2:
        assert pow(root, 1 << (po2 - 1), MODULUS) == MODULUS - 1
        assert root * root % MODULUS == root_of_unity(po2 - 1)


@pytest.mark.parametrize("po2", [-1, TWO_ADICITY + 1])
def test_no_other_roots(po2: int) -> None:
    """The field has no roots of unity of other orders, and says so."""
    with pytest.raises(ValueError, match=r"2\^27"):
        root_of_unity(po2)


@given(elements)
def test_montgomery_form_is_a_bijection(value: int) -> None:
    """To Montgomery form and back changes nothing."""
    assert from_montgomery(to_montgomery(value)) == value


@given(st.integers(1, MODULUS - 1))
def test_inverse(value: int) -> None:
    """A value times its inverse is one."""
    assert value * inverse(value) % MODULUS == 1


def test_zero_has_no_inverse() -> None:
    """Dividing by zero is an error, not a number."""
    with pytest.raises(ZeroDivisionError):
        inverse(MODULUS)
