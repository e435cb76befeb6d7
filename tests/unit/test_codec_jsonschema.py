"""The JSON Schemas that fleet hands out, against what it writes and reads."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
import yaml  # noqa: TID251 (as an editor reads it)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_values import model_types, values_of
from test_codec_inventory import LAB
from test_codec_playbook import EXAMPLE

from fleet.codec import dump
from fleet.codec.jsonschema import inventory_schema, playbook_schema, schema_of
from fleet.model.samples import HostSample, Sample


@pytest.mark.parametrize("type_", model_types(), ids=lambda type_: getattr(type_, "__name__", str(type_)[:40]))
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_written_fits_its_schema(type_: Any, data: st.DataObject) -> None:
    """Every value of every model type, as written, is valid by the type's JSON Schema."""
    schema = schema_of(type_)
    jsonschema.Draft202012Validator.check_schema(schema)
    written = json.loads(dump(data.draw(values_of(type_))))
    jsonschema.validate(written, schema, cls=jsonschema.Draft202012Validator)


def test_a_stranger_does_not_fit() -> None:
    """The schema of a union refuses a class that is not in it, and an unknown field."""
    written = json.loads(dump(HostSample(host="a", time=0.5)))
    validator = jsonschema.Draft202012Validator(schema_of(Sample))
    assert validator.is_valid(written)
    assert not validator.is_valid(written | {"kind": "progress"})
    assert not validator.is_valid(written | {"extra": 1})


@pytest.mark.parametrize(
    ("schema", "text", "typo"),
    [(inventory_schema(), LAB, ("memory:", "memry:")), (playbook_schema(), EXAMPLE, ("mode:", "mod:"))],
    ids=["inventory", "playbook"],
)
def test_files_fit_their_schemas(schema: dict[str, Any], text: str, typo: tuple[str, str]) -> None:
    """An editor with the schema is content with the example and underlines a typo."""
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    text = re.sub(r"mode: (\d+)", r"mode: '\1'", text)  # editors read YAML 1.2, to which 0700 is a number
    assert list(validator.iter_errors(yaml.safe_load(text))) == []
    wrong = yaml.safe_load(text.replace(*typo))
    assert not validator.is_valid(wrong)
