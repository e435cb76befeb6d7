"""Model values as JSON: indented for people, one line for the wire and the store."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic_core import PydanticSerializationError, ValidationError
from typing_extensions import TypeForm

from fleet.codec.problems import problems, show
from fleet.codec.schema import serializer_for, validator_for

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
        value: T = validator_for(wanted).validate_json(text)
    except ValidationError as error:
        raise Malformed(show(problems(type_, error)[0])) from None
    return value


def load_line(type_: TypeForm[T], text: str | bytes) -> T:
    """The value that one line of JSON holds, as in `load`."""
    return load(type_, text)


def _dump(value: object, indent: int | None) -> str:
    cls: Any = type(value)
    try:
        # Warnings are off because the text is read back, which finds the same faults, and NaN, and names the path.
        text = serializer_for(cls).to_json(value, indent=indent, ensure_ascii=indent is None, warnings=False)
        validator_for(cls).validate_json(text)
    except ValidationError as error:
        raise Malformed(f"{cls.__name__} cannot be written: {show(problems(cls, error)[0])}") from None
    except (PydanticSerializationError, TypeError) as error:
        raise Malformed(f"{cls.__name__} cannot be written: {error}") from None
    return text.decode()
