"""The store over any `Database`: what a run is in rows, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from fleet.codec import Malformed, dump_line, load_line
from fleet.errors import ConfigurationError, NoRunError, StoreError
from fleet.model.record import Observation, RunLog, RunSummary
from fleet.model.samples import Sample
from fleet.store.choose import choose_run
from fleet.store.database import Database, Session
from fleet.store.schema import SAMPLE_TABLES, SampleTable

_IDS = "SELECT id FROM runs ORDER BY created DESC, id DESC"
_TAGGED = "SELECT tag, id FROM tags JOIN runs ON id = run ORDER BY created, id"
_RUN = "SELECT body, finished FROM runs WHERE id = ?"
_EXISTS = "SELECT 1 FROM runs WHERE id = ?"
_SUMMARIES = """
    SELECT id, created, inventory, emulated, finished, (SELECT count(*) FROM observations WHERE run = runs.id)
    FROM runs ORDER BY created DESC, id DESC"""
OBSERVATIONS = "SELECT seq, body FROM observations WHERE run = ? ORDER BY seq"
_ADD_RUN = "INSERT INTO runs (id, created, inventory, emulated, finished, body) VALUES (?, ?, ?, ?, ?, ?)"
_FINISH = "UPDATE runs SET finished = ? WHERE id = ?"
_REMOVE = "DELETE FROM observations WHERE run = ? AND trial = ?"
_ADD = "INSERT INTO observations (run, trial, experiment, outcome, body) VALUES (?, ?, ?, ?, ?) RETURNING seq"


class SqlStore:
    """A `Store` in a database. For one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, log: RunLog) -> None:
        """Begin a run, with the observations that it has already. StoreError where there is one of that id."""
        with storable(log.id):
            body = _body(log)

        def work(session: Session) -> None:
            if session.rows(_EXISTS, (log.id,)):
                raise StoreError(f"run {log.id} exists already")
            inventory = log.inventory
            session.change(_ADD_RUN, (log.id, log.created, inventory.name, inventory.emulated, log.finished, body))
            for observation in log.observations:
                _add(session, log.id, observation)

        self._database.write(work)

    def add(self, run: str, observation: Observation) -> None:
        """Append an observation, in the place of an earlier one of the same trial; durable when this returns."""

        def work(session: Session) -> None:
            _expect(session, run)
            _add(session, run, observation)

        self._database.write(work)

    def claim(self, run: str) -> None:
        """Be at the run, for all to see, until this closes or its process ends. ConfigurationError if another is."""
        if not self._database.claim(run):
            raise ConfigurationError(f"run {run} is under way in another process", hint="wait for its end, or stop it")

    def finish(self, run: str) -> None:
        """Mark the run as finished."""

        def work(session: Session) -> None:
            _expect(session, run)
            session.change(_FINISH, (True, run))

        self._database.write(work)

    def load(self, run: str) -> RunLog:
        """A run by its id, an unambiguous beginning of it, a tag, or `latest`."""
        log = self._database.read(lambda session: _load(session, meant(session, run)))
        return log if log.finished else replace(log, running=log.id in self._database.claimed([log.id]))

    def runs(self) -> tuple[RunSummary, ...]:
        """All runs, newest first."""
        return under_way(self._database, self._database.read(summaries))

    def close(self) -> None:
        """Release the connection. Never raises."""
        self._database.close()


def meant(session: Session, run: str) -> str:
    """The id of the run that is named by its id, `latest`, a tag or a beginning. StoreError otherwise."""
    ids = tuple(id_ for (id_,) in session.rows(_IDS))
    newest: dict[str, str] = dict(session.rows(_TAGGED))
    return choose_run(run, ids, newest)


def under_way(database: Database, found: Sequence[RunSummary]) -> tuple[RunSummary, ...]:
    """The runs, those that a process is at marked as running."""
    claimed = database.claimed([one.id for one in found if not one.finished])
    return tuple(replace(one, running=True) if one.id in claimed else one for one in found)


def summaries(session: Session) -> tuple[RunSummary, ...]:
    """All runs, newest first."""
    return tuple(
        RunSummary(
            id=id_,
            created=created,
            inventory=inventory,
            emulated=bool(emulated),
            observations=count,
            finished=bool(finished),
        )
        for id_, created, inventory, emulated, finished, count in session.rows(_SUMMARIES)
    )


_ELSEWHERE = frozenset({"observations", "finished", "running"})
"""What of a run has rows or a column of its own, or is true of a moment only. Bodies written until now name it."""


def _body(log: RunLog) -> str:
    """The run as its row keeps it."""
    fields = json.loads(dump_line(replace(log, observations=())))
    return json.dumps({name: value for name, value in fields.items() if name not in _ELSEWHERE}, separators=(",", ":"))


def _expect(session: Session, run: str) -> None:
    if not session.rows(_EXISTS, (run,)):
        raise NoRunError(f"there is no run {run}", hint="`fleet runs` lists all")


def _add(session: Session, run: str, observation: Observation) -> None:
    trial = observation.trial
    with storable(f"trial {trial.id}"):
        bare = replace(observation, telemetry=replace(observation.telemetry, samples=()))
        body = dump_line(bare)
        session.change(_REMOVE, (run, trial.id))
        ((seq,),) = session.rows(_ADD, (run, trial.id, trial.experiment.value, observation.outcome.value, body))
        for table in SAMPLE_TABLES:
            session.bulk(table, table.rows(seq, observation.telemetry))


def _load(session: Session, run: str) -> RunLog:
    ((body, finished),) = session.rows(_RUN, (run,))
    samples = _samples(session, run)
    try:
        log = load_line(RunLog, body)
        observations = []
        for seq, text in session.rows(OBSERVATIONS, (run,)):
            bare = load_line(Observation, text)
            telemetry = replace(bare.telemetry, samples=samples.get(seq, ()))
            observations.append(replace(bare, telemetry=telemetry))
    except Malformed as error:
        hint = "it was written by another version of fleet, or the store is damaged"
        raise StoreError(f"run {run} cannot be read: {error}", hint=hint) from error
    return replace(log, observations=tuple(observations), finished=bool(finished))


def samples_of(table: SampleTable) -> str:
    """The statement that gives a table's rows of all observations of a run."""
    columns = ", ".join(table.columns)
    return f"SELECT {columns} FROM {table.name} JOIN observations ON seq = observation WHERE run = ?"  # noqa: S608 (our own names)


def _samples(session: Session, run: str) -> dict[int, tuple[Sample, ...]]:
    """All samples of a run by observation, in their order."""
    found: dict[int, dict[int, Sample]] = {}
    for table in SAMPLE_TABLES:
        read = table.reader()
        for seq, position, *values in session.rows(samples_of(table), (run,)):
            found.setdefault(seq, {})[position] = read(values)
    return {seq: tuple(by_position[at] for at in sorted(by_position)) for seq, by_position in found.items()}


@contextmanager
def storable(what: str) -> Iterator[None]:
    """Values that no database can keep: NaN, lone surrogates, numbers of more than 64 bits."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise StoreError(f"{what} cannot be stored: {error}") from error
