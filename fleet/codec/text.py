"""Model values as JSON: indented for people, one line for the wire and the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

try:
    from fleet.codec.checked import read, written
except ModuleNotFoundError:  # on a host that has a Python and nothing else
    from fleet.codec.bare import read, written

if TYPE_CHECKING:
    from typing_extensions import TypeForm

T = TypeVar("T")


class Malformed(ValueError):  # noqa: N818 (it names the text, not the event)
    """A text is not the JSON of the wanted type, or a value cannot be written as JSON. One line, with the path."""


def dump(value: object) -> str:
    """The value as indented JSON. Malformed where it would not read back: NaN, infinity, a wrong type, a secret."""
    return _dump(value, indent=2)


def dump_line(value: object) -> str:
    """The value as one line of ASCII JSON, without the newline. Malformed as in `dump`."""
    return _dump(value, indent=None)


def load(type_: TypeForm[T], text: str | bytes) -> T:
    """The value of `type_`, a model class or a union such as `Step`, that a JSON text holds. Malformed otherwise."""
    wanted: Any = type_
    try:
        value: T = read(wanted, text)
    except ValueError as error:
        raise Malformed(str(error)) from None
    return value


def load_line(type_: TypeForm[T], text: str | bytes) -> T:
    """The value that one line of JSON holds, as in `load`."""
    return load(type_, text)


def _dump(value: object, indent: int | None) -> str:
    try:
        return written(value, indent=indent)
    except ValueError as error:
        raise Malformed(f"{type(value).__name__} cannot be written: {error}") from None
