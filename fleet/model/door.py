"""A way into a Bento cluster's head, and who would be let in by it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Lock(StrEnum):
    """What it takes to get in: nothing, the password that everybody knows, one of the operator's; or nobody answers."""

    NONE = "none"
    DEFAULT = "default"
    OWN = "own"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One service that agents of other machines come to, as it was tried.

    `name`: in the operator's words; `known_as`: `user/password` of the default one; `setting`: what sets another.
    `exposed`: the address that the controller reached it at without SSH, None = it did not. `problem`: why it was not
    tried to the end.
    """

    name: str
    port: int
    lock: Lock
    known_as: str | None = None
    setting: str | None = None
    exposed: str | None = None
    problem: str | None = None
