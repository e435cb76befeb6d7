"""Case files: a step and what a host answered in; the change for people and for the host, or the refusal, out."""

from __future__ import annotations

import tomllib
from enum import EnumType
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from fleet.codec.tags import snake_case
from fleet.errors import ProvisionError
from fleet.model.hoststeps import (
    Activity,
    ArchiveStep,
    GroupStep,
    LineStep,
    PackageStep,
    Presence,
    SysctlStep,
    UnitStep,
    UserStep,
)
from fleet.model.playbook import DirectoryStep, FileStep, PythonStep, ScriptStep, Step
from fleet.model.stacksteps import ComposeStep, DockerStep, FirewallStep, NvidiaStep, WireguardStep
from fleet.plan.shell.program import Answer
from fleet.plan.steps import Wheel, change, question, undo
from fleet.plan.steps.kinds import KINDS as TABLE

KINDS: dict[str, type[Any]] = {snake_case(kind.__name__).removesuffix("_step"): kind for kind in TABLE}
"""Every kind of step by the name that playbooks have for it."""


def cases() -> list[Any]:
    files = sorted((Path(__file__).parent / "cases" / "steps").glob("*.toml"))
    loaded = [(file.stem, case) for file in files for case in tomllib.loads(file.read_text())["case"]]
    return [pytest.param(kind, case, id=f"{kind}: {case['title']}") for kind, case in loaded]


def step_of(kind: str, case: dict[str, Any]) -> Step:
    """As a playbook would give it: a list is a tuple, a word of a choice is that choice."""
    hints = get_type_hints(KINDS[kind])
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in case["step"].items()}
    for key, value in fields.items():
        choices = [hint for hint in (hints[key], *get_args(hints[key])) if isinstance(hint, EnumType)]
        fields[key] = choices[0](value) if choices else value
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


@pytest.mark.parametrize(("kind", "case"), [one for one in cases() if {"undo", "reason"} & set(one.values[1])])
def test_a_case_gives_its_undo_or_the_reason_why_there_is_none(kind: str, case: dict[str, Any]) -> None:
    back = undo(step_of(kind, case), Answer(**case["answer"]))
    if "reason" in case:
        assert (back.script, back.reason) == (None, case["reason"])
        return
    assert back.script is not None
    assert back.script.strip("\n") == case["undo"].strip("\n")
    assert back.keep.strip("\n") == case.get("keep", "").strip("\n")


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
        ScriptStep(name="s", run="true"),
        ScriptStep(name="s", unless="true", creates="/a", run="true"),
        PackageStep(name="p", packages=()),
        PackageStep(name="p", packages=("jq; reboot",)),
        PackageStep(name="p", packages=("-y",)),
        PackageStep(name="p", packages=("jq=1",), state=Presence.ABSENT),
        LineStep(name="l", path="/a", line="a\nb"),
        LineStep(name="l", path="/a"),
        LineStep(name="l", path="/a", match="^a"),
        LineStep(name="l", path="/a", line="a", match="a", state=Presence.ABSENT),
        LineStep(name="l", path="/a", line="a", create="rw"),
        GroupStep(name="g", group="a b"),
        GroupStep(name="g", group="a", gid=1, state=Presence.ABSENT),
        UserStep(name="u", user="$(id)"),
        UserStep(name="u", user="root", state=Presence.ABSENT),
        UserStep(name="u", user="u", groups=("g",), state=Presence.ABSENT),
        UserStep(name="u", user="u", shell="sh -c id"),  # noqa: S604 (a login shell, no call of one)
        UserStep(name="u", user="u", home="~/x"),
        SysctlStep(name="s", key="swappiness", value="1"),
        SysctlStep(name="s", key="vm/../../etc/passwd", value="1"),
        SysctlStep(name="s", key="vm.swappiness", value=""),
        UnitStep(name="u", unit="docker"),
        UnitStep(name="u", unit="../a.service"),
        UnitStep(name="u", unit="a.service", content=""),
        UnitStep(name="u", unit="a.service", masked=True, state=Activity.STARTED),
        ArchiveStep(name="a", archive="/a.rar", sha256="0" * 64, path="/a"),
        ArchiveStep(name="a", archive="/a.zip", sha256="0", path="/a"),
        ArchiveStep(name="a", archive="/a.zip", path="/a"),
        ArchiveStep(name="a", sha256="0" * 64, path="/a"),
        ArchiveStep(name="a", source="a.rar", path="/a"),
        DockerStep(name="d", engine="new"),
        NvidiaStep(name="n", driver="new"),
        NvidiaStep(name="n", application_clocks="fast"),
        NvidiaStep(name="n", package="a b"),
        ComposeStep(name="c", project="A b", directory="/a"),
        ComposeStep(name="c", project="a", directory="/a", files=()),
        ComposeStep(name="c", project="a", directory="/a", services=("-v",)),
        FirewallStep(name="f", sources=(), ports=("81",)),
        FirewallStep(name="f", sources=("box",), ports=("81",)),
        FirewallStep(name="f", sources=("10.0.0.1",), ports=("9-8",)),
        FirewallStep(name="f", sources=("10.0.0.1",), ports=("70000",)),
        WireguardStep(name="w", interface="wg 0", address="10.0.0.1/24"),
        WireguardStep(name="w", interface="wg0", address="10.0.0.1"),
        WireguardStep(name="w", interface="wg0", address="10.0.0.1/24", port=0),
        WireguardStep(name="w", interface="wg0", address="10.0.0.1/24", peers=("no+key 10.0.0.2/32",)),
    ],
)
def test_a_step_that_no_host_can_be_asked_is_refused_before_one_is(step: Step) -> None:
    with pytest.raises(ValueError, match=r".{10}"):
        question(step)
