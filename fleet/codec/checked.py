"""Model values as JSON by pydantic's core, which checks every type on the way in and out."""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticSerializationError, ValidationError

from fleet.codec.problems import problems, show
from fleet.codec.schema import serializer_for, validator_for


def read(type_: Any, text: str | bytes) -> Any:
    """The value of `type_`, a model class or a union, that a JSON text holds. ValueError of one line otherwise."""
    try:
        return validator_for(type_).validate_json(text)
    except ValidationError as error:
        raise ValueError(show(problems(type_, error)[0])) from None


def written(value: object, *, indent: int | None) -> str:
    """The value as JSON, in ASCII where it is one line. ValueError of one line where it would not read back."""
    cls: Any = type(value)
    try:
        # Warnings are off because the text is read back, which finds the same faults, and NaN, and names the path.
        text = serializer_for(cls).to_json(value, indent=indent, ensure_ascii=indent is None, warnings=False)
        validator_for(cls).validate_json(text)
    except ValidationError as error:
        raise ValueError(show(problems(cls, error)[0])) from None
    except (PydanticSerializationError, TypeError) as error:
        raise ValueError(str(error)) from None
    return text.decode()
