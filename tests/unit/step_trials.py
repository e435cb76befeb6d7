"""Steps tried on a box as an operator would: foreseen, applied, applied again, and restored."""

from __future__ import annotations

from boxes import Box

from fleet.model.playbook import Playbook, Step, StepReport, StepState
from fleet.ports import Transport
from fleet.provision.apply import apply
from fleet.provision.journal import Journal
from fleet.provision.restore import Wanted, restore


def applied(
    transport: Transport, box: Box, *steps: Step, dry_run: bool = False, path: str = "trial.yaml"
) -> tuple[StepReport, ...]:
    """The reports of the steps on the box. `path`: where their playbook lies."""
    book = Playbook(name="trial", path=path, steps=steps)
    return apply(transport, book, [box.host], lambda _: None, dry_run=dry_run)


def restored(transport: Transport, box: Box) -> tuple[StepReport, ...]:
    """The reports of putting everything back, newest first."""
    return restore(transport, [box.host], lambda _: None, Journal(inventory="trial"), Wanted(dry_run=False))


def states(reports: tuple[StepReport, ...]) -> set[str]:
    """Everything that came of the steps."""
    return {report.state.value for report in reports}


def tried(transport: Transport, box: Box, look: str, *steps: Step, path: str = "trial.yaml") -> tuple[str, str]:
    """Foreseen, applied, found right, restored; what the script `look` says on the box before, and while applied.

    A dry run changes nothing of it, a second run neither, and restoring gives it back as it was.
    """
    before = box.run(look, check=False)
    foreseen = applied(transport, box, *steps, dry_run=True, path=path)
    assert states(foreseen) == {"would_change"}, foreseen
    assert box.run(look, check=False) == before
    changed = applied(transport, box, *steps, path=path)
    assert states(changed) == {"changed"}, changed
    assert [report.summary for report in changed] == [report.summary for report in foreseen]
    meanwhile = box.run(look, check=False)
    assert meanwhile != before
    again = applied(transport, box, *steps, path=path)
    assert states(again) == {"right"}, again
    assert box.run(look, check=False) == meanwhile
    back = restored(transport, box)
    assert [report.step for report in back] == [step.name for step in reversed(steps)]
    assert {report.state for report in back} == {StepState.CHANGED}, back
    assert box.run(look, check=False) == before
    return before, meanwhile
