"""The JSON report: valid under the schema that ships, complete, and safe for any pipe."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from report_samples import ANY_REPORT, BOX, GAIN, GUIDE, REAL, UNDECIDED

from fleet.model.inventory import Per
from fleet.model.verdict import Choice, Evidence, Report
from fleet.report.structured.run import schema, to_json, to_object

VALIDATOR = Draft202012Validator(schema())


def objects(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object schema in a schema."""
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield path, node
        for key, value in node.items():
            yield from objects(value, f"{path}/{key}")
    elif isinstance(node, list):
        for at, value in enumerate(node):
            yield from objects(value, f"{path}/{at}")


def test_the_schema_is_one_and_lets_nothing_through_that_it_does_not_name() -> None:
    Draft202012Validator.check_schema(schema())
    found = dict(objects(schema()))
    assert len(found) == 18
    for path, node in found.items():
        assert node["additionalProperties"] is False, path
        assert sorted(node["required"]) == sorted(node["properties"]), path


def test_the_schema_describes_what_its_names_leave_open() -> None:
    for name, node in schema()["properties"].items():  # type: ignore[attr-defined] # JSON is what it is
        assert "description" in node or "$ref" in node, name


def test_the_schema_knows_exactly_the_words_of_the_model() -> None:
    defs: Any = schema()["$defs"]
    assert defs["choice"]["enum"] == [choice.value for choice in Choice]
    assert defs["option"]["properties"]["evidence"]["enum"] == [kind.value for kind in Evidence]
    assert defs["price"]["properties"]["per"]["enum"] == [per.value for per in Per]


@pytest.mark.parametrize("report", [GUIDE, REAL, UNDECIDED])
def test_the_samples_are_valid(report: Report) -> None:
    VALIDATOR.validate(json.loads(to_json(report)))


@settings(max_examples=80)
@given(ANY_REPORT)
def test_any_report_is_valid_and_survives_the_pipe(report: Report) -> None:
    text = to_json(report)
    assert text.isascii()
    loaded = json.loads(text)
    VALIDATOR.validate(loaded)
    assert loaded["verdict"]["choice"] == report.analysis.verdict.choice.value
    assert [found["hz"]["value"] for found in loaded["throughput"]] == [
        found.hz.value for found in report.analysis.throughputs
    ]


def test_the_guide_report_is_all_there() -> None:
    loaded = json.loads(to_json(GUIDE))
    assert loaded["run"] == "20260731-101500-7c1e"
    assert loaded["emulated"] is True
    assert loaded["created"] == "2026-07-31T10:15:00+00:00"
    assert loaded["current"] == BOX.label
    assert loaded["verdict"]["choice"] == "add_remote_worker"
    assert loaded["verdict"]["confidence"] == 0.99
    assert loaded["verdict"]["gain"] == {"value": 0.6, "low": 0.55, "high": 0.65, "n": 3, "unit": "ratio"}
    assert loaded["verdict"]["cost"] == {"amount": 2600.0, "currency": "USD", "per": "once"}
    assert loaded["verdict"]["bottleneck"]["code"] == "bus"
    assert [reason["code"] for reason in loaded["verdict"]["reasons"]] == [
        "in_box_scaling",
        "remote_scales",
        "no_free_slot",
    ]
    assert loaded["throughput"][2] == {
        "layout": "box×2, 1 agent each, po2 20",
        "current": True,
        "po2": 20,
        "agents_per_device": 1,
        "devices": 2,
        "agents": ["box/gpu0#0", "box/gpu1#0"],
        "experiments": ["baseline", "gpus"],
        "jobs": 1,
        "iterations": 4096,
        "hz": {"value": 431400.0, "low": 425200.0, "high": 437600.0, "n": 4, "unit": "Hz"},
    }
    assert loaded["scaling"][0]["karp_flatt"] == 0.228
    assert loaded["options"][1]["blocked"] == "box has no free slot"
    assert [found["code"] for found in loaded["refused"]] == ["out_of_memory", "out_of_memory", "retried"]
    assert loaded["time_shares"][0]["busy"] == 0.83
    assert loaded["largest_po2"] == [{"device": "box/gpu0", "po2": 21}, {"device": "far/gpu0", "po2": 21}]
    assert len(loaded["caveats"]) == 1
    assert len(loaded["not_measured"]) == 2


def broken(path: tuple[str | int, ...], value: object) -> Any:
    found = copy.deepcopy(json.loads(to_json(GUIDE)))
    node = found
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict", "confidence"), 1.2),
        (("verdict", "choice"), "buy_more"),
        (("verdict", "surprise"), 1),
        (("emulated",), "yes"),
        (("throughput", 0, "hz", "value"), None),
        (("options", 0, "best"), -0.1),
        (("refused", 0, "trial"), 7),
        (("extra",), {}),
    ],
)
def test_what_is_not_a_report_is_refused(path: tuple[str | int, ...], value: object) -> None:
    assert not VALIDATOR.is_valid(broken(path, value))


def test_an_interval_without_end_is_null_and_no_number_is_nan() -> None:
    verdict = replace(REAL.analysis.verdict, gain=replace(GAIN, low=float("-inf"), high=float("nan")))
    loaded = json.loads(to_json(replace(REAL, analysis=replace(REAL.analysis, verdict=verdict))))
    assert loaded["verdict"]["gain"]["low"] is None
    assert loaded["verdict"]["gain"]["high"] is None
    senseless = replace(REAL, seconds=float("nan"))
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(senseless)


def test_the_object_and_the_text_are_one() -> None:
    assert json.loads(to_json(GUIDE)) == to_object(GUIDE)
