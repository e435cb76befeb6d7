"""`frozen` makes of a class what `dataclass` makes of it, only sooner."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from typing import Any

import pytest

from fleet.model.frozen import frozen


class _Veiled:
    password: str

    def __repr__(self) -> str:
        return "***"


class _Plain:
    """What both are asked to make of it. `set` and `missing` are names that the maker itself uses."""

    name: str
    set: int = 1
    missing: tuple[str, ...] = ()
    unseen: str = field(default="hidden", repr=False)
    place: int = field(default=0, compare=False)
    table: dict[str, int] = field(default_factory=dict)

    @property
    def loud(self) -> str:
        """A property of the class's own."""
        return self.name.upper()


class _Checked:
    """One that refuses some values."""

    low: int

    def __post_init__(self) -> None:
        if self.low < 0:
            raise ValueError("below zero")


class _Empty:
    """One without fields."""


def _ours(cls: type) -> Any:
    return frozen(type(cls.__name__, (), _body(cls)))


def _theirs(cls: type) -> Any:
    return dataclass(frozen=True, slots=True, kw_only=True)(type(cls.__name__, (), _body(cls)))


def _body(cls: type) -> dict[str, Any]:
    return {name: value for name, value in vars(cls).items() if name not in {"__dict__", "__weakref__"}}


Both = pytest.mark.parametrize("make", [_ours, _theirs])
Thing, Checked, Empty = _ours(_Plain), _ours(_Checked), _ours(_Empty)
Thing.__qualname__ = "Thing"


@Both
def test_values_are_equal_by_what_is_compared(make: Callable[[type], Any]) -> None:
    one, empty = make(_Plain), make(_Empty)
    assert one(name="a", place=1) == one(name="a", place=2)
    assert one(name="a") != one(name="a", set=2)
    assert one(name="a") != make(_Plain)(name="a")
    assert one(name="a") != "a"
    assert empty() == empty()
    assert hash(empty()) == hash(empty())


@Both
def test_equal_values_have_one_hash(make: Callable[[type], Any]) -> None:
    checked = make(_Checked)
    assert {checked(low=1), checked(low=1), checked(low=2)} == {checked(low=1), checked(low=2)}
    with pytest.raises(TypeError, match="unhashable"):
        hash(make(_Plain)(name="a"))


@Both
def test_nothing_can_be_set_or_deleted(make: Callable[[type], Any]) -> None:
    value = make(_Plain)(name="a")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'name'"):
        value.name = "b"
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'name'"):
        del value.name
    assert not hasattr(value, "__dict__")


@Both
def test_a_field_that_is_not_shown_is_not_in_the_text(make: Callable[[type], Any]) -> None:
    assert repr(make(_Plain)(name="a")) == "_Plain(name='a', set=1, missing=(), place=0, table={})"
    assert repr(make(_Empty)()) == "_Empty()"


@Both
def test_defaults_are_filled_in_and_each_value_has_its_own_dict(make: Callable[[type], Any]) -> None:
    one = make(_Plain)
    first, second = one(name="a"), one(name="a")
    assert asdict(first) == {"name": "a", "set": 1, "missing": (), "unseen": "hidden", "place": 0, "table": {}}
    assert first.table is not second.table
    assert first.loud == "A"


@Both
def test_how_a_class_shows_itself_is_its_own_affair(make: Callable[[type], Any]) -> None:
    """One that holds a password says so little of itself that none is told."""
    assert repr(make(_Veiled)(password="hunter2")) == "***"  # noqa: S106 (no secret)


@Both
def test_fields_are_given_by_name_all_that_must_be_and_no_other(make: Callable[[type], Any]) -> None:
    one = make(_Plain)
    with pytest.raises(TypeError, match=r"_Plain\.__init__\(\) missing 1 required keyword-only argument: 'name'"):
        one()
    with pytest.raises(TypeError, match=r"_Plain\.__init__\(\) takes 1 positional argument but 2 were given"):
        one("a")
    with pytest.raises(TypeError, match=r"_Plain\.__init__\(\) got an unexpected keyword argument 'nmae'"):
        one(name="a", nmae="b")
    assert list(inspect.signature(one).parameters) == [each.name for each in fields(one)]


@Both
def test_replace_makes_another_one_that_is_checked_again(make: Callable[[type], Any]) -> None:
    checked = make(_Checked)
    assert replace(checked(low=1), low=2) == checked(low=2)
    with pytest.raises(ValueError, match="below zero"):
        replace(checked(low=1), low=-1)


def test_a_value_is_copied_and_pickled_whole() -> None:
    """The laboratory's tests hand inventories from process to process so."""
    value = Thing(name="a", set=3, unseen="s", place=4, table={"x": 1})
    assert copy.deepcopy(value) == value
    again = pickle.loads(pickle.dumps(value))  # noqa: S301 (our own)
    assert asdict(again) == asdict(value)
