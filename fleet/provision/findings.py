"""What restoring says of an entry of the journal: put back, not put back and why, given up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from fleet.model.journal import Entry
from fleet.model.playbook import StepReport, StepState
from fleet.plan.shell.journal import ABOUT_LIMIT, put_back
from fleet.plan.shell.program import Answer
from fleet.plan.shell.quoting import tame

DAMAGED = "its entry in the journal cannot be read"
SILENT = "the host stopped answering"


def came_of(entry: Entry, undone: Answer | None, look: Answer | None) -> StepReport:
    """The report of an entry from what its undo and the second look answered; None = nothing came."""
    if not entry.undoable:
        state = StepState.FAILED if entry.reason == DAMAGED else StepState.SKIPPED
        return step_report(entry.host, entry.step, state, said(entry), "")
    if undone is None:
        return step_report(entry.host, entry.step, StepState.FAILED, SILENT, "")
    if undone.status != 0:
        problem = f"{said(entry)}: exit status {undone.status}"
        return step_report(entry.host, entry.step, StepState.FAILED, problem, tame(undone.text))
    if not put_back(entry, look):
        problem = f"{said(entry)}: done, but the second look does not find it as it was"
        return step_report(entry.host, entry.step, StepState.FAILED, problem, tame(look.text) if look else "")
    return step_report(entry.host, entry.step, StepState.CHANGED, said(entry), "")


def given_up(report: StepReport) -> StepReport:
    """The report of what cannot be put back and is not to be tried again."""
    return replace(report, state=StepState.SKIPPED, summary=f"given up, it stays as it is: {report.summary}")


def said(entry: Entry) -> str:
    """What putting an entry back is called, and why it cannot be."""
    when = datetime.fromtimestamp(entry.begun, UTC).strftime("%Y-%m-%d %H:%M")
    what = f"undo: {tame(entry.summary, ABOUT_LIMIT)} ({tame(entry.playbook, ABOUT_LIMIT)}, {when} UTC)"
    return what if entry.undoable else f"{what} cannot be put back: {tame(entry.reason, ABOUT_LIMIT)}"


def step_report(host: str, step: str, state: StepState, summary: str, detail: str) -> StepReport:
    """A report of what a host has said, tamed."""
    return StepReport(host=host, step=tame(step, ABOUT_LIMIT), state=state, summary=summary, detail=detail)
