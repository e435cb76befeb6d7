"""JSON Schemas of the files that fleet reads, for editors."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from fleet.codec.forms import InventoryForm
from fleet.codec.playbook import Steps
from fleet.codec.schema import schema_for

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _FormGenerator(GenerateJsonSchema):
    """For files: what may be left out is left out, never written as null; a text may stand for a form."""

    def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> JsonSchemaValue:
        """What the scalar's `Reads` says."""
        return dict(schema["metadata"]["json"])

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """The schema without null."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """The schema without its default, which is None in a form."""
        return self.generate_inner(schema["schema"])

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """A form, or the text (or list) that stands for it."""
        plain: list[JsonSchemaValue] = [{"type": "string"}]
        if schema["metadata"]["list"]:
            # Whatever a scalar looks like to an editor, it is a text here.
            plain = [{"type": ["string", "number", "boolean"]}, {"type": "array", "items": dict(plain[0])}]
        return {"anyOf": [*plain, self.generate_inner(schema["schema"])]}


def inventory_schema() -> dict[str, Any]:
    """The JSON Schema of an inventory file."""
    return {"$schema": _DIALECT, **_FormGenerator().generate(schema_for(InventoryForm))}


def playbook_schema() -> dict[str, Any]:
    """The JSON Schema of a playbook file."""
    return {"$schema": _DIALECT, **_FormGenerator().generate(schema_for(Steps))}
