"""What provisioning changed, put back: the journals of the hosts replayed newest first, each undo looked at again.

An entry leaves its journal when the host answers as it did before the change. So restoring may be cut off and begun
again, and a second one finds nothing to do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby

from fleet.codec import Malformed, load_line
from fleet.errors import CommandError, HostError, ProvisionError
from fleet.model.hostevent import Note, StepDone
from fleet.model.inventory import Host
from fleet.model.journal import Entry, EntryState
from fleet.model.playbook import StepReport, StepState
from fleet.plan.shell.journal import (
    LISTED,
    drop,
    journal_of,
    listed,
    listing,
    look_again,
    put_back,
    replay,
)
from fleet.plan.shell.program import Answer, Piece, answers, program
from fleet.ports import Observer, Transport
from fleet.provision.findings import DAMAGED, SILENT, came_of, given_up, said, step_report
from fleet.provision.journal import Journal
from fleet.provision.leave import leave, left_there
from fleet.provision.turns import put, wait
from fleet.provision.underway import cut_off, refuse, under_way
from fleet.transport.exchange import exchange
from fleet.transport.fanout import WORKERS, fanout

LIST_SECONDS = 60.0
UNDO_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be put back. `since`: only changes of this run and later ones (the beginning of their ids).

    `playbook`: only changes of the playbook of that name.
    `runs`: what benchmarks left in the work folder goes first: else a folder that fleet made could not be removed.
    `stored`: from the store's copy, too, where a host has lost its journal.
    `heed`: nothing is put back under a run that is at work there; `insist`: it is cut off, where it holds a Bento head.
    `forget`: what was tried and cannot be put back leaves the journals: it stays as it is, and is never tried again.
    """

    dry_run: bool
    since: str = ""
    playbook: str = ""
    runs: bool = False
    stored: bool = False
    forget: bool = False
    heed: bool = False
    insist: bool = False
    at_once: int = WORKERS


def restore(
    transport: Transport, hosts: Sequence[Host], observer: Observer, journal: Journal, wanted: Wanted
) -> tuple[StepReport, ...]:
    """The reports of every change that was (or would be) put back, newest first on each host, in the order of `hosts`.

    CHANGED = put back; WOULD_CHANGE in a dry run; SKIPPED = nothing can be put back, `summary` says why; FAILED = its
    undo failed, or the host could not be reached. One failing entry, or host, stops no other.
    """
    turn = threading.Lock()

    def tell(report: StepReport) -> StepReport:
        with turn:
            observer(StepDone(report=report))
        return report

    def note(text: str) -> None:
        with turn:
            observer(Note(text=text))

    def work(host: Host) -> tuple[StepReport, ...]:
        reports: dict[int, StepReport] = {}
        try:
            for at, report in _restored(transport, host, journal, wanted, note):
                reports[at] = tell(report)
        except (HostError, ProvisionError) as error:
            failed = step_report(host.name, "restore", StepState.FAILED, error.message, error.hint or "")
            reports[len(reports)] = tell(replace(failed, lost=isinstance(error, HostError)))
        return tuple(reports.values())

    found = fanout(work, hosts, workers=wanted.at_once)
    return tuple(chain.from_iterable(reports for _, reports in found if not isinstance(reports, HostError)))


def _restored(
    transport: Transport, host: Host, journal: Journal, wanted: Wanted, note: Callable[[str], None]
) -> Iterator[tuple[int, StepReport]]:
    """The reports of one host by their place in the order; a later one of the same place stands for the earlier."""
    stand_back(transport, host, wanted, note)
    _await_turn(transport, host, wanted, note)
    left = _left(transport, host, wanted)
    yield from enumerate(left)
    missed: dict[int, tuple[Entry, StepReport]] = {}
    for at, (entry, report) in enumerate(_replayed(transport, host, journal, wanted, note), len(left)):
        if report.state is StepState.FAILED and report.summary != SILENT:
            missed[at] = entry, report
        yield at, report
    for at, report in _settled_since(transport, host, journal, {at: entry for at, (entry, _) in missed.items()}, note):
        del missed[at]
        yield at, report
    if wanted.forget:
        _drop(transport, host, journal, {at: entry for at, (entry, _) in missed.items()}, note)
        yield from ((at, given_up(report)) for at, (_, report) in missed.items())


def stand_back(transport: Transport, host: Host, wanted: Wanted, note: Callable[[str], None] = lambda _: None) -> None:
    """HostError where a run is at work there and is to be heeded; a dry run notes it."""
    if not wanted.heed:
        return
    if not wanted.dry_run:
        (cut_off if wanted.insist else refuse)(transport, host)
    elif (whose := under_way(transport, host)) is not None:
        note(f"{host.name}: a run is under way on it, nothing is put back before its end: {whose}")


def _left(transport: Transport, host: Host, wanted: Wanted) -> tuple[StepReport, ...]:
    """End and remove what benchmarks left there, or say it. HostError where one is under way."""
    names = left_there(transport, host) if wanted.runs else ()
    if not names:
        return ()
    if not wanted.dry_run:
        leave(transport, host, kept=())
    state = StepState.WOULD_CHANGE if wanted.dry_run else StepState.CHANGED
    summary = f"remove what they left in {host.work_dir}: {', '.join(names)}"
    return (step_report(host.name, "benchmarks", state, summary, ""),)


def _places(host: Host) -> tuple[bool, ...]:
    """Which journals a host has: whether each is root's."""
    return (True, False) if host.login.sudo else (False,)


def _await_turn(transport: Transport, host: Host, wanted: Wanted, note: Callable[[str], None]) -> None:
    """Return when what is listed next stays as it is; a dry run does not wait."""
    for root in () if wanted.dry_run else _places(host):
        wait(transport, host, LIST_SECONDS, note, root=root)


def rounds(transport: Transport, host: Host, wanted: Wanted) -> Iterator[tuple[Entry, ...]]:
    """What is in the host's journals, newest first, as much of it at once as a listing shows."""
    before = ""
    while True:
        listings = [_list(transport, host, before, root=root) for root in _places(host)]
        # Of a listing that was cut, nothing older is known: that of the other journal waits.
        oldest = max((found[-1].id for found in listings if len(found) >= LISTED), default="")
        entries = [entry for entry in chain.from_iterable(listings) if entry.id >= max(oldest, wanted.since)]
        if not entries:
            return
        chosen = (entry for entry in entries if wanted.playbook in {"", entry.playbook})
        yield tuple(sorted(chosen, key=lambda entry: entry.id, reverse=True))
        before = min(entry.id for entry in entries)


def in_order(found: Iterable[Sequence[Entry]]) -> Iterator[tuple[Entry, ...]]:
    """The entries, newest first, but the late ones after all others."""
    late: list[Entry] = []
    for entries in found:
        late += [entry for entry in entries if entry.late]
        yield tuple(entry for entry in entries if not entry.late)
    yield tuple(late)


def _list(transport: Transport, host: Host, before: str, *, root: bool) -> tuple[Entry, ...]:
    pieces = [Piece(label="list", text=listing(journal_of(host, root=root), before))]
    answer = ask(transport, host, pieces, LIST_SECONDS, root=root).get("list")
    if answer is None:
        raise CommandError("its journal cannot be listed", host=host.name)
    found = {id_: _entry(host.name, id_, about, root=root) for id_, _, about in listed(answer.text)}
    older = sorted((id_ for id_ in found if not before or id_ < before), reverse=True)
    return tuple(found[id_] for id_ in older)


def _entry(host: str, id_: str, about: str, *, root: bool) -> Entry:
    """The entry that a line of the journal describes, or one that stands for what cannot be read."""
    try:
        entry = replace(load_line(Entry, about), host=host, undo="", look="")  # the host's own word for neither is run
    except Malformed:
        entry = None
    if entry is not None and entry.id == id_ and entry.root == root:
        return entry
    return Entry(
        id=id_,
        host=host,
        playbook="unknown",
        step=id_,
        summary="a change",
        begun=0.0,
        status=0,
        digest="",
        root=root,
        undoable=False,
        reason=DAMAGED,
    )


def _replayed(
    transport: Transport, host: Host, journal: Journal, wanted: Wanted, note: Callable[[str], None]
) -> Iterator[tuple[Entry, StepReport]]:
    """What became of each entry of the host's journals, in the order in which they go."""
    for entries in in_order(rounds(transport, host, wanted)):
        if wanted.dry_run:
            yield from ((entry, _foreseen(entry)) for entry in entries)
            continue
        for _, group in groupby(entries, lambda entry: entry.root):
            yield from _put_back(transport, host, journal, tuple(group), note)


def _put_back(
    transport: Transport, host: Host, journal: Journal, entries: Sequence[Entry], note: Callable[[str], None]
) -> Iterator[tuple[Entry, StepReport]]:
    """Undo entries of one journal in order, and take out of it what is put back or never can be.

    Those of which the host has told before the connection is lost come before the HostError. They stay in the journal:
    the next restoration undoes them once more.
    """
    numbered = dict(enumerate(entries))
    root = entries[0].root
    place = journal_of(host, root=root)
    done: dict[str, Answer] = {}
    try:
        done |= put(transport, host, tuple(replay(numbered, place)), UNDO_SECONDS, note, root=root, cut_off=done.update)
    except HostError:
        told = {i: entry for i, entry in numbered.items() if f"{'look' if entry.looked else 'undo'}_{i}" in done}
        yield from _came_of(told, done)
        raise
    reports = tuple(_came_of(numbered, done))
    yield from reports
    over = {i: entry for i, (entry, report) in enumerate(reports) if report.state is not StepState.FAILED}
    _drop(transport, host, journal, over, note)


def _drop(
    transport: Transport, host: Host, journal: Journal, over: Mapping[int, Entry], note: Callable[[str], None]
) -> None:
    """Take entries out of their journals."""
    for root in (True, False):
        if chosen := {i: entry for i, entry in over.items() if entry.root == root}:
            gone = tuple(drop(chosen, journal_of(host, root=root)))
            put(transport, host, gone, LIST_SECONDS, note, root=root)
            journal.end(tuple(chosen.values()), EntryState.RESTORED)


def _came_of(entries: Mapping[int, Entry], done: Mapping[str, Answer]) -> Iterator[tuple[Entry, StepReport]]:
    for i, entry in entries.items():
        yield entry, came_of(entry, done.get(f"undo_{i}"), done.get(f"look_{i}"))


def _settled_since(
    transport: Transport, host: Host, journal: Journal, missed: Mapping[int, Entry], note: Callable[[str], None]
) -> Iterator[tuple[int, StepReport]]:
    """Those of which the host answers as before their change by now, as an older undo has put that back, too.

    So it is where a step had been asked before an earlier one made the same thing along with its own, and where two
    have changed a thing at once on a host without locks.
    """
    for root in (True, False):
        chosen = {i: one for i, one in missed.items() if one.undoable and one.looked and one.root == root}
        if not chosen:
            continue
        again = tuple(look_again(chosen, journal_of(host, root=root)))
        looks = ask(transport, host, again, LIST_SECONDS, root=root)
        over = {i: entry for i, entry in chosen.items() if put_back(entry, looks.get(f"look_{i}"))}
        _drop(transport, host, journal, over, note)
        for i, entry in over.items():
            yield i, step_report(host.name, entry.step, StepState.CHANGED, said(entry), "")


def ask(
    transport: Transport, host: Host, pieces: Sequence[Piece], timeout: float, *, root: bool
) -> Mapping[str, Answer]:
    """The answers of a program on the host. HostError."""
    return exchange(transport, host, lambda nonce: program(pieces, nonce), answers, timeout, sudo=root)


def _foreseen(entry: Entry) -> StepReport:
    state = StepState.WOULD_CHANGE if entry.undoable else StepState.SKIPPED
    return step_report(entry.host, entry.step, state, said(entry), "")
