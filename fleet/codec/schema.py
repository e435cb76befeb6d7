"""From type annotations to pydantic schemas: what every text that fleet reads or writes must look like.

Rules:
- Types are strict and unknown fields are refused.
- A class that is a member of one of the model's unions always carries `"kind"`, its name in snake case, wherever it
  stands, so that any union of such classes reads back unambiguously.
- JSON knows neither NaN nor infinity: no float here may be one.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import re
import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any

from pydantic_core import SchemaSerializer, core_schema

from fleet.model.event import Event
from fleet.model.playbook import Secret, Step
from fleet.model.record import Sample
from fleet.model.wire import ToController

CONFIG = core_schema.CoreConfig(
    strict=True,
    allow_inf_nan=False,
    ser_json_inf_nan="constants",
    ser_json_bytes="base64",
    val_json_bytes="base64",
    revalidate_instances="always",
)

_TAGGED = frozenset(member for union in (Step, Sample, ToController, Event) for member in typing.get_args(union))

_SCALARS: dict[Any, Callable[[], core_schema.CoreSchema]] = {
    str: core_schema.str_schema,
    int: core_schema.int_schema,
    float: core_schema.float_schema,
    bool: core_schema.bool_schema,
    bytes: core_schema.bytes_schema,
}


def snake_case(name: str) -> str:
    """`HostSample` → `host_sample`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def tag_of(cls: type) -> str | None:
    """The value of `kind` that this class carries; None for a class that is in no union."""
    return snake_case(cls.__name__) if cls in _TAGGED else None


TAGS = frozenset(snake_case(cls.__name__) for cls in _TAGGED)
"""Every tag there is."""


def schema_for(type_: Any) -> core_schema.CoreSchema:
    """The schema of a model class, or of a tuple, optional or union of such. TypeError for any other type."""
    if type_ in _SCALARS:
        return _SCALARS[type_]()
    if type_ is Secret:
        return _secret_schema()
    origin = typing.get_origin(type_)
    if origin in (types.UnionType, typing.Union):
        return _union_schema(typing.get_args(type_))
    if origin is tuple:
        return _tuple_schema(typing.get_args(type_))
    if isinstance(type_, type) and issubclass(type_, Enum):
        return core_schema.enum_schema(type_, list(type_), sub_type="str")
    if dataclasses.is_dataclass(type_) and isinstance(type_, type):
        return _class_schema(type_)
    raise TypeError(f"no schema for {type_!r}")


def _tuple_schema(items: tuple[Any, ...]) -> core_schema.CoreSchema:
    if items[-1] is Ellipsis:
        return core_schema.tuple_variable_schema(schema_for(items[0]))
    return core_schema.tuple_positional_schema([schema_for(item) for item in items])


def _union_schema(members: tuple[Any, ...]) -> core_schema.CoreSchema:
    if types.NoneType in members:
        rest = functools.reduce(operator.or_, (member for member in members if member is not types.NoneType))
        return core_schema.nullable_schema(schema_for(rest))
    choices = {tag: _class_schema(member) for member in members if (tag := tag_of(member))}
    if len(choices) != len(members):
        raise TypeError(f"a union of untagged classes would not read back: {members!r}")
    return core_schema.tagged_union_schema(
        choices, "kind", serialization=core_schema.plain_serializer_function_ser_schema(_tagged_plain)
    )


def _class_schema(cls: type) -> core_schema.CoreSchema:
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = [_field_schema(field, hints[field.name]) for field in dataclasses.fields(cls)]
    names = [field["name"] for field in fields]
    tag = tag_of(cls)
    post_init = hasattr(cls, "__post_init__")
    if tag:
        if post_init:
            raise TypeError(f"{cls.__name__}: a tagged class cannot have __post_init__, it would be handed the tag")
        kind = core_schema.dataclass_field("kind", core_schema.literal_schema([tag]), kw_only=True, init_only=True)
        fields.insert(0, kind)
    arguments = core_schema.dataclass_args_schema(
        cls.__name__, fields, collect_init_only=tag is not None, extra_behavior="forbid"
    )
    return core_schema.dataclass_schema(
        cls,
        arguments,
        names,
        post_init=post_init,
        slots=hasattr(cls, "__slots__"),
        frozen=True,
        config=CONFIG,
        serialization=_tagging(tag) if tag else None,
    )


def _field_schema(field: dataclasses.Field[Any], hint: Any) -> core_schema.DataclassField:
    schema = schema_for(hint)
    if field.default is not dataclasses.MISSING:
        schema = core_schema.with_default_schema(schema, default=field.default)
    elif field.default_factory is not dataclasses.MISSING:
        schema = core_schema.with_default_schema(schema, default_factory=field.default_factory)
    return core_schema.dataclass_field(field.name, schema, kw_only=field.kw_only is True)


def _tagging(tag: str) -> core_schema.WrapSerializerFunctionSerSchema:
    def add_tag(value: Any, inner: core_schema.SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"kind": tag, **inner(value)}

    return core_schema.wrap_serializer_function_ser_schema(add_tag)


@functools.cache
def serializer_for(type_: Any) -> SchemaSerializer:
    """The serialiser of a type, built once."""
    return SchemaSerializer(schema_for(type_), CONFIG)


def _tagged_plain(value: Any) -> Any:
    cls: Any = type(value)
    return serializer_for(cls).to_python(value, mode="json", warnings=False)


def _secret_schema() -> core_schema.CoreSchema:
    def refuse(_: Any) -> Secret:
        raise ValueError("a secret is neither written nor read")

    return core_schema.no_info_plain_validator_function(
        refuse, serialization=core_schema.plain_serializer_function_ser_schema(refuse)
    )
