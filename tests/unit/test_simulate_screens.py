"""The what-if and capacity screens and their JSON: they fit, they say emulated, they say extrapolation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextvars import copy_context
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from planted_questions import PREMISES, run_of

from fleet.analyse.decide.capacity import capacity
from fleet.analyse.foretell.simulate import simulate
from fleet.model.anatomy import Share
from fleet.model.capacity import Capacity, Goal
from fleet.model.simulation import Change, JobTime, Simulation
from fleet.model.trial import AgentSpec, Layout
from fleet.report.lines import Line
from fleet.report.screens.capacity import capacity_screen
from fleet.report.screens.sheet import label_of
from fleet.report.screens.simulation import removed, simulation_screen
from fleet.report.structured.computed import capacity_json, simulation_json
from fleet.report.structured.run import shipped_schema
from fleet.units import Idiom, speak


@cache
def simulation() -> Simulation:
    return simulate(run_of("guide"), Change(gpus=1, remotes=4), PREMISES, search=True)


@cache
def plants(hertz: float | None = 1e6) -> Capacity:
    goal = Goal(text="at least 1.0 MHz", hz=hertz) if hertz else Goal(text="for 100 a month", monthly=100.0)
    return capacity(run_of("guide"), goal, PREMISES)


def text_of(lines: tuple[Line, ...]) -> str:
    return "\n".join(line.text for line in lines)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    """At any width that can be read."""
    for lines in (
        simulation_screen(simulation(), width=width),
        capacity_screen(plants(), width=width),
        capacity_screen(plants(None), width=width),
    ):
        assert max(line.width for line in lines) <= width


def test_a_simulation_says_what_it_is() -> None:
    """Emulated, predicted, extrapolated, and how sure: all on the screen."""
    text = " ".join(text_of(simulation_screen(simulation())).split())
    for words in ("EMULATED", "predicted", "EXTRAPOLATION", "any gain", "WHERE AN AGENT'S TIME GOES", "how likely"):
        assert words in text
    assert "box×3 + far0×1 + far1×1 + 2 new×1" in text


def test_a_command_is_spoken_of_as_runs() -> None:
    """Nothing is proved there, and nobody cuts segments."""

    def say() -> str:
        speak(Idiom(unit="samples/s", settings=tuple(f"batch {at}" for at in range(30)), runs=True))
        return text_of(simulation_screen(simulate(run_of("guide"), Change(gpus=1), PREMISES)))

    shown = copy_context().run(say)
    assert re.search(r"^  run  ", shown, re.MULTILINE)
    assert "prove" not in shown


def test_both_probabilities_of_a_search_are_explained_below_it() -> None:
    """Each column that is a probability has a line that begins with its title; no formula is left to be guessed."""
    text = text_of(simulation_screen(simulation()))
    for title in ("fastest", "best buy"):
        assert re.search(rf"^  layout .*{title}", text, re.MULTILINE)
        assert f"· {title}: how likely it is" in text
    assert "P(" not in text


def test_a_capacity_says_what_it_is() -> None:
    """Emulated, the goal, what to build, what it costs, N−1 and the peak to promise."""
    text = text_of(capacity_screen(plants()))
    for words in ("EMULATED", "at least 1.0 MHz", "build", "a month", "N−1", "without the head", "peak_prove_khz"):
        assert words in text


def test_screens_without_unicode() -> None:
    """A terminal that shows ASCII only gets ASCII only."""
    for lines in (
        simulation_screen(simulation(), ascii_only=True),
        capacity_screen(plants(), ascii_only=True),
    ):
        assert text_of(lines).isascii()


def test_the_json_holds_the_same_figures() -> None:
    """One object each, with units, intervals and the word emulated."""
    told = json.loads(simulation_json(simulation()))
    asked = simulation().asked
    assert asked is not None
    assert told["emulated"] is True
    assert told["asked"]["hz"]["value"] == asked.hz.value
    assert told["asked"]["extrapolation"]
    assert set(told["speedups"]["gains"]) == {"prove", "join", "finalize", "executor", "dispatch"}
    assert len(told["ranking"]) == len(simulation().ranking)
    found = json.loads(capacity_json(plants()))
    assert found["emulated"] is True
    assert found["recommended"] in found["plants"]
    assert found["peak_prove_khz"]["now"]["khz"] == plants().peak_now.khz


@pytest.mark.parametrize(
    ("text", "shipped", "needed"),
    [
        (lambda: simulation_json(simulation()), shipped_schema("simulation"), ("asked", "gain", "low")),
        (
            lambda: simulation_json(simulate(run_of("roomy"), Change(), PREMISES)),
            shipped_schema("simulation"),
            ("now", "time"),
        ),
        (lambda: capacity_json(plants()), shipped_schema("capacity"), ("recommended", "bill", "missing")),
        (lambda: capacity_json(plants(None)), shipped_schema("capacity"), ("peak_prove_khz", "now", "khz")),
        (lambda: capacity_json(plants(0.3e6)), shipped_schema("capacity"), ("goal", "hz")),
    ],
    ids=("asked", "as it is", "target", "budget", "enough"),
)
def test_the_json_fits_the_schema_that_ships(
    text: Callable[[], str], shipped: dict[str, Any], needed: tuple[str, ...]
) -> None:
    """Every field is described, none is missing, none is extra at any depth."""
    Draft202012Validator.check_schema(shipped)
    validator = Draft202012Validator(shipped)
    told = json.loads(text())
    validator.validate(told)
    part = told
    for step in needed[:-1]:
        part = part[step]
    part["extra"] = 1
    assert not validator.is_valid(told)
    del part["extra"]
    del part[needed[-1]]
    assert not validator.is_valid(told)


def test_hosts_that_are_not_there_yet_are_counted() -> None:
    """Many new workers are one term of the label."""
    hosts = ("box", "far", "new_1", "new_2")
    layout = Layout(agents=tuple(AgentSpec(host=host, device="gpu0") for host in hosts), po2=20)
    assert label_of(layout) == "box×1 + far×1 + 2 new×1, 1 agent each, po2 20"


def test_what_a_change_takes_off_an_agent() -> None:
    """The part that shrinks most in seconds, what grows notably, or nothing."""
    layout = Layout(agents=(AgentSpec(host="box", device="gpu0"),), po2=20)

    def time(busy: float, dispatch: float, graph: float) -> JobTime:
        total = busy + dispatch + graph
        share = Share(layout=layout, busy=busy / total, dispatch=dispatch / total, graph=graph / total)
        return JobTime(seconds=total, share=share)

    assert removed(time(50, 40, 10), time(50, 10, 10)) == "30.0 s of waiting for dispatch for each agent in a job"
    assert removed(time(80, 10, 10), time(40, 10, 20)) == (
        "40.0 s of work for each agent in a job; waiting for the task graph grows by 10.0 s"
    )
    assert removed(time(50, 40, 10), time(50, 40, 10)) == "nothing"
    assert removed(time(50, 40, 10), time(80, 40, 10)) == "nothing: the job takes 30.0 s longer, 30.0 s of work"
