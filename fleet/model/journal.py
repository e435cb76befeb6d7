"""The journal: every change with what puts it back, on the host that it was made on and in the controller's store."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class EntryState(StrEnum):
    """How far a change has come, and whether it is undone.

    OPEN: its undo is kept and the change may have begun. DONE: it was made and found right; on a host, also: whoever
    made it is gone. RESTORED: put back.
    """

    OPEN = "open"
    DONE = "done"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A change as it was about to be made. Later ones have greater ids, whichever run they are of.

    `root`: it was made through sudo, so that its undo is root's, too. `status` and `digest` (SHA-256 of the text): what
    the question had answered; after the undo it must answer so again. `reason`: why nothing can be put back, where
    `undoable` is false. `looked`: the question is kept and is asked again after the undo. `late`: it is put back after
    all others. `undo` and `look`: both texts as the store has them, for a host that has lost its
    journal; no undo, where it needs what the host alone has kept.
    """

    id: str
    host: str
    playbook: str
    step: str
    summary: str
    begun: float
    status: int
    digest: str
    root: bool = False
    undoable: bool = True
    looked: bool = True
    late: bool = False
    reason: str = ""
    undo: str = field(default="", repr=False)
    look: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An entry as a journal has it."""

    entry: Entry
    state: EntryState
