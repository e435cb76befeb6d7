"""Work as Bento's agents ask for it and hand it back, whichever stack keeps it: the words, and what each stack answers.

The legacy stack keeps it in PostgreSQL (`tables`). The current one keeps it in Redis (`hashes`), and has agents that
prove ask its REST API (`overhttp`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fleet.model.record import TaskKind
from fleet.plan.trials.proof import FINALIZE_ID, ProofTask

EXECUTOR, PROVE, AUX = "exec", "prove", "aux"
"""The streams: which kind of agent takes its tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a task may run, in seconds as the stack is configured, and how often it is handed out again."""

    timeout: int
    retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A task that is this agent's now. `inputs`: the digests of what it waited for."""

    job: str
    task: str
    kind: str
    iterations: int
    index: int
    po2: int
    inputs: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """What an aux agent does every so often: the variable that says so, and the stack's seconds where it does not."""

    every: str
    usual: float
    work: Callable[[], None]


class Desk(Protocol):
    """Where agents get work. Lasts as long as its connection; whoever loses that ends, and Docker starts it again."""

    def claimed(self, stream: str, pause: float) -> Claim | None:
        """A task of the stream; None where there has been none for about `pause` real seconds."""

    def finished(self, claim: Claim, output: dict[str, object]) -> None:
        """Say that a task is done and what came of it."""

    def failed(self, claim: Claim, why: str) -> None:
        """Say that a task cannot be done."""


class Office(Desk, Protocol):
    """The task database itself: for agents beside it and for the REST API."""

    def submitted(self, iterations: int) -> str:
        """Make a job of the synthetic guest; its id."""

    def state_of(self, job: str) -> tuple[str, str] | None:
        """A job's state and its error; None where it is gone."""

    def figures_of(self, job: str) -> dict[str, object]:
        """What the first task of a job told of it; empty where it has not, or not any more."""

    def make(self, job: str, task: ProofTask, po2: int, limits: Limits) -> None:
        """Make a task of a job; proving overlaps execution: a segment waits for nothing once it is cut."""

    def chores(self, haste: float) -> tuple[Chore, ...]:
        """What its aux agents have to do. `haste`: the stack's seconds in a real one."""


def office(haste: float) -> Office:
    """The task database that the environment names. `haste`: the stack's seconds in a real one."""
    if url := os.environ.get("DATABASE_URL"):
        from fleet.lab.bento.tables import Tables  # noqa: PLC0415 (each stack's container needs its own client only)

        return Tables(url)
    from fleet.lab.bento.hashes import Hashes  # noqa: PLC0415 (each stack's container needs its own client only)

    return Hashes(os.environ["REDIS_URL"], haste)


def desk(haste: float) -> Desk:
    """Where an agent that proves gets its work: the current stack's knows the REST API only."""
    if "DATABASE_URL" in os.environ:
        return office(haste)
    from fleet.lab.bento.overhttp import OverHttp  # noqa: PLC0415 (the current stack's only)

    return OverHttp(os.environ["BENTO_API_URL"])


def stream_of(task: ProofTask) -> str:
    """The stream that a task of a proof is put into."""
    return AUX if task.id == FINALIZE_ID else PROVE


def needs(task: ProofTask) -> list[str]:
    """The tasks that a task waits for."""
    return [earlier for earlier in task.prerequisites if earlier != "init"]


def definition(task: ProofTask, po2: int) -> dict[str, dict[str, object]]:
    """A task's definition as both stacks keep it: an object with one key."""
    match task.kind:
        case TaskKind.PROVE:
            return {"Prove": {"index": task.segment, "po2": po2}}
        case TaskKind.FINALIZE:
            return {"Finalize": {"max_idx": task.index}}
        case _:
            left, right = task.prerequisites
            return {"Join": {"idx": task.index, "left": left, "right": right}}
