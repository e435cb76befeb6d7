"""Model values as JSON by the standard library alone: for hosts that have a Python and nothing else.

Reads and writes the same texts as `fleet.codec.checked`, with shorter words for what is wrong in one. What a host says
is checked by the controller, which always has the other.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

from fleet.codec.tags import tag_of
from fleet.model.playbook import Secret

_UNIONS = (types.UnionType, typing.Union)


def read(type_: Any, text: str | bytes) -> Any:
    """The value of `type_`, a model class or a union, that a JSON text holds. ValueError of one line otherwise."""
    try:
        content = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deep") from None
    return _value(type_, content)


def written(value: object, *, indent: int | None) -> str:
    """The value as JSON, in ASCII where it is one line. ValueError of one line where it would not read back."""
    separators = (",", ":") if indent is None else None
    return json.dumps(_plain(value), indent=indent, separators=separators, ensure_ascii=indent is None, allow_nan=False)


def _plain(value: Any) -> Any:
    match value:
        case Secret():
            raise ValueError("a secret is neither written nor read")
        case None | bool() | int() | float() | str() | Enum() | Decimal():
            return _single(value)
        case bytes():
            return base64.urlsafe_b64encode(value).decode()
        case tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case _ if dataclasses.is_dataclass(value):
            tag = tag_of(type(value))
            fields = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
            return {"kind": tag, **fields} if tag else fields
        case _:
            raise ValueError(f"{type(value).__name__} is nothing that is written")


def _single(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Decimal) else value


def _value(type_: Any, content: Any) -> Any:
    items = typing.get_args(type_)
    if type_ in _SCALARS:
        return _SCALARS[type_](content)
    if typing.get_origin(type_) in _UNIONS:
        return _member(items, content)
    if isinstance(type_, type) and issubclass(type_, Enum):
        return type_(content)
    match content:
        case list() if typing.get_origin(type_) is tuple:
            return _tuple(items, content)
        case dict() if typing.get_origin(type_) is dict:
            return {key: _value(items[1], item) for key, item in content.items()}
        case dict() if dataclasses.is_dataclass(type_):
            return _object(type_, content)
        case _:
            raise ValueError(f"expected {getattr(type_, '__name__', type_)}, found {type(content).__name__}")


def _member(items: tuple[Any, ...], content: Any) -> Any:
    if content is None and types.NoneType in items:
        return None
    rest = [item for item in items if item is not types.NoneType]
    if len(rest) == 1:
        return _value(rest[0], content)
    kind = content.get("kind") if isinstance(content, dict) else None
    found = next((item for item in rest if tag_of(item) == kind), None)
    if found is None:
        raise ValueError(f"kind: expected one of {', '.join(str(tag_of(item)) for item in rest)}")
    return _value(found, content)


def _tuple(items: tuple[Any, ...], content: list[Any]) -> tuple[Any, ...]:
    if items[-1] is Ellipsis:
        return tuple(_value(items[0], item) for item in content)
    if len(items) != len(content):
        raise ValueError(f"expected {len(items)} items, found {len(content)}")
    return tuple(_value(item, each) for item, each in zip(items, content, strict=True))


def _object(cls: Any, content: Mapping[str, Any]) -> Any:
    tag, given = tag_of(cls), dict(content)
    if tag is not None and given.pop("kind", None) != tag:
        raise ValueError(f"kind: expected {tag}")
    hints = _hints(cls)
    if unknown := sorted(given.keys() - hints):
        raise ValueError(f"{unknown[0]}: {cls.__name__} has no such field")
    try:
        return cls(**{name: _value(hints[name], item) for name, item in given.items()})
    except TypeError:  # a field without a default is missing
        raise ValueError(f"{cls.__name__}: a field is missing") from None


@functools.cache
def _hints(cls: type) -> Mapping[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _no_number(text: str) -> typing.NoReturn:
    raise ValueError(f"{text} is no number in JSON")


def _scalar(cls: type, content: Any) -> Any:
    if type(content) is not cls:
        raise ValueError(f"expected {cls.__name__}, found {type(content).__name__}")
    return content


def _float(content: Any) -> float:
    return float(_scalar(int if type(content) is int else float, content))


def _bytes(content: Any) -> bytes:
    return base64.urlsafe_b64decode(_scalar(str, content))


def _decimal(content: Any) -> Decimal:
    try:
        return Decimal(_scalar(str, content))
    except InvalidOperation:
        raise ValueError("expected a number with its digits as a text") from None


def _secret(_content: Any) -> Secret:
    raise ValueError("a secret is neither written nor read")


_SCALARS: Mapping[Any, Callable[[Any], Any]] = {
    str: functools.partial(_scalar, str),
    int: functools.partial(_scalar, int),
    bool: functools.partial(_scalar, bool),
    float: _float,
    bytes: _bytes,
    Decimal: _decimal,
    Secret: _secret,
}
