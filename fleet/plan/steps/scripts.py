"""`unless` succeeds, else `run` is run; without `run` the step is a check, and what `unless` says is the reason.

Undo: the step's own `undo`, run unless it was never begun; without one nothing can be put back.
"""

from __future__ import annotations

import shlex

from fleet.errors import ProvisionError
from fleet.model.playbook import Change, ScriptStep, Undo
from fleet.plan.shell.program import Answer
from fleet.plan.shell.quoting import path, tame

_LIMIT = 100_000
"""Bytes of a script: Linux takes at most 128 KiB in one argument."""
_SHOWN = 80
"""Characters of a script that its summary shows."""


def question(step: ScriptStep) -> str:
    """Runs `unless`, in a shell of its own: a syntax error in it is its own failure."""
    for text in (step.unless, step.run or "", step.undo or ""):
        if len(text.encode()) > _LIMIT or "\0" in text:
            raise ValueError(f"the script is longer than {_LIMIT:,} bytes, or has a zero byte")
    if bool(step.unless.strip()) == (step.creates is not None):
        raise ValueError("expected either `unless`, shell text, or `creates`, a path")
    return f"briefly /bin/sh -c {shlex.quote(_unless(step))}"


def change(step: ScriptStep, answer: Answer) -> Change:
    """Run `run`, unless an earlier step has cured it meanwhile. ProvisionError for a check."""
    if step.run is None:
        said = " ".join(tame(answer.text).split())
        raise ProvisionError(said or f"the check fails, exit status {answer.status}")
    text = step.run.strip()
    first = text.partition("\n")[0][:_SHOWN]
    unless, run = shlex.quote(_unless(step)), shlex.quote(step.run)
    return Change(
        summary=f"run: {first}{' …' if first != text else ''}",
        script=f"/bin/sh -c {unless} >/dev/null 2>&1 ||\nbriefly /bin/sh -c {run}",
    )


def undo(step: ScriptStep, answer: Answer) -> Undo:
    """Run the step's `undo`, where it has one."""
    del answer
    if step.undo is None:
        return Undo(script=None, reason="the step has no `undo:`")
    return Undo(script=f"briefly /bin/sh -c {shlex.quote(step.undo)}")


def _unless(step: ScriptStep) -> str:
    return step.unless if step.creates is None else f"test -e {path(step.creates)}"
