"""Case files: a step and what a host answered in; the change for people and for the host, or the refusal, out."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from fleet.errors import ProvisionError
from fleet.model.playbook import DirectoryStep, FileStep, PythonStep, ScriptStep, Step
from fleet.plan.program import Answer
from fleet.plan.steps import Wheel, change, question

KINDS: dict[str, type[Any]] = {
    "directory": DirectoryStep,
    "file": FileStep,
    "python": PythonStep,
    "script": ScriptStep,
}


def cases() -> list[Any]:
    files = sorted((Path(__file__).parent / "cases" / "steps").glob("*.toml"))
    loaded = [(file.stem, case) for file in files for case in tomllib.loads(file.read_text())["case"]]
    return [pytest.param(kind, case, id=f"{kind}: {case['title']}") for kind, case in loaded]


def step_of(kind: str, case: dict[str, Any]) -> Step:
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in case["step"].items()}
    step: Step = KINDS[kind](**fields)
    return step


@pytest.mark.parametrize(("kind", "case"), cases())
def test_a_case_gives_its_change_or_its_refusal(kind: str, case: dict[str, Any]) -> None:
    step = step_of(kind, case)
    wheels = [Wheel(**case["wheel"] | {"data": case["wheel"]["data"].encode()})] if "wheel" in case else []
    if "refused" in case:
        with pytest.raises(ProvisionError) as caught:
            change(step, Answer(**case["answer"]), wheels)
        assert (caught.value.message, caught.value.hint) == (case["refused"], case.get("hint"))
        return
    found = change(step, Answer(**case["answer"]), wheels)
    if "script" not in case:
        assert found is None
        return
    assert found is not None
    assert found.summary == case["summary"]
    assert found.script.strip("\n") == case["script"].strip("\n")


def test_every_kind_has_cases_for_right_and_for_wrong() -> None:
    """A kind without both would be a kind whose silence nobody has tried."""
    seen = {(parameters.values[0], parameters.values[1]["answer"]["status"] == 0) for parameters in cases()}
    assert seen == {(kind, right) for kind in KINDS for right in (True, False)}


@pytest.mark.parametrize(
    "step",
    [
        DirectoryStep(name="d", path=""),
        DirectoryStep(name="d", path="/a\nb"),
        DirectoryStep(name="d", path="~/fleet"),
        DirectoryStep(name="d", path="/a", mode="rwx"),
        FileStep(name="f", path="/a\0b", content=""),
        FileStep(name="f", path="/a", content="a\0b"),
        FileStep(name="f", path="/a", content="", mode="99"),
        PythonStep(name="p", python="python3", requires=("ray>=2",)),
        PythonStep(name="p", python="python3", requires=("ray==2; rm -rf /",)),
        PythonStep(name="p", python="python3", requires=(), venv=""),
        ScriptStep(name="s", unless="x" * 100_001),
        ScriptStep(name="s", unless="true", run="a\0b"),
    ],
)
def test_a_step_that_no_host_can_be_asked_is_refused_before_one_is(step: Step) -> None:
    with pytest.raises(ValueError, match=r".{10}"):
        question(step)
