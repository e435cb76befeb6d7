"""From answers to decisions and reports: what is open after a failure is skipped, what was right stays right."""

from __future__ import annotations

import pytest

from fleet.errors import ConnectError, ProvisionError
from fleet.model.hoststeps import LineStep
from fleet.model.playbook import Change, DirectoryStep, ScriptStep, StepReport, StepState
from fleet.plan.shell.program import Answer
from fleet.plan.steps import change
from fleet.plan.steps.outcome import Decision, blocked, came_of, decide, foreseen, reconsidered, wanted

RIGHT, WRONG = Answer(status=0, text=""), Answer(status=1, text="no\n")
STEPS = tuple(ScriptStep(name=name, unless="test", run="make") for name in "abc")
CHECK = ScriptStep(name="check", unless="test")


def decided(*said: Answer, steps: tuple[ScriptStep, ...] = STEPS) -> tuple[Decision, ...]:
    return decide(steps, {f"ask_{i}": answer for i, answer in enumerate(said)}, ())


def states(reports: tuple[StepReport, ...]) -> list[str]:
    return [report.state.value for report in reports]


def done(*pairs: tuple[int, Answer | None, Answer | None]) -> dict[str, Answer]:
    found = {f"change_{i}": change for i, change, _ in pairs} | {f"look_{i}": look for i, _, look in pairs}
    return {label: answer for label, answer in found.items() if answer is not None}


def test_a_host_where_all_is_right_is_left_alone() -> None:
    decisions = decided(RIGHT, RIGHT, RIGHT)
    assert wanted(decisions) == {}
    assert states(came_of("h", decisions, {})) == ["right"] * 3


def test_a_missing_answer_is_no_answer_at_all() -> None:
    with pytest.raises(ValueError, match="answered 1 of 3 questions, not `b`"):
        decided(RIGHT)


def test_a_dry_run_says_what_would_change() -> None:
    reports = foreseen("h", decided(RIGHT, WRONG, WRONG, steps=(*STEPS[:2], CHECK)))
    assert reports == (
        StepReport(host="h", step="a", state=StepState.RIGHT),
        StepReport(host="h", step="b", state=StepState.WOULD_CHANGE, summary="run: make"),
        StepReport(host="h", step="check", state=StepState.FAILED, summary="no"),
    )


def test_a_change_counts_when_the_second_look_finds_it_right() -> None:
    decisions = decided(WRONG, RIGHT, WRONG)
    assert list(wanted(decisions)) == [0, 2]
    reports = came_of("h", decisions, done((0, RIGHT, RIGHT), (2, RIGHT, RIGHT)))
    assert states(reports) == ["changed", "right", "changed"]
    assert reports[0].summary == "run: make"


def test_a_failed_change_says_why_and_what_follows_is_skipped() -> None:
    failed = Answer(status=7, text="\x1b[1mno space left\x1b[0m\n")
    reports = came_of("h", decided(WRONG, WRONG, WRONG), done((0, RIGHT, RIGHT), (1, failed, None)))
    assert states(reports) == ["changed", "failed", "skipped"]
    assert (reports[1].summary, reports[1].detail) == ("run: make: exit status 7", "no space left")


def test_a_change_that_changed_nothing_has_failed() -> None:
    reports = came_of("h", decided(WRONG, WRONG, RIGHT), done((0, RIGHT, WRONG)))
    assert states(reports) == ["failed", "skipped", "right"]
    assert reports[0].summary == "run: make: done, but the second look still finds it wrong"
    assert reports[0].detail == "no"


def test_a_check_that_fails_first_stops_the_host_before_anything_is_done() -> None:
    decisions = decided(WRONG, WRONG, RIGHT, steps=(CHECK, *STEPS[:2]))
    assert wanted(decisions) == {}
    assert states(came_of("h", decisions, {})) == ["failed", "skipped", "right"]


@pytest.mark.parametrize(("look", "state"), [(RIGHT, "right"), (WRONG, "failed"), (None, "failed")])
def test_a_check_after_changes_is_looked_at_again(look: Answer | None, state: str) -> None:
    """The change before it may have been what it was waiting for."""
    decisions = decided(WRONG, WRONG, steps=(STEPS[0], CHECK))
    assert wanted(decisions)[1] is None
    reports = came_of("h", decisions, done((0, RIGHT, RIGHT), (1, None, look)))
    assert states(reports) == ["changed", state]


def test_a_host_that_falls_silent_fails_in_the_step_it_was_at() -> None:
    decisions = decided(WRONG, WRONG, WRONG)
    reports = came_of("h", decisions, done((0, RIGHT, RIGHT), (1, RIGHT, None)))
    assert states(reports) == ["changed", "failed", "skipped"]
    assert reports[1].summary == "the host stopped answering"


def test_a_host_that_was_never_reached_fails_with_the_reason() -> None:
    decisions = blocked(STEPS, ConnectError("no route", host="h", hint="is it on?"))
    reports = came_of("h", decisions, {})
    assert states(reports) == ["failed", "skipped", "skipped"]
    assert (reports[0].summary, reports[0].detail) == ("no route", "is it on?")


def test_a_refusal_is_a_decision_like_any_other() -> None:
    decision = decided(WRONG, steps=(CHECK,))[0]
    assert isinstance(decision.blocked, ProvisionError)
    assert not decision.right


@pytest.mark.parametrize(
    ("said", "diff"),
    [
        ("add\n", "--- /etc/x\n+++ /etc/x\n@@ end of file @@\n+b=1\n"),
        ("replace 3:b=0\n", "--- /etc/x\n+++ /etc/x\n@@ -3 +3 @@\n-b=0\n+b=1\n"),
        ("absent\n", "--- /etc/x\n+++ /etc/x\n@@ -0,0 +1 @@\n+b=1\n"),
    ],
)
def test_a_line_has_a_diff_with_a_head_as_files_have(said: str, diff: str) -> None:
    step = LineStep(name="l", path="/etc/x", line="b=1", match="^b=", create="0644")
    found = change(step, Answer(status=1, text=said))
    assert found is not None
    assert found.diff == diff


def folder(summary: str) -> Decision:
    return Decision(step=DirectoryStep(name="d", path="d"), change=Change(summary=summary, script=""))


def test_what_is_right_by_now_or_calls_for_the_same_is_taken_and_what_does_not_is_refused() -> None:
    """Where somebody else changed the host between the question and the change."""
    planned, right = folder("make it"), Decision(step=DirectoryStep(name="d", path="d"))
    assert reconsidered(planned, right) is right
    assert reconsidered(planned, same := folder("make it")) is same
    refused = reconsidered(planned, folder("set its mode"))
    assert refused.change is None
    assert refused.blocked is not None
    assert "somebody else has changed it" in str(refused.blocked)
    assert "by now it would be: set its mode" in str(refused.blocked)
