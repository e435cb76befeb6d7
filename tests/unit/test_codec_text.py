"""Model values to JSON and back."""

from __future__ import annotations

import json
import math
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_values import model_types, observation, run_log, values_of

from fleet.codec import Malformed, bare, checked, dump, dump_line, load, load_line
from fleet.codec.tags import snake_case
from fleet.model.event import Event, Note
from fleet.model.inventory import Login
from fleet.model.playbook import Command, Secret, Step
from fleet.model.record import Observation, TaskRecord, TaskState
from fleet.model.samples import HostSample, Sample, Telemetry
from fleet.model.trial import AgentSpec, Layout
from fleet.model.wire import Progress, RemoteError, Result, Spooled, ToController, ToDriver, ToHand, ToNode

UNIONS = (Step, Sample, Event, ToNode, ToDriver, ToController, Spooled)


@pytest.mark.parametrize("type_", model_types(), ids=lambda type_: getattr(type_, "__name__", str(type_)[:40]))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_round_trip(type_: Any, data: st.DataObject) -> None:
    """Every value of every model type reads back as itself, from one line and from indented JSON."""
    value = data.draw(values_of(type_))
    assert load_line(type_, dump_line(value)) == value
    assert load(type_, dump(value)) == value


@given(text=st.text())
def test_a_line_is_one_line(text: str) -> None:
    """No text makes a line break of any kind, nor anything but ASCII, which a host without a locale can read."""
    line = dump_line(Note(text=text))
    assert line.isascii()
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("union", UNIONS, ids=lambda union: str(union)[:60])
def test_tags_tell_members_apart(union: Any) -> None:
    """Within a union no two classes have the same tag."""
    tags = [snake_case(member.__name__) for member in typing.get_args(union)]
    assert len(set(tags)) == len(tags)


def test_tag_is_the_class_name() -> None:
    """A member of a union carries its class name in snake case, at the top and inside."""
    sample = HostSample(host="a", time=1.5)
    assert json.loads(dump_line(sample))["kind"] == "host_sample"
    assert json.loads(dump_line(Telemetry(samples=(sample,))))["samples"][0]["kind"] == "host_sample"
    assert "kind" not in json.loads(dump_line(Login(address="a")))


def test_members_that_look_alike_stay_apart() -> None:
    """Progress and TrialProgress have the same fields; the tag decides."""
    line = dump_line(Progress(trial="t", done=1, total=2))
    assert load_line(ToController, line) == Progress(trial="t", done=1, total=2)
    with pytest.raises(Malformed, match='found "progress"; did you mean `trial_progress`'):
        load_line(Event, line)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_json_knows_no_nan(number: float) -> None:
    """What is no number is refused on the way out and on the way in, with its path."""
    with pytest.raises(Malformed, match=r"HostSample cannot be written: cpu_busy: expected a finite number"):
        dump_line(HostSample(host="a", time=0.0, cpu_busy=number))
    written = json.dumps(number)
    with pytest.raises(Malformed, match="time: expected a finite number"):
        load_line(HostSample, f'{{"kind": "host_sample", "host": "a", "time": {written}}}')


def test_too_large_for_a_float_is_refused() -> None:
    """1e999 is infinity to most parsers."""
    with pytest.raises(Malformed, match="finite"):
        load_line(HostSample, '{"kind": "host_sample", "host": "a", "time": 1e999}')


def test_a_secret_never_leaves() -> None:
    """Neither its value nor stars are written, and none is read."""
    with pytest.raises(Malformed) as caught:
        dump(Secret("hunter2"))
    assert "hunter2" not in str(caught.value)
    with pytest.raises(Malformed) as caught:
        load(Secret, '"hunter2"')
    assert "hunter2" not in str(caught.value)


def test_wrong_types_do_not_leave() -> None:
    """A value built with a wrong type is refused where it is written, not where it is read."""
    with pytest.raises(Malformed, match=r"Login cannot be written: port: expected a whole number, found \"22\""):
        dump_line(Login(address="a", port="22"))  # type: ignore[arg-type]
    with pytest.raises(Malformed, match=r"samples\[0\].kind"):
        dump_line(Telemetry(samples=(Note(text="x"),)))  # type: ignore[arg-type]
    with pytest.raises(Malformed, match="samples: expected a list, found nothing"):
        dump_line(Telemetry(samples=None))  # type: ignore[arg-type]
    with pytest.raises(Malformed, match="no schema for"):
        dump_line(object())
    with pytest.raises(Malformed, match="surrogates"):
        dump_line(Note(text="\ud800"))


TASK = '{"id": "1", "kind": "prove", "state": "done", "prerequisites": [], "created": 0, "started": 0, "updated": 1'
LAYOUT = '{"agents": [{"host": "a", "device": "gpu0"}], "po2": 20}'


@pytest.mark.parametrize(
    ("type_", "text", "said"),
    [
        (AgentSpec, "", "not JSON: EOF"),
        (AgentSpec, "{", "not JSON: EOF"),
        (AgentSpec, "\xff", "not JSON"),
        (AgentSpec, "[" * 5000, "not JSON: recursion limit"),
        (AgentSpec, "[]", "expected a mapping, found a list"),
        (AgentSpec, "null", "expected a mapping, found nothing"),
        (AgentSpec, '{"host": "a"}', "device: is missing"),
        (AgentSpec, '{"host": "a", "device": 0}', "device: expected text, found 0"),
        (AgentSpec, '{"host": "a", "device": "b", "slot": "0"}', 'slot: expected a whole number, found "0"'),
        (AgentSpec, '{"host": "a", "device": "b", "slot": 0.5}', "slot: expected"),
        (AgentSpec, '{"host": "a", "device": "b", "slot": true}', "slot: expected a whole number, found True"),
        (AgentSpec, '{"host": "a", "device": "b", "slto": 0}', "slto: unknown field; did you mean `slot`?"),
        (AgentSpec, '{"host": "a", "device": "b", "x": 0}', "x: unknown field; known are host, device, slot"),
        (Layout, LAYOUT.replace("gpu0", '", "slt": "'), "agents[0].slt: unknown field; did you mean `slot`?"),
        (TaskRecord, TASK.replace("prove", "proof") + "}", 'found "proof"; did you mean `prove`?'),
        (TaskState, '"ok"', 'expected one of pending, ready, running, done, failed, found "ok"'),
        (ToController, "{}", "kind: is missing"),
        (ToController, '{"kind": 3}', "kind: expected one of node_ready"),
        (ToController, '{"kind": "progress", "trial": 1}', "trial: expected text, found 1"),
        (ToController, '{"kind": "progress", "trial": "", "done": 0, "totl": 0}', "totl: unknown field; did you mean"),
        (RemoteError, '{"kind": "progress"}', 'kind: expected remote_error, found "progress"'),
        (HostSample, '{"host": "a", "time": 0}', "kind: is missing"),
        (Telemetry, '{"samples": [{"kind": "host_sample", "host": "a"}]}', "samples[0].time: is missing"),
        (Command, '{"argv": ["true"], "stdin": "?"}', "stdin: expected base64"),
        (AgentSpec, f'{{"host": "", "device": "", "slot": "\\u0007{"z" * 500}"}}', r'found "\x07zzzz'),
    ],
)  # fmt: skip
def test_malformed(type_: Any, text: str, said: str) -> None:
    """What cannot be read is said in one short line: where, what was expected, what stands there."""
    with pytest.raises(Malformed) as caught:
        load_line(type_, text)
    message = str(caught.value)
    assert said in message
    assert len(message) < 300
    assert message.isprintable()


def test_bytes_are_read_too() -> None:
    """A line as it comes from a socket; what is no UTF-8 is malformed, not a crash."""
    assert load_line(AgentSpec, b'{"host": "a", "device": "b"}') == AgentSpec(host="a", device="b")
    with pytest.raises(Malformed, match="not JSON"):
        load_line(AgentSpec, b'{"host": "\xff", "device": "b"}')


def test_rules_of_the_model_hold_at_the_door() -> None:
    """An OK observation whose tasks are not done cannot be read."""
    text = dump_line(observation(0)).replace('"state":"done"', '"state":"running"')
    with pytest.raises(Malformed, match="an OK observation needs jobs whose every task is done"):
        load_line(Observation, text)


def spots(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value: what holds it, and its key there."""
    for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        yield tree, key
        if isinstance(value, dict | list):
            yield from spots(value)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), value=st.sampled_from([run_log(observations=1), Result(observation=observation(0, tasks=1))]))
def test_no_mutation_gets_past_the_door(data: st.DataObject, value: Any) -> None:
    """A text with something taken out, put in or replaced is read as a value of the type, or refused in one line."""
    tree = json.loads(dump_line(value))
    holder, key = data.draw(st.sampled_from(list(spots(tree))))
    match data.draw(st.sampled_from(["remove", "replace", "add"])):
        case "remove":
            del holder[key]
        case "replace":
            holder[key] = data.draw(st.sampled_from([None, True, -1, 0.5, "", "\x07", [], {}, [[]], {"kind": "x"}]))
        case _ if isinstance(holder, dict):
            holder[data.draw(st.text(max_size=3))] = 0
        case _:
            holder.append(0)
    try:
        read = load_line(type(value), json.dumps(tree))
    except Malformed as error:
        assert str(error).isprintable()  # noqa: PT017 (most mutations are refused, some are not)
    else:
        assert load_line(type(value), dump_line(read)) == read


@pytest.mark.parametrize("union", [ToNode, ToHand, ToController, Spooled], ids=lambda union: str(union)[:60])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_host_with_nothing_but_python_is_understood(union: Any, data: st.DataObject) -> None:
    """What the standard library writes is read by the checked codec as the same value, and the other way round."""
    value = data.draw(values_of(union))
    assert checked.read(union, bare.written(value, indent=None)) == value
    assert bare.read(union, checked.written(value, indent=None)) == value
    assert bare.written(value, indent=None).isascii()


@given(line=st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps) | st.text())
@settings(max_examples=60)
def test_nonsense_is_a_value_error_there_too(line: str) -> None:
    """Nothing else is raised, whatever comes."""
    for text in (line, f'{{"kind": "execute", "run": {line}}}', f'{{"kind": "mark", "name": "a", "more": {line}}}'):
        with pytest.raises(ValueError, match=r"."):
            bare.read(ToHand, text)


def test_secrets_and_infinities_stay_out_of_a_bare_text() -> None:
    """As with the checked codec."""
    with pytest.raises(ValueError, match="neither written"):
        bare.written(Secret("s"), indent=None)
    with pytest.raises(ValueError, match="float"):
        bare.written(HostSample(host="a", time=math.inf), indent=None)
