"""What the answers of one host mean: a decision for each step, and the reports before and after the changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.errors import FleetError, HostError, ProvisionError
from fleet.model.playbook import Change, Step, StepReport, StepState
from fleet.plan.shell.program import Answer
from fleet.plan.shell.quoting import tame
from fleet.plan.steps import change
from fleet.plan.steps.pythons import Wheel

_SILENCE = ProvisionError("the host stopped answering")
_UNKEPT = "not changed: what would put it back cannot be kept in the host's journal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a step calls for: nothing where it is right (both None), a change, or (`blocked`) a cure by the operator.

    `answer`: what the host said; None where it said nothing.
    """

    step: Step
    answer: Answer | None = None
    change: Change | None = None
    blocked: FleetError | None = None

    @property
    def right(self) -> bool:
        """Whether nothing is to be done."""
        return self.change is None and self.blocked is None


def decide(steps: Sequence[Step], asked: Mapping[str, Answer], wheels: Sequence[Wheel]) -> tuple[Decision, ...]:
    """A decision for each step from the answers of `compile_questions`. ValueError where one is missing."""
    complete(steps, range(len(steps)), asked)
    return tuple(decided(step, asked[f"ask_{i}"], wheels) for i, step in enumerate(steps))


def complete(steps: Sequence[Step], chosen: Sequence[int], asked: Mapping[str, Answer]) -> Mapping[str, Answer]:
    """The answers, if each of the chosen steps has one. ValueError otherwise."""
    if missing := [steps[i].name for i in chosen if f"ask_{i}" not in asked]:
        raise ValueError(f"it answered {len(chosen) - len(missing)} of {len(chosen)} questions, not `{missing[0]}`")
    return asked


def decided(step: Step, answer: Answer, wheels: Sequence[Wheel]) -> Decision:
    """The decision for one step."""
    try:
        return Decision(step=step, answer=answer, change=change(step, answer, wheels))
    except ProvisionError as error:
        return Decision(step=step, answer=answer, blocked=error)


def equal(before: Decision, after: Decision) -> bool:
    """Whether both call for the same, as people are told it."""
    match before.change, after.change:
        case (None, None):
            return before.right == after.right
        case (Change() as one, Change() as other):
            return (one.summary, one.diff) == (other.summary, other.diff)
    return False


def reconsidered(before: Decision, after: Decision) -> Decision:
    """What to do where the host answers otherwise by now, and not for a change of ours.

    What is right by now is left alone. What calls for another change than was planned is refused: whoever else changes
    the host wants it otherwise.
    """
    if after.change is None or equal(before, after):
        return after
    hint = f"by now it would be: {after.change.summary}; if that is right, run the same command again"
    refused = ProvisionError("not changed: somebody else has changed it since it was asked", hint=hint)
    return Decision(step=after.step, answer=after.answer, blocked=refused)


def blocked(steps: Sequence[Step], error: FleetError) -> tuple[Decision, ...]:
    """The decisions for a host that did not answer."""
    return tuple(Decision(step=step, blocked=error) for step in steps)


def wanted(decisions: Sequence[Decision]) -> Mapping[int, Change | None]:
    """What to hand to `compile_changes`: empty where nothing is to be done, or where the first thing is blocked.

    A blocked step that comes after changes is looked at again, since those may have cured it.
    """
    open_steps = {i: decision.change for i, decision in enumerate(decisions) if not decision.right}
    return open_steps if next(iter(open_steps.values()), None) is not None else {}


def foreseen(host: str, decisions: Sequence[Decision]) -> tuple[StepReport, ...]:
    """The reports of a dry run."""
    return tuple(
        _failed(host, decision.step, decision.blocked)
        if decision.blocked
        else _report(host, decision, StepState.WOULD_CHANGE if decision.change else StepState.RIGHT)
        for decision in decisions
    )


def came_of(
    host: str, decisions: Sequence[Decision], done: Mapping[str, Answer], silence: FleetError = _SILENCE
) -> tuple[StepReport, ...]:
    """The reports after the changes, from the answers of `compile_changes`.

    What was open after a failure is SKIPPED. `silence`: why an answer is missing that should have come.
    """
    reports: list[StepReport] = []
    failed = False
    for i, decision in enumerate(decisions):
        if failed and not decision.right:
            reports.append(_report(host, decision, StepState.SKIPPED))
            continue
        record = done.get(f"record_{i}")
        if record is not None and record.status != 0:
            unkept = ProvisionError(_UNKEPT, hint=tame(record.text))
            reports.append(_failed(host, decision.step, unkept))
        else:
            reports.append(_came_of(host, decision, done.get(f"change_{i}"), done.get(f"look_{i}"), silence))
        failed = failed or reports[-1].state is StepState.FAILED
    return tuple(reports)


def _came_of(
    host: str, decision: Decision, done: Answer | None, look: Answer | None, silence: FleetError
) -> StepReport:
    step, planned = decision.step, decision.change
    if planned is None:
        cured = look is not None and look.status == 0
        if decision.blocked and not cured:
            return _failed(host, step, decision.blocked)
        return _report(host, decision, StepState.RIGHT)
    if done is not None and done.status != 0:
        problem = f"{planned.summary}: exit status {done.status}"
        return _failed(host, step, ProvisionError(problem, hint=tame(done.text)))
    if done is None or look is None:
        return _failed(host, step, silence)
    if look.status != 0:
        problem = f"{planned.summary}: done, but the second look still finds it wrong"
        return _failed(host, step, ProvisionError(problem, hint=tame(look.text)))
    return _report(host, decision, StepState.CHANGED)


def _report(host: str, decision: Decision, state: StepState) -> StepReport:
    summary, diff = (decision.change.summary, decision.change.diff) if decision.change else ("", "")
    return StepReport(host=host, step=decision.step.name, state=state, summary=summary, diff=diff)


def _failed(host: str, step: Step, error: FleetError) -> StepReport:
    return StepReport(
        host=host,
        step=step.name,
        state=StepState.FAILED,
        summary=error.message,
        detail=error.hint or "",
        lost=isinstance(error, HostError),
    )
