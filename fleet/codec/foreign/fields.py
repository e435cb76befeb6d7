"""Values of other tools into the fields of a host: each is checked as if it stood in fleet's own inventory."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic_core import ValidationError

from fleet.codec.devices import device_problems
from fleet.codec.foreign.value import Lost, Plain
from fleet.codec.forms import VARIABLE, DeviceForm, HostForm, InventoryForm, VariableForm
from fleet.codec.problems import problems, show
from fleet.codec.schema import Shorthand, validator_for
from fleet.model.inventory import Role

Devices = tuple[Annotated[DeviceForm, Shorthand(field="type")], ...]

SECRET = re.compile(r"pass(word|wd|phrase)?(_|\b|$)|secret|token|credential", re.IGNORECASE)
"""What a variable with a secret in it is called."""

_NEVER = frozenset({"lab", "sudo_password_command", "key_passphrase_command"})
"""A lab is made here; and what names a program of the controller is written by its operator, never imported."""
_EXPRESSION = re.compile(r"\{\{|\{%|\{#")
_NO_VARIABLE = "fleet's variables are texts and lists of texts"
_HINTS = typing.get_type_hints(HostForm, include_extras=True)


def is_expression(value: Plain) -> bool:
    """Whether a text is a template that its own tool would evaluate; fleet does not."""
    return isinstance(value, str) and _EXPRESSION.search(value) is not None


def read_fields(raw: Mapping[str, Plain], where: str) -> tuple[HostForm, tuple[Lost, ...]]:
    """A host's fields from values by the names that fleet's inventory has for them, and those that do not fit."""
    good: dict[str, Any] = {}
    lost: list[Lost] = []
    for name, value in raw.items():
        try:
            good[name] = _read(name, value)
        except ValueError as error:
            lost.append(Lost(where=where, what=name, why=str(error)))
    return HostForm(**good), tuple(lost)


def field_names() -> tuple[str, ...]:
    """The fields that a host may bring along from elsewhere."""
    return tuple(name for name in _HINTS if name not in _NEVER)


def as_variable(name: str, value: Plain) -> VariableForm:
    """What stands under `vars` for a variable of another tool. ValueError for what fleet's hold neither way."""
    if not VARIABLE.fullmatch(name):
        raise ValueError("fleet's variables have names of letters, digits and _")
    if isinstance(value, list):
        items = tuple(map(as_text, value))
        texts = tuple(item for item in items if item is not None)
        if len(texts) != len(items):
            raise ValueError(_NO_VARIABLE)
        return VariableForm(items=texts)
    text = as_text(value)
    if text is None or "\0" in text:
        raise ValueError(_NO_VARIABLE)
    return VariableForm(text=text)


def _read(name: str, value: Plain) -> Any:
    if is_expression(value):
        raise ValueError("an expression: fleet does not evaluate it")
    if name == "devices":
        return _devices(value)
    text = as_text(value)
    if text is None or not text.isprintable():
        raise ValueError("expected one printable value")
    if name == "role":
        return _role(text)
    return next(_parsers(_HINTS[name])).parse(text)


def _parsers(hint: Any) -> Iterator[Any]:
    for item in typing.get_args(hint):
        yield from getattr(item, "__metadata__", ())


def _role(text: str) -> Role:
    if text not in set(Role):
        raise ValueError(f"expected one of {', '.join(Role)}")
    return Role(text)


def as_text(value: Plain) -> str | None:
    """How a value would be written in an inventory; None for a list, a mapping or nothing."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return value
        case int() | float():
            return repr(value)
        case _:
            return None


def _devices(value: Plain) -> tuple[DeviceForm, ...]:
    try:
        found: tuple[DeviceForm, ...] = validator_for(Devices).validate_json(json.dumps(_texts(value)))
    except ValidationError as error:
        raise ValueError(show(problems(Devices, error)[0])) from None
    form = InventoryForm(fleet="any", hosts={"any": HostForm(devices=found)})
    for problem in device_problems(form):
        raise ValueError(problem.text)
    return found


def _texts(value: Plain) -> Any:
    match value:
        case dict():
            return {name: _texts(item) for name, item in value.items() if item is not None}
        case list():
            return [_texts(item) for item in value]
        case _:
            return as_text(value)
