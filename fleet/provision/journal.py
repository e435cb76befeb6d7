"""Changes recorded where they are made, before they are made: on the host, and in the controller's store."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from fleet.codec import dump_line
from fleet.errors import ConfigurationError
from fleet.model.inventory import Host
from fleet.model.journal import Entry, EntryState
from fleet.model.playbook import Secret, Undo
from fleet.plan.shell.journal import ABOUT_LIMIT, LINE_LIMIT, Recording, digest, journal_of, record_all
from fleet.plan.shell.quoting import tame
from fleet.plan.steps import question, secretive, undo
from fleet.plan.steps.outcome import Decision
from fleet.ports import Ledger
from fleet.units import parse_seconds

_MOMENT = "%Y%m%dT%H%M%S"
"""What an entry's id begins with: the controller's time in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """Who keeps the records of one provisioning: the inventory they are of, and the store (None = the host alone).

    `run`: what the ids of its entries begin with.
    """

    inventory: str
    run: str = ""
    ledger: Ledger | None = None

    def begin(self, recordings: Sequence[Recording]) -> None:
        """Have the entries in the store. StoreError: then nothing may be changed."""
        if self.ledger is not None and recordings:
            self.ledger.record(self.inventory, [_whole(recording) for recording in recordings])

    def end(self, entries: Sequence[Entry], state: EntryState) -> None:
        """The changes are made, or put back."""
        if self.ledger is not None and entries:
            self.ledger.settle(self.inventory, entries, state)


def _whole(recording: Recording) -> Entry:
    """The entry for the store. An undo that needs what the host has kept is of no use without that."""
    script = recording.undo.script or ""
    alone = not recording.undo.keep.strip() and "$kept" not in script
    return replace(recording.entry, undo=script if alone else "", look=recording.look or "")


def since(text: str, now: float) -> str:
    """The beginning of the ids of changes made since `90m` or `2h` ago, or since a time in UTC as restoring shows it.

    ConfigurationError for what is neither.
    """
    for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"):
        with suppress(ValueError):
            return datetime.strptime(text, form).replace(tzinfo=UTC).strftime(_MOMENT)
    try:
        return time.strftime(_MOMENT, time.gmtime(now - parse_seconds(text)))
    except (ValueError, OverflowError, OSError):
        hint = "`2h`, `90m`, `2026-11-23` or `2026-11-23 06:24` (UTC)"
        raise ConfigurationError(f"--since {text[:40]}: expected how long ago, or a time", hint=hint) from None


def as_root(host: Host, *, sudo: bool) -> bool:
    """Whether a step goes through sudo there."""
    return sudo and host.login.sudo


def new_run() -> str:
    """The beginning of the ids of one provisioning's entries: later ones are greater."""
    now = time.time()
    return f"{time.strftime(_MOMENT, time.gmtime(now))}{int(now % 1 * 1e6):06d}-{secrets.token_hex(4)}"


def recordings(
    host: Host,
    run: str,
    playbook: str,
    decisions: Sequence[Decision],
    chosen: Sequence[int],
    known: Mapping[str, Secret],
    *,
    serial: int = 0,
) -> Mapping[int, Recording]:
    """What to write before each of the chosen changes. `serial`: added to their numbers, where some had them before."""
    found = {}
    for i in chosen:
        step, planned, answer = decisions[i].step, decisions[i].change, decisions[i].answer
        if planned is None or answer is None:
            continue
        # A question that holds a secret is not kept, so that the journal holds none.
        back = _without_secrets(undo(step, answer), known)
        looked = not secretive(step, known) and not back.late
        entry = Entry(
            id=f"{run}-{serial + i:05d}",
            host=host.name,
            playbook=playbook,
            step=step.name,
            summary=tame(masked(planned.summary, known), ABOUT_LIMIT),
            begun=time.time(),
            status=answer.status,
            digest=digest(answer.text) if looked else "",
            root=as_root(host, sudo=step.sudo),
            undoable=back.script is not None,
            looked=looked,
            late=back.late,
            reason=tame(masked(back.reason, known), ABOUT_LIMIT),
        )
        look = question(step) if looked else None
        found[i] = Recording(entry=entry, about=_line(entry), undo=back, look=look)
    return found


def _line(entry: Entry) -> str:
    """The entry for the host's journal: short enough to be listed, whatever its names are."""
    for limit in (ABOUT_LIMIT, 100, 20):
        brief = replace(
            entry,
            playbook=entry.playbook[:limit],
            step=entry.step[:limit],
            summary=entry.summary[:limit],
            reason=entry.reason[:limit],
        )
        if len(line := dump_line(brief)) <= LINE_LIMIT:
            return line
    raise AssertionError("a line of so few characters is short")


def _without_secrets(back: Undo, known: Mapping[str, Secret]) -> Undo:
    """The undo, unless it would need a secret: then there is none."""
    text = f"{back.script}{back.keep}"
    if any(name in text or secret.value in text for name, secret in known.items()):
        return Undo(script=None, reason="its undo needs a secret, and a journal keeps none")
    return back


def shell_of(host: Host, found: Mapping[int, Recording]) -> Mapping[int, tuple[str, str]]:
    """For each change of a program what writes it into the host's journal, and what marks it as made."""
    root = any(recording.entry.root for recording in found.values())
    return record_all(found, journal_of(host, root=root))


def masked(text: str, known: Mapping[str, Secret]) -> str:
    """The text without the secrets in it, each line of one for itself."""
    values = {part for secret in known.values() for part in (secret.value, *secret.value.splitlines()) if part.strip()}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "***")
    return text
