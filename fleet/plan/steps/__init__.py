"""PURE. Steps as questions, changes and undos. One module a kind, all of them in the table of `kinds`.

Exit status 0 of a question = right as it is; what it says tells how it is otherwise. The same question is asked again
after the change, so a change is believed only when the host says so.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any

from fleet.errors import ConfigurationError, ProvisionError
from fleet.model.playbook import Change, DirectoryStep, FileStep, Playbook, PythonStep, Secret, Step, Undo
from fleet.plan.shell.program import Answer, Piece, program
from fleet.plan.shell.quoting import tame
from fleet.plan.shell.turn import let_go
from fleet.plan.steps import pythons
from fleet.plan.steps.kinds import KINDS
from fleet.plan.steps.pythons import Wheel
from fleet.plan.steps.rendering import Value
from fleet.plan.steps.variables import fill

__all__ = [
    "Wheel",
    "asking",
    "change",
    "compile_changes",
    "compile_questions",
    "prepare",
    "question",
    "secretive",
    "undo",
]

_NONE: Mapping[Any, Any] = MappingProxyType({})
_RECORDS = frozenset({"record", "mark"})
"""What the journal says of a change: plain pieces. What they name, they quote: they are told no secret."""


def prepare(playbook: Playbook, variables: Mapping[str, Value]) -> tuple[Step, ...]:
    """The playbook's steps for one host, every variable filled. ConfigurationError that names the step otherwise."""
    steps = []
    for step in playbook.steps:
        try:
            filled = fill(step, variables)
            question(filled)
        except ValueError as error:
            raise ConfigurationError(f"{playbook.place(step.name)}: step `{step.name}`: {tame(str(error))}") from None
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
    try:
        if isinstance(step, PythonStep):
            return pythons.change(step, answer, wheels)
        return KINDS[type(step)].home.change(step, answer)
    except (ValueError, LookupError) as error:
        said = " ".join(tame(answer.text, 200).split())
        raise ProvisionError("what the host answers cannot be read", hint=said) from error


def undo(step: Step, answer: Answer) -> Undo:
    """What puts back what the answer tells, however far the change has come. Asked for where there is a change."""
    try:
        return KINDS[type(step)].home.undo(step, answer)
    except (ValueError, LookupError, ProvisionError):
        return Undo(script=None, reason="what was there cannot be read from the host's answer")


def compile_questions(
    steps: Sequence[Step],
    nonce: str,
    *,
    only: Sequence[int] | None = None,
    secrets: Mapping[str, Secret] = _NONE,
    along: Sequence[Piece] = (),
) -> str:
    """One program that asks every step's question; the answer to step i comes under the label `ask_i`.

    `only`: these steps. `secrets`: by the names of the environment variables in which scripts find them. `along`: what
    else is asked, beforehand.
    """
    chosen = range(len(steps)) if only is None else only
    return program([*along, *(asking(steps, i, secrets) for i in chosen)], nonce, asks=True)


def asking(steps: Sequence[Step], i: int, secrets: Mapping[str, Secret] = _NONE) -> Piece:
    """The question of step i. As nothing changes meanwhile, the paths can be looked at for many at once."""
    step = steps[i]
    asked = question(step)
    text = _with(secrets, asked)
    paths = (step.path,) if isinstance(step, DirectoryStep | FileStep) else ()
    return Piece(label=f"ask_{i}", text=text, paths=paths, plain=bool(paths) and text == asked)


def compile_changes(
    steps: Sequence[Step],
    changes: Mapping[int, Change | None],
    nonce: str,
    *,
    recordings: Mapping[int, tuple[str, str]] = _NONE,
    secrets: Mapping[str, Secret] = _NONE,
    first: Sequence[Piece] = (),
) -> str:
    """One program that makes the changes in order (`change_i`) and looks again after each (`look_i`).

    None = no change is known, only look: a change before it may have cured it. The first failure ends the program.
    `recordings`: what writes a change into the journal before it is begun (`record_i`), and marks it after the second
    look (`mark_i`). `first`: what must go well before anything is changed, such as the lock.
    """
    pieces = list(first)
    for i, wanted in sorted(changes.items()):
        before, after = recordings.get(i, ("", ""))
        texts = (
            ("record", before),
            ("change", wanted.script if wanted else ""),
            ("look", question(steps[i])),
            ("mark", after),
        )
        for name, bare in texts:
            text = bare if name in _RECORDS else _with(secrets, bare)
            plain = text == bare and (name in _RECORDS or (name == "look" and _glanced(steps[i])))
            if text:
                pieces.append(let_go(Piece(label=f"{name}_{i}", text=text, vital=name != "mark", plain=plain)))
    return program(pieces, nonce)


def _glanced(step: Step) -> bool:
    """Whether its question is plain, and looks at a path."""
    return isinstance(step, DirectoryStep | FileStep)


def _with(secrets: Mapping[str, Secret], text: str) -> str:
    """The text after the secrets that it names; programs that it starts find them in their environment."""
    named = [name for name in secrets if f"${name}" in text]
    return "".join(f"{name}={shlex.quote(secrets[name].value)}\nexport {name}\n" for name in named) + text


def secretive(step: Step, secrets: Mapping[str, Secret]) -> bool:
    """Whether the step holds a secret, or names one."""
    said = repr(step)
    return any(name in said for name in secrets) or any(_holds(step, secret) for secret in secrets.values())


def _holds(value: object, secret: Secret) -> bool:
    match value:
        case str():
            return secret.value in value
        case tuple():
            return any(_holds(item, secret) for item in value)
        case _ if is_dataclass(value):
            return any(_holds(getattr(value, field.name), secret) for field in fields(value))
        case _:
            return False
