"""PURE. Steps as questions, changes and undos. One module a kind, all of them in the table of `kinds`.

Exit status 0 of a question = right as it is; what it says tells how it is otherwise. The same question is asked again
after the change, so a change is believed only when the host says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleet.errors import ConfigurationError
from fleet.model.playbook import Change, DirectoryStep, FileStep, Playbook, PythonStep, Step, Undo, Value
from fleet.plan.program import Answer, Piece, program
from fleet.plan.steps import pythons
from fleet.plan.steps.kinds import KINDS
from fleet.plan.steps.pythons import Wheel
from fleet.plan.steps.variables import fill

__all__ = ["Wheel", "change", "compile_changes", "compile_questions", "prepare", "question", "undo"]


def prepare(playbook: Playbook, variables: Mapping[str, Value]) -> tuple[Step, ...]:
    """The playbook's steps for one host, every variable filled. ConfigurationError that names the step otherwise."""
    steps = []
    for step in playbook.steps:
        try:
            filled = fill(step, variables)
            question(filled)
        except ValueError as error:
            raise ConfigurationError(f"{playbook.path}: step `{step.name}`: {error}") from None
        steps.append(filled)
    return tuple(steps)


def question(step: Step) -> str:
    """Shell text that asks whether the step is right. ValueError for a step that can be asked of no host."""
    return KINDS[type(step)].home.question(step)


def change(step: Step, answer: Answer, wheels: Sequence[Wheel] = ()) -> Change | None:
    """What answers the answer; None = it is right. ProvisionError where nothing that fleet may do would help.

    `wheels`: distributions that are on no package index, fleet's own among them.
    """
    if answer.status == 0:
        return None
    if isinstance(step, PythonStep):
        return pythons.change(step, answer, wheels)
    return KINDS[type(step)].home.change(step, answer)


def undo(step: Step, answer: Answer) -> Undo:
    """What puts back what the answer tells, however far the change has come."""
    try:
        return KINDS[type(step)].home.undo(step, answer)
    except ValueError as error:
        return Undo(script=None, reason=str(error))


def compile_questions(steps: Sequence[Step], nonce: str) -> str:
    """One program that asks every step's question; the answer to step i comes under the label `ask_i`."""
    return program(
        [Piece(label=f"ask_{i}", text=question(step), paths=_looked_at(step)) for i, step in enumerate(steps)], nonce
    )


def _looked_at(step: Step) -> tuple[str, ...]:
    """The paths that the step's question looks at: as nothing changes meanwhile, that can be done for all at once."""
    return (step.path,) if isinstance(step, DirectoryStep | FileStep) else ()


def compile_changes(steps: Sequence[Step], changes: Mapping[int, Change | None], nonce: str) -> str:
    """One program that makes the changes in order (`change_i`) and looks again after each (`look_i`).

    None = no change is known, only look: a change before it may have cured it. The first failure ends the program.
    """
    pieces: list[Piece] = []
    for i, wanted in sorted(changes.items()):
        if wanted is not None:
            pieces.append(Piece(label=f"change_{i}", text=wanted.script, vital=True))
        pieces.append(Piece(label=f"look_{i}", text=question(steps[i]), vital=True))
    return program(pieces, nonce)
