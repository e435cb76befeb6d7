"""Changes that the store knows and no journal on the host: looked at again and, if that is wanted, put back.

Such a change was never begun, or another controller has put it back: then the host answers as it did before it, and the
store is told so. Or the host has lost its journal: then the store's copy of the undo is what is left.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, groupby

from fleet.errors import HostError, ProvisionError
from fleet.model.hostevent import Note, StepDone
from fleet.model.inventory import Host
from fleet.model.journal import Entry, EntryState
from fleet.model.playbook import StepReport, StepState
from fleet.plan.shell.journal import put_back
from fleet.plan.shell.program import Answer, Piece
from fleet.ports import Observer, Transport
from fleet.provision.findings import came_of, given_up, said, step_report
from fleet.provision.journal import Journal
from fleet.provision.restore import LIST_SECONDS, UNDO_SECONDS, Wanted, ask, rounds
from fleet.provision.turns import put
from fleet.transport.fanout import fanout

_GONE = "the host's journal of it is gone"


def recall(
    transport: Transport, hosts: Sequence[Host], observer: Observer, journal: Journal, wanted: Wanted
) -> tuple[StepReport, ...]:
    """The reports of what only the store knows, newest first on each host; none of what is as it was before.

    SKIPPED = not put back: it was not asked for (`stored`), or what stood there before was on the host alone.
    """
    known = _known(hosts, journal, wanted)
    turn = threading.Lock()

    def tell(event: Note | StepDone) -> None:
        with turn:
            observer(event)

    def note(text: str) -> None:
        tell(Note(text=text))

    def work(host: Host) -> tuple[StepReport, ...]:
        reports: list[StepReport] = []
        try:
            here = {entry.id for found in rounds(transport, host, wanted) for entry in found}
            left = [entry for entry in known[host.name] if entry.id not in here]
            changed = tuple(_changed(transport, host, left))
            if not wanted.dry_run:
                _close(host, [entry for entry in left if entry not in changed], journal, tell)
            for root, group in groupby(changed, lambda entry: entry.root):
                reports += _settled(transport, host, journal, wanted, tuple(group), note, root=root)
        except (HostError, ProvisionError) as error:
            reports.append(step_report(host.name, "store", StepState.FAILED, error.message, error.hint or ""))
        for report in reports:
            tell(StepDone(report=report))
        return tuple(reports)

    found = fanout(work, [host for host in hosts if host.name in known], workers=wanted.at_once)
    return tuple(chain.from_iterable(reports for _, reports in found if not isinstance(reports, HostError)))


def _known(hosts: Sequence[Host], journal: Journal, wanted: Wanted) -> Mapping[str, Sequence[Entry]]:
    names = {host.name for host in hosts}
    found: dict[str, list[Entry]] = defaultdict(list)
    for one in journal.ledger.entries(journal.inventory) if journal.ledger else ():
        if one.entry.host in names and one.entry.id >= wanted.since:
            found[one.entry.host].append(one.entry)
    return dict(found)


def _changed(transport: Transport, host: Host, entries: Sequence[Entry]) -> Iterator[Entry]:
    """Those of which the host does not answer any more, or cannot be asked, as it did before the change."""
    answers: dict[str, Answer] = {}
    for root in (True, False):
        chosen = ((i, entry.look) for i, entry in enumerate(entries) if entry.look and entry.root == root)
        pieces = [Piece(label=f"look_{i}", text=look) for i, look in chosen]
        if pieces:
            answers |= ask(transport, host, pieces, LIST_SECONDS, root=root)
    for i, entry in enumerate(entries):
        if not (entry.look and put_back(entry, answers.get(f"look_{i}"))):
            yield entry


def _close(host: Host, entries: Sequence[Entry], journal: Journal, tell: Callable[[Note], None]) -> None:
    if entries:
        journal.end(entries, EntryState.RESTORED)
        many = f"{len(entries)} more are in the store and in no journal"
        tell(Note(text=f"{many} ({host.name}): never begun, or put back by another"))


def _settled(
    transport: Transport,
    host: Host,
    journal: Journal,
    wanted: Wanted,
    entries: Sequence[Entry],
    note: Callable[[str], None],
    *,
    root: bool,
) -> Iterator[StepReport]:
    """What became of entries that need the same rights."""
    able = {i: entry for i, entry in enumerate(entries) if entry.undo}
    done: Mapping[str, Answer] = {}
    if wanted.stored and able and not wanted.dry_run:
        done = put(transport, host, tuple(_replay(able)), UNDO_SECONDS, note, root=root)
    over = []
    for i, entry in enumerate(entries):
        if not wanted.stored:
            why = f"{said(entry)}: {_GONE}; with --from-store the store's copy puts it back"
            yield step_report(host.name, entry.step, StepState.SKIPPED, why, "")
            continue
        over.append(entry)
        if not entry.undo:
            why = f"{said(entry)} cannot be put back: {entry.reason or f'{_GONE}, and what stood there before with it'}"
            yield step_report(host.name, entry.step, StepState.SKIPPED, why, "")
        elif wanted.dry_run:
            yield step_report(host.name, entry.step, StepState.WOULD_CHANGE, said(entry), "")
        else:
            report = came_of(entry, done.get(f"undo_{i}"), done.get(f"look_{i}"))
            if report.state is StepState.FAILED and wanted.forget and f"undo_{i}" in done:
                report = given_up(report)
            elif report.state is StepState.FAILED:
                over.remove(entry)
            yield report
    if over and not wanted.dry_run:
        journal.end(over, EntryState.RESTORED)


def _replay(entries: Mapping[int, Entry]) -> Iterator[Piece]:
    for i, entry in entries.items():
        yield Piece(label=f"undo_{i}", text=entry.undo)
        if entry.look:
            yield Piece(label=f"look_{i}", text=entry.look)
