"""What became of a step: in a word, and how the word looks."""

from __future__ import annotations

from fleet.model.playbook import StepState
from fleet.report.lines import Style

STEP_WORDS = {
    StepState.RIGHT: "already right",
    StepState.CHANGED: "changed",
    StepState.WOULD_CHANGE: "would change",
    StepState.FAILED: "failed",
    StepState.SKIPPED: "skipped",
}

STEP_STYLES = {
    StepState.RIGHT: Style.DIM,
    StepState.CHANGED: Style.GOOD,
    StepState.WOULD_CHANGE: Style.WARN,
    StepState.FAILED: Style.BAD,
    StepState.SKIPPED: Style.DIM,
}
