"""What Bento's programs say in their logs: a job's id, its end, and of what an agent died. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from fleet.model.record import Outcome
from fleet.plan.shell.quoting import tame

DONE = "Job done!"
"""What bento_cli says last of a job that went well."""

NO_ROOM = "could not extend file|No space left on device|command not allowed when used memory"
"""What PostgreSQL says where its disk is full, and Redis where its memory is, as an expression of grep's and of ours.

Whoever asked something of them repeats it.
"""
SIGNS = f"panicked at|OutOfMemory|[Oo]ut of memory|out_of_memory|{NO_ROOM}"
"""What lines of an agent's log are looked for, as an extended regular expression of grep's."""

_LONGEST = 300
_JOB = re.compile(r"STARK job_id:\s*([0-9a-fA-F-]{1,64})(?![0-9a-zA-Z-])")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MEMORY = (
    re.compile(r"called .?Result::unwrap\(\).? on an .?Err.? value: \"?OutOfMemory"),
    re.compile(r"cuda.*out of memory", re.IGNORECASE),
    re.compile(r"cudaError(MemoryAllocation)?.*memory", re.IGNORECASE),
)
_FULL = re.compile(NO_ROOM)
_PANIC = re.compile(r"panicked at (.{0,200})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What made a trial fail, and the line that says so."""

    outcome: Outcome
    cause: str


def job_of(line: str) -> UUID | None:
    """The job that a line of bento_cli's log names, strictly: 32 hexadecimal digits in five groups. None: no such."""
    found = _JOB.search(tame(line, 2000))
    if found is None or not _UUID.fullmatch(found[1].lower()):
        return None
    return UUID(found[1])


def trouble_in(lines: Iterable[str]) -> Trouble | None:
    """Of what agents died, by what their logs say; memory before any other panic, which it is followed by."""
    plain = [tame(line, _LONGEST) for line in lines]
    for line in plain:
        if any(sign.search(line) for sign in _MEMORY):
            return Trouble(outcome=Outcome.OUT_OF_MEMORY, cause=f"an agent ran out of memory: {line}")
    for line in plain:
        if _FULL.search(line) is not None:
            return Trouble(outcome=Outcome.FAILED, cause=f"no room is left for the stack's work: {line}")
    for line in plain:
        if (panic := _PANIC.search(line)) is not None:
            return Trouble(outcome=Outcome.FAILED, cause=f"an agent panicked at {panic[1]}")
    return None
