"""What is kept of the runs beside their records, over any `Database`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from fleet.codec import Malformed, dump_line, load_line
from fleet.errors import StoreError
from fleet.model.catalogue import Answer, Circumstance, Digest, Figure, RunEntry
from fleet.store.database import Database, Session
from fleet.store.sql import meant, storable, summaries, under_way

_TAGS = "SELECT run, tag FROM tags ORDER BY run, tag"
_NOTES = "SELECT run, note FROM notes"
_ANSWERS = "SELECT run, answer FROM digests"
_TAG = "INSERT INTO tags (run, tag) VALUES (?, ?) ON CONFLICT DO NOTHING"
_UNTAG = "DELETE FROM tags WHERE run = ? AND tag = ?"
_ANNOTATE = "INSERT INTO notes (run, note) VALUES (?, ?) ON CONFLICT (run) DO UPDATE SET note = excluded.note"
_FORGET_NOTE = "DELETE FROM notes WHERE run = ?"
_KEEP = """
    INSERT INTO digests (run, choice, confidence, gain, answer, body, circumstances) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (run) DO UPDATE SET choice = excluded.choice, confidence = excluded.confidence, gain = excluded.gain,
    answer = excluded.answer, body = excluded.body, circumstances = excluded.circumstances"""
_FORGET_FIGURES = "DELETE FROM figures WHERE run = ?"
_KEEP_FIGURE = """
    INSERT INTO figures (run, position, layout, po2, devices, jobs, iterations, trials, hz, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
DIGESTS = "SELECT run, digests.body FROM runs JOIN digests ON run = id WHERE inventory = ? ORDER BY created, id"
"""What the runs of a fleet came to; `runs_by_inventory` is made for it, and for the next."""
FIGURES = """
    SELECT run, figures.body FROM runs JOIN figures ON run = id WHERE inventory = ? ORDER BY run, position"""
_CIRCUMSTANCES = "SELECT circumstances FROM digests WHERE run = ?"


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Under:
    """Circumstances as one JSON text."""

    named: tuple[Circumstance, ...]


class SqlCatalogue:
    """A `Catalogue` in a database. For one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def entries(self) -> tuple[RunEntry, ...]:
        """All runs, newest first, with their tags, notes and answers."""
        return self._marked(self._database.read(_entries))

    def tag(self, run: str, add: Sequence[str], remove: Sequence[str]) -> RunEntry:
        """Give a run tags and take some away; how it is listed then."""

        def work(session: Session) -> RunEntry:
            id_ = meant(session, run)
            for tag in remove:
                session.change(_UNTAG, (id_, tag))
            for tag in add:
                session.change(_TAG, (id_, tag))
            return _entry(session, id_)

        return self._marked([self._database.write(work)])[0]

    def annotate(self, run: str, note: str | None) -> RunEntry:
        """Write a note to a run in the place of an earlier one; None takes it away."""

        def work(session: Session) -> RunEntry:
            id_ = meant(session, run)
            if note is None:
                session.change(_FORGET_NOTE, (id_,))
            else:
                session.change(_ANNOTATE, (id_, note))
            return _entry(session, id_)

        return self._marked([self._database.write(work)])[0]

    def keep(self, digest: Digest, circumstances: Sequence[Circumstance]) -> None:
        """Keep what a run came to, in the place of what was kept of it before."""
        answer, run = digest.answer, digest.run
        with storable(f"what run {run} came to"):
            body = dump_line(replace(digest, figures=()))
            under = dump_line(_Under(named=tuple(circumstances)))
            figures = [(run, at, *_columns(one), dump_line(one)) for at, one in enumerate(digest.figures)]
            gain = answer.gain.value if answer.gain else None
            row = (run, answer.choice.value, answer.confidence, gain, dump_line(answer), body, under)

        def work(session: Session) -> None:
            session.change(_KEEP, row)  # whoever keeps the same run waits here for us
            session.change(_FORGET_FIGURES, (run,))
            for figure in figures:
                session.change(_KEEP_FIGURE, figure)

        self._database.write(work)

    def digests(self, inventory: str) -> tuple[Digest, ...]:
        """What the runs of a fleet came to, oldest first."""

        def work(session: Session) -> tuple[Digest, ...]:
            figures: dict[str, list[Figure]] = {}
            for run, body in session.rows(FIGURES, (inventory,)):
                figures.setdefault(run, []).append(_read(Figure, run, body))
            kept = ((run, _read(Digest, run, body)) for run, body in session.rows(DIGESTS, (inventory,)))
            return tuple(replace(digest, figures=tuple(figures.get(run, ()))) for run, digest in kept)

        return self._database.read(work)

    def circumstances(self, run: str) -> tuple[Circumstance, ...]:
        """What a run was measured under; none where nothing is kept of it."""
        rows = self._database.read(lambda session: session.rows(_CIRCUMSTANCES, (meant(session, run),)))
        return _read(_Under, run, rows[0][0]).named if rows else ()

    def close(self) -> None:
        """Release the connection. Never raises."""
        self._database.close()

    def _marked(self, entries: Sequence[RunEntry]) -> tuple[RunEntry, ...]:
        """The entries, with the runs that a process is at marked."""
        runs = under_way(self._database, [entry.summary for entry in entries])
        return tuple(replace(entry, summary=run) for entry, run in zip(entries, runs, strict=True))


def _entries(session: Session) -> tuple[RunEntry, ...]:
    tags: dict[str, list[str]] = {}
    for run, tag in session.rows(_TAGS):
        tags.setdefault(run, []).append(tag)
    notes: dict[str, str] = dict(session.rows(_NOTES))
    answers = {run: _read(Answer, run, answer) for run, answer in session.rows(_ANSWERS)}
    return tuple(
        RunEntry(
            summary=summary,
            tags=tuple(tags.get(summary.id, ())),
            note=notes.get(summary.id),
            answer=answers.get(summary.id),
        )
        for summary in summaries(session)
    )


def _entry(session: Session, run: str) -> RunEntry:
    return next(entry for entry in _entries(session) if entry.summary.id == run)


def _columns(figure: Figure) -> tuple[str | int | float, ...]:
    layout, load = figure.layout, figure.load
    return layout.label, layout.po2, len(layout.devices), load.jobs, load.iterations, len(figure.rates), figure.hz


def _read(type_: type[T], run: str, text: str) -> T:
    try:
        return load_line(type_, text)
    except Malformed as error:
        hint = "it was written by another version of fleet, or the store is damaged"
        raise StoreError(f"what run {run} came to cannot be read: {error}", hint=hint) from error
