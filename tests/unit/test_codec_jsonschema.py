"""The JSON Schemas that fleet hands out to editors, against what it reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml  # noqa: TID251 (as an editor reads it)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_codec_inventory import LAB
from test_codec_playbook import EXAMPLE

from fleet.codec import parse_inventory, parse_playbook
from fleet.codec.jsonschema import inventory_schema, playbook_schema
from fleet.errors import ConfigurationError


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


TOP = Path(__file__).parents[2]
INVENTORY, PLAYBOOK = (jsonschema.Draft202012Validator(schema()) for schema in (inventory_schema, playbook_schema))
SHIPPED = [(path, INVENTORY) for path in sorted((TOP / "inventory").glob("*.yaml"))]
SHIPPED += [(path, PLAYBOOK) for path in sorted((TOP / "playbooks").glob("*.yaml"))]
LOADERS = {"inventory": parse_inventory, "playbooks": parse_playbook}


def edited(text: str) -> Any:
    """A file as an editor reads it: by YAML 1.2, to which a mode with a leading zero is a number."""
    return yaml.safe_load(re.sub(r"mode: (0\d+)", r"mode: '\1'", text))


def spots(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where every mapping, list and scalar of a document stands."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from spots(inner, (*path, key))


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


@pytest.mark.parametrize(("path", "validator"), SHIPPED, ids=lambda part: getattr(part, "stem", ""))
def test_every_shipped_file_fits_its_schema(path: Path, validator: jsonschema.Draft202012Validator) -> None:
    """What the loader takes, an editor is content with."""
    assert [error.message for error in validator.iter_errors(edited(path.read_text()))] == []


@pytest.mark.parametrize(("path", "validator"), SHIPPED, ids=lambda part: getattr(part, "stem", ""))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_shape_that_the_loader_refuses_the_schema_refuses(
    path: Path, validator: jsonschema.Draft202012Validator, data: st.DataObject
) -> None:
    """A field that nobody knows anywhere, a list for a mapping, a mapping for a value: one refuses what the other does.

    What only the whole file shows (two heads, a name that is not there) is the loader's alone.
    """
    document = edited(path.read_text())
    where = data.draw(st.sampled_from(sorted(spots(document), key=str)))
    whole: Any = {"": document}
    holder: Any
    key: Any
    holder, key = at(whole, ("", *where[:-1])) if where else whole, where[-1] if where else ""
    match data.draw(st.sampled_from(["stranger", "list", "mapping"])):
        case "stranger" if isinstance(holder[key], dict):
            holder[key]["no such field"] = 1
        case "list":
            holder[key] = [[holder[key]]]
        case _:
            holder[key] = {"no such field": {"deeper": 1}}
    text = yaml.safe_dump(whole[""], sort_keys=False)
    try:
        LOADERS[path.parent.name](text, str(path))
    except ConfigurationError:
        refused = True
    else:
        refused = False
    fits = validator.is_valid(whole[""])
    if not refused:
        assert fits
    elif not known_only_to_the_loader(where):
        assert not fits, where


def known_only_to_the_loader(where: tuple[str | int, ...]) -> bool:
    """Names that are free in a mapping are checked by the loader: JSON Schema sees them as any other."""
    return bool(where) and where[-1] in {"vars", "hosts", "groups", "devices", "knobs", "env"}
