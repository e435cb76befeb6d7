"""Changes on a head that are always put back: on success, failure, Ctrl-C, a killed controller and a lost link.

Each change is in the host's journal, and in the store, before it is begun; a watch on the host replays the journal when
the controller falls silent (`fleet.plan.bento.watch`), and so does `fleet restore`.
"""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Self

from fleet.codec import dump_line
from fleet.errors import CommandError, ConnectError, FleetError, HostError, ProvisionError
from fleet.model.inventory import Host
from fleet.model.journal import Entry, EntryState
from fleet.model.playbook import Command
from fleet.plan.bento import watch
from fleet.plan.bento.changes import Change
from fleet.plan.bento.secrecy import HIDDEN, veiled_text
from fleet.plan.shell import journal, underway
from fleet.plan.shell.program import Answer, Piece, answers, program
from fleet.plan.shell.quoting import tame
from fleet.ports import Channel, Ledger, Transport
from fleet.transport.controller import controller
from fleet.transport.exchange import exchange

CHANGE_SECONDS = 600.0
"""Compose starting agents on a busy head takes its time."""
HEARD_SECONDS = 15.0
"""Who was silent for a deadline is given so long for one more word."""
_BEATS_A_DEADLINE = 6
_SILENCE = "it has heard nothing from here for too long, and put everything back"
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Custody:
    """Who answers for changes: the inventory they are of, the store (None = the host alone).

    `deadline`: seconds without a sign of the controller after which the host puts everything back by itself.
    """

    inventory: str
    ledger: Ledger | None = None
    deadline: float = 60.0


@dataclass(slots=True)
class _Pulse:
    """What the thread that renews the deadline and the others share."""

    over: bool = False
    why: str = _SILENCE
    renewed: float = field(default_factory=time.monotonic)


class Guard:
    """The changes of one run on one host, as a context: at its end everything is as it was, or the watch sees to it.

    Raises ProvisionError where something could not be put back yet; the message says who goes on with it.
    """

    def __init__(self, transport: Transport, host: Host, custody: Custody) -> None:
        self._transport = transport
        self._host = host
        self._custody = custody
        self._root = host.login.sudo
        self._journal = journal.journal_of(host, root=self._root)
        self._run = journal.run_id(time.time(), secrets.token_hex(4))
        self._open: list[Entry] = []
        self._made = 0
        self._beats = ""
        self._pulse = _Pulse()
        self._silent = False
        self._ended = threading.Event()

    @property
    def host(self) -> Host:
        """The host that is guarded."""
        return self._host

    @property
    def transport(self) -> Transport:
        """How it is reached."""
        return self._transport

    @property
    def run(self) -> str:
        """What the ids of its changes begin with."""
        return self._run

    @property
    def intact(self) -> bool:
        """Whether nothing has been put back behind the controller's back. A trial counts only if it is so after it."""
        return not self._pulse.over and time.monotonic() - self._pulse.renewed < self._custody.deadline

    @property
    def why(self) -> str:
        """Why it is not intact."""
        return self._pulse.why

    @property
    def count(self) -> int:
        """How many changes were begun so far: for `put_back_since`."""
        return self._made

    def state_folder(self) -> str:
        """Where fleet may keep files there: absolute for root, else below the user's home."""
        return journal.folder_of(self._host, root=self._root)

    def __enter__(self) -> Self:
        """Set the watch."""
        name = f"watch-{self._run}"
        place = f"{journal.folder_of(self._host, root=False)}/{name}/beats"
        self._beats = self._said("beats", watch.beats(place, controller()), root=False).strip()
        own = f"{self.state_folder()}/{name}"
        deadline, held = math.ceil(self._custody.deadline), underway.place_of(self._host)
        try:
            text = watch.watch(own, self._beats, self._journal, self._run, deadline, held)
            self._said("watch", text, root=self._root)
        except BaseException:
            self._tell(watch.dismissed(self._beats))
            raise
        threading.Thread(target=self._renew, name="beats", daemon=True).start()
        return self

    def make(self, change: Change, known: Mapping[str, str] = _NOTHING) -> Entry:
        """Write a change into the journal, then make it. ProvisionError where it fails; it is in the journal then.

        `known`: secrets that the host might quote, to be shown as stars.
        """
        entry = self._entry(change)
        if self._custody.ledger is not None:
            kept = replace(entry, undo=change.undo.script or "", look=change.look)
            self._custody.ledger.record(self._custody.inventory, [kept])
        recording = journal.Recording(entry=entry, about=dump_line(entry), undo=change.undo, look=change.look)
        self._open.append(entry)
        found = self._ask(
            [
                Piece(label="watch", text=watch.not_over(self._beats), vital=True),
                Piece(label="record", text=journal.record(recording, self._journal), vital=True, plain=True),
                Piece(label="change", text=f"kept={self._journal}/{entry.id}.open/kept\n{change.script}", vital=True),
                Piece(label="mark", text=journal.settle(entry, self._journal)),
            ]
        )
        for label in ("watch", "record", "change"):
            answer = found.get(label)
            if answer is None or answer.status != 0:
                said = _veiled(answer.text if answer else "it stopped answering", known)
                raise ProvisionError(f"{change.summary}: failed", host=self._host.name, hint=said or None)
        self._settle(entry, EntryState.DONE)
        return entry

    def put_back(self, entry: Entry) -> None:
        """Undo a change and take it out of the journal. ProvisionError where the host is not as before."""
        if entry not in self._open:
            return
        self._expect_an_answer()
        found = self._ask([*journal.replay({0: entry}, self._journal), self._there(entry)])
        undone, look, there = (found.get(label) for label in ("undo_0", "look_0", "there"))
        by_others = there is not None and there.status != 0
        if not by_others and (undone is None or undone.status != 0 or not journal.put_back(entry, look)):
            said = [answer.text for answer in (undone, look) if answer is not None and answer.status != 0]
            hint = _veiled(said[0] if said else "it stopped answering", _NOTHING)
            raise ProvisionError(f"not put back yet: {entry.summary}", host=self._host.name, hint=hint or None)
        self._ask(list(journal.drop({0: entry}, self._journal)))
        self._settle(entry, EntryState.RESTORED)
        self._open.remove(entry)

    def put_back_since(self, count: int) -> None:
        """Undo every change that was begun after so many, newest first."""
        for entry in reversed(self._open.copy()):
            if entry.id >= f"{self._run}-{count:05d}":
                self.put_back(entry)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Put back what is left, newest first; the rest is the watch's."""
        troubles: list[FleetError] = []
        for entry in reversed(self._open.copy()):
            try:
                self.put_back(entry)
            except FleetError as trouble:
                troubles.append(trouble)
        self._ended.set()
        if not self._silent:
            self._tell(watch.released(self._beats) if troubles else watch.dismissed(self._beats))
        if not troubles:
            return
        raise ProvisionError(
            "; ".join(dict.fromkeys(trouble.message for trouble in troubles)),
            host=self._host.name,
            hint=f"a watch on it goes on with that, at the latest {self._custody.deadline:.0f} s from now; "
            "`fleet restore` does, too",
        ) from (error or troubles[0])

    def _expect_an_answer(self) -> None:
        """Wait a while only for a host that was not heard of for a deadline: it is putting back by itself."""
        if self.intact or self._pulse.over:
            return
        if not self._silent:
            try:
                self._transport.run(self._host, Command(argv=("true",), timeout=HEARD_SECONDS))
            except HostError:
                self._silent = True
            else:
                return
        raise ProvisionError("it answers no more; it puts everything back by itself", host=self._host.name)

    def _entry(self, change: Change) -> Entry:
        number, self._made = self._made, self._made + 1
        return Entry(
            id=f"{self._run}-{number:05d}",
            host=self._host.name,
            playbook="bento",
            step=change.step,
            summary=tame(change.summary, journal.ABOUT_LIMIT),
            begun=time.time(),
            status=0,
            digest="",
            root=self._root,
        )

    def _there(self, entry: Entry) -> Piece:
        """Fails where the entry is in the journal no more: the watch, or somebody's `fleet restore`, was first."""
        place = f"{self._journal}/{entry.id}"
        return Piece(label="there", text=f"[ -d {place}.open ] || [ -d {place}.done ]")

    def _settle(self, entry: Entry, state: EntryState) -> None:
        if self._custody.ledger is not None:
            self._custody.ledger.settle(self._custody.inventory, [entry], state)

    def _ask(self, pieces: Sequence[Piece], *, root: bool | None = None) -> Mapping[str, Answer]:
        return exchange(
            self._transport,
            self._host,
            lambda nonce: program(pieces, nonce),
            answers,
            CHANGE_SECONDS,
            sudo=self._root if root is None else root,
        )

    def _said(self, label: str, text: str, *, root: bool) -> str:
        answer = self._ask([Piece(label=label, text=text)], root=root).get(label)
        if answer is not None and answer.status == watch.BUSY:
            raise underway.busy(self._host, underway.told(answer.text) or "")
        if answer is None or answer.status != 0:
            hint = tame(answer.text, 300) if answer else None
            raise CommandError(
                "no watch can be set on it, so nothing is changed there", host=self._host.name, hint=hint
            )
        return answer.text

    def _tell(self, text: str) -> None:
        """A last word, which the watch's deadline makes up for where it does not arrive."""
        with suppress(FleetError):
            self._ask([Piece(label="beat", text=text)], root=False)

    def _renew(self) -> None:
        """Send a beat now and then, over a connection that is opened again whenever it is lost."""
        channel: Channel | None = None
        pause = self._custody.deadline / _BEATS_A_DEADLINE
        number = 0
        while not self._pulse.over and not self._ended.wait(pause if number else 0):
            number += 1
            try:
                channel = channel or self._transport.open(
                    self._host, watch.renewing(self._beats, underway.place_of(self._host))
                )
                self._beat(channel, f"beat {number}")
            except HostError:
                if channel is not None:
                    channel.close()
                channel = None
        if channel is not None:
            channel.close()

    def _beat(self, channel: Channel, beat: str) -> None:
        channel.send(beat)
        said = channel.receive(self._custody.deadline) or ""
        match said.split(" ", 1):
            case ["renewed"]:
                self._pulse.renewed = time.monotonic()
            case ["over", why]:
                self._pulse.why = tame(why, 300) or _SILENCE
                self._pulse.over = True
            case _:
                raise ConnectError("the program that renews the deadline has ended", host=self._host.name)


def _veiled(text: str, known: Mapping[str, str]) -> str:
    """What a host said, in one line, without secrets."""
    for value in sorted({one for one in known.values() if one.strip()}, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return veiled_text(" ".join(tame(text, 600).split()))
