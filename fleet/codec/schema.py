"""From type annotations to pydantic schemas: what every text that fleet reads or writes must look like.

Rules:
- Types are strict and unknown fields are refused.
- A class that is a member of one of the model's unions always carries `"kind"`, its name in snake case, wherever it
  stands, so that any union of such classes reads back unambiguously.
- JSON knows neither NaN nor infinity: no float here may be one.
- The forms of the files that people write annotate a field with `Reads` (a scalar parsed from its text) or
  `Shorthand` (a text that stands for a mapping of one field), a union with `Untailed` (shorter tags).
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic_core import SchemaSerializer, SchemaValidator, core_schema

from fleet.codec.tags import tag_of
from fleet.model.playbook import Secret

CONFIG = core_schema.CoreConfig(
    strict=True,
    extra_fields_behavior="forbid",
    allow_inf_nan=False,
    ser_json_inf_nan="constants",
    ser_json_bytes="base64",
    val_json_bytes="base64",
)

_UNIONS = (types.UnionType, typing.Union)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reads:
    """Annotates a field of a form: its text is read by `parse`, whose ValueError says what was expected.

    `json` is what its JSON Schema says, for editors that complete and check the file.
    """

    parse: Callable[[str], Any]
    json: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shorthand:
    """Annotates a form: a text in its place stands for the mapping `{field: text}`, a list for `{items: list}`."""

    field: str
    items: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Untailed:
    """Annotates a union in a form: its members' tags are written without this ending (`file` for `file_step`)."""

    ending: str


def schema_for(type_: Any) -> core_schema.CoreSchema:
    """The schema of a model class or a form, or of a tuple, mapping, optional or union of such. TypeError otherwise."""
    if type_ in _SCALARS:
        return _SCALARS[type_]()
    if make := _GENERICS.get(typing.get_origin(type_)):
        return make(typing.get_args(type_))
    if isinstance(type_, type) and issubclass(type_, Enum):
        return core_schema.enum_schema(type_, list(type_), sub_type="str")
    if isinstance(type_, type) and dataclasses.is_dataclass(type_):
        return _class_schema(type_, tag_of(type_))
    raise TypeError(f"no schema for {type_!r}")


def follow(type_: Any, location: tuple[str | int, ...]) -> tuple[tuple[str | int, ...], Any]:
    """Where pydantic's location leads in a `type_`: the path in the text (without tags), and the type that is there."""
    path: list[str | int] = []
    for part in location:
        type_ = _bare(type_)
        if members := _members(type_):
            type_ = members.get(str(part))
        else:
            path.append(part)
            type_ = _step(type_, part)
    return tuple(path), _bare(type_)


def _bare(type_: Any) -> Any:
    """Without `| None`, and without the annotations that do not matter to a path."""
    items = typing.get_args(type_)
    if typing.get_origin(type_) is typing.Annotated and not isinstance(items[1], Untailed):
        return _bare(items[0])
    rest = [item for item in items if item is not types.NoneType]
    return _bare(rest[0]) if typing.get_origin(type_) in _UNIONS and len(rest) == 1 else type_


def _step(type_: Any, part: str | int) -> Any:
    items = typing.get_args(type_)
    if dataclasses.is_dataclass(type_):
        return typing.get_type_hints(type_, include_extras=True).get(str(part))
    if typing.get_origin(type_) is tuple:
        return items[0] if items[-1] is Ellipsis else items[int(part)]
    return items[1] if typing.get_origin(type_) is dict else None


def _members(type_: Any) -> dict[str, type]:
    """The members of a union by the tags they have there; empty for what is no union."""
    items = typing.get_args(type_)
    if typing.get_origin(type_) is typing.Annotated and isinstance(items[1], Untailed):
        return {tag.removesuffix(items[1].ending): member for tag, member in _members(items[0]).items()}
    if typing.get_origin(type_) not in _UNIONS:
        return {}
    members = {tag: item for item in items if (tag := tag_of(item))}
    if len(members) != len(set(items) - {types.NoneType}):
        raise TypeError(f"a union of untagged classes would not read back: {type_!r}")
    return members


def _tuple_schema(items: tuple[Any, ...]) -> core_schema.CoreSchema:
    if items[-1] is Ellipsis:
        return core_schema.tuple_variable_schema(schema_for(items[0]))
    return core_schema.tuple_positional_schema([schema_for(item) for item in items])


def _dict_schema(items: tuple[Any, ...]) -> core_schema.CoreSchema:
    return core_schema.dict_schema(core_schema.str_schema(), schema_for(items[1]))


def _annotated_schema(items: tuple[Any, ...]) -> core_schema.CoreSchema:
    type_, note = items
    if isinstance(note, Untailed):
        return _tagged_schema(_members(typing.Annotated[type_, note]))
    if isinstance(note, Shorthand):
        return core_schema.no_info_before_validator_function(
            functools.partial(_written_out, note), schema_for(type_), metadata={"list": note.items is not None}
        )
    parse = note.parse

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError("expected one value")  # noqa: TRY004 (pydantic collects ValueErrors)
        return parse(value)

    return core_schema.no_info_plain_validator_function(read, metadata={"json": dict(note.json)})


def _written_out(note: Shorthand, value: Any) -> Any:
    match value:
        case str():
            return {note.field: value}
        case list() if note.items is not None:
            return {note.items: value}
        case _:
            return value


def _union_schema(items: tuple[Any, ...]) -> core_schema.CoreSchema:
    union = functools.reduce(operator.or_, (item for item in items if item is not types.NoneType))
    if types.NoneType in items:
        return core_schema.nullable_schema(schema_for(union))
    return _tagged_schema(_members(union))


def _tagged_schema(members: Mapping[str, type]) -> core_schema.CoreSchema:
    return core_schema.tagged_union_schema(
        {tag: _class_schema(cls, tag) for tag, cls in members.items()},
        "kind",
        serialization=core_schema.plain_serializer_function_ser_schema(_tagged_plain),
    )


@functools.cache
def _class_schema(cls: type, tag: str | None) -> core_schema.CoreSchema:
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = [_field_schema(field, hints[field.name]) for field in dataclasses.fields(cls)]
    names = [field["name"] for field in fields]
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


@functools.cache
def validator_for(type_: Any) -> SchemaValidator:
    """The validator of a type, built once."""
    return SchemaValidator(schema_for(type_), CONFIG)


def _tagged_plain(value: Any) -> Any:
    cls: Any = type(value)
    return serializer_for(cls).to_python(value, mode="json", warnings=False)


def _secret_schema() -> core_schema.CoreSchema:
    def refuse(_: Any) -> Secret:
        raise ValueError("a secret is neither written nor read")

    return core_schema.no_info_plain_validator_function(
        refuse, serialization=core_schema.plain_serializer_function_ser_schema(refuse)
    )


_SCALARS: dict[Any, Callable[[], core_schema.CoreSchema]] = {
    str: core_schema.str_schema,
    int: core_schema.int_schema,
    float: core_schema.float_schema,
    bool: core_schema.bool_schema,
    Decimal: core_schema.decimal_schema,  # written as a text, with every digit
    bytes: core_schema.bytes_schema,
    Secret: _secret_schema,
}
_GENERICS: dict[Any, Callable[[tuple[Any, ...]], core_schema.CoreSchema]] = {
    types.UnionType: _union_schema,
    typing.Union: _union_schema,
    typing.Annotated: _annotated_schema,
    tuple: _tuple_schema,
    dict: _dict_schema,
}
