"""How a value is made: a dataclass that is frozen, slotted and keyword-only, in a fifth of the time of `dataclass`.

`dataclass` compiles six functions for each class, and a command loads a hundred classes or two: that took as long as to
connect to several hosts. Of the six only `__init__` is compiled here; the others are the same for all classes.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, NoReturn, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """What `dataclass(frozen=True, slots=True, kw_only=True)` makes of a class that has no parent."""
    made: Any = dataclass(init=False, repr=False, eq=False, slots=True, kw_only=True)(cls)
    names = [one.name for one in fields(made) if one.compare]
    compared: Any = attrgetter(*names) if names else type

    def equal(self: object, other: object) -> bool:
        return compared(self) == compared(other) if other.__class__ is made else NotImplemented

    def hashed(self: object) -> int:
        return hash(compared(self))

    own = {"__init__": _initialiser(made), "__eq__": equal, "__hash__": hashed}
    for name, method in (own | _SHARED).items():
        if name not in vars(cls):  # such as how one that holds a password shows itself
            setattr(made, name, method)
    return made  # type: ignore[no-any-return]  # the class itself, with slots


def _initialiser(cls: Any) -> Any:
    names: dict[str, Any] = {"__missing": MISSING}
    parameters, lines = [], []
    for one in fields(cls):
        parameter = given = one.name
        if one.default is not MISSING:
            names[f"_{one.name}"] = one.default
            parameter = f"{one.name}=_{one.name}"
        elif one.default_factory is not MISSING:
            names[f"_{one.name}"] = one.default_factory
            parameter = f"{one.name}=__missing"
            given = f"_{one.name}() if {one.name} is __missing else {one.name}"
        parameters.append(parameter)
        names[f"__set_{one.name}"] = getattr(cls, one.name).__set__  # past __setattr__, and twice as fast
        lines.append(f"__set_{one.name}(self, {given})")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    heading = ", ".join(["self", "*", *parameters] if parameters else ["self"])
    exec(f"def __init__({heading}): {'; '.join(lines) or 'pass'}", names)  # noqa: S102 (as `dataclass` does)
    names["__init__"].__qualname__ = f"{cls.__qualname__}.__init__"
    return names["__init__"]


def _shown(self: Any) -> str:
    shown = (f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_to_set(_self: object, name: str, _value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_self: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[object]:
    return [getattr(self, one.name) for one in fields(self)]


def _restore(self: Any, state: list[object]) -> None:
    for one, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, one.name, value)


_SHARED = {
    "__repr__": _shown,
    "__setattr__": _refuse_to_set,
    "__delattr__": _refuse_to_delete,
    "__getstate__": _state,
    "__setstate__": _restore,
}
"""`copy` and `pickle` would set what has slots field by field, which is refused: hence the last two."""
