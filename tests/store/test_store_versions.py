"""Stores that an older fleet has made: brought up to date where they are, with nothing lost.

`version3/*.sql` were written by fleet at version 3 of its tables: `sqlite3 .dump` and `pg_dump` of one and the same
store.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg  # noqa: TID251 (fills the server as an older fleet has left it)
import pytest
from kept_runs import UNDER, digest
from model_values import observation, run_log

from fleet.model.samples import AgentSample, DeviceSample
from fleet.store import open_catalogue, open_ledger, open_store
from fleet.store.schema import VERSION

OLD = Path(__file__).parent / "version3"
FIRST, SECOND = "20260701-a1b2", "20260702-c3d4"
Rows = dict[str, list[tuple[Any, ...]]]
TABLES = ("runs", "observations", "host_samples", "device_samples", "agent_samples", "changes", "provisioned")


@pytest.fixture(params=["sqlite", "postgres"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Callable[[], Rows]]:
    """A store of version 3, and what is in its tables when asked."""
    if request.param == "sqlite":
        file = tmp_path / "fleet.db"
        with sqlite3.connect(file) as connection:
            connection.executescript((OLD / "sqlite.sql").read_text(encoding="utf-8"))
        return str(file), lambda: _rows(sqlite3.connect(file), "rowid")
    url = request.getfixturevalue("postgres").url(request.getfixturevalue("database"))
    with psycopg.connect(url, autocommit=True) as server:
        server.execute((OLD / "postgres.sql").read_bytes())
    return url, lambda: _rows(psycopg.connect(url, options="-c search_path=fleet", autocommit=True), "ctid")


def _rows(connection: Any, order: str) -> Rows:
    kept = {}
    for table in TABLES:
        found = connection.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()  # noqa: S608 (our own names)
        kept[table] = [tuple(map(str, row)) for row in found]
    connection.close()
    return kept


def test_nothing_is_lost(old: tuple[str, Callable[[], Rows]]) -> None:
    """Every row of every table is what it was, what is new in it is missing, and every run reads as it was stored."""
    target, rows = old
    before = rows()
    assert [len(before[table]) for table in TABLES] == [2, 3, 4, 5, 1, 0, 2]
    open_store(target).close()
    for table, now in rows().items():
        width = len(before[table][0]) if before[table] else 0
        assert [row[:width] for row in now] == before[table]
        assert {cell for row in now for cell in row[width:]} <= {"None"}
    store = open_store(target)
    first, second = store.load(FIRST), store.load(SECOND)
    assert first.finished
    assert first.observations == (observation(0), observation(1))
    (seen,) = second.observations
    card, agent = seen.telemetry.samples
    assert isinstance(card, DeviceSample)
    assert isinstance(agent, AgentSample)
    assert (card.xids, card.pcie_width, agent.pid, agent.cpu) == ((79, 48), 16, 7, 0.5)
    ledger = open_ledger(target)
    assert ledger.unready("lab") == ("far",)
    ledger.close()
    store.close()


def test_what_is_new_works_there(old: tuple[str, Callable[[], Rows]]) -> None:
    """Tags, notes and digests of runs that were there before; new runs beside them; opened again nothing is redone."""
    target, _ = old
    catalogue, store = open_catalogue(target), open_store(target)
    assert [entry.summary.id for entry in catalogue.entries()] == [SECOND, FIRST]
    catalogue.tag(FIRST, ["baseline"], [])
    catalogue.keep(digest(FIRST), UNDER)
    store.create(run_log("20270101-new", observations=1, created=2e9))
    again = open_catalogue(target)
    assert again.entries()[2].tags == ("baseline",)
    assert again.digests("lab") == (digest(FIRST),)
    assert store.load("baseline").id == FIRST
    for one in (catalogue, store, again):
        one.close()


def test_it_says_which_version_it_is(old: tuple[str, Callable[[], Rows]]) -> None:
    """So that an older fleet refuses it instead of writing half of it."""
    target, _ = old
    open_store(target).close()
    if target.startswith("postgresql://"):
        with psycopg.connect(target) as server:
            assert server.execute("SELECT version FROM fleet.store").fetchall() == [(VERSION,)]
    else:
        with sqlite3.connect(target) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_a_run_is_kept_once(tmp_path: Path) -> None:
    """What has rows, a column or only its moment is not in a run's body; bodies that name it, as they did, are read."""
    file = tmp_path / "fleet.db"
    store = open_store(str(file))
    store.create(run_log("run", observations=1))
    with sqlite3.connect(file) as connection:
        ((body,),) = connection.execute("SELECT body FROM runs").fetchall()
        assert set(json.loads(body)) == {"id", "created", "version", "inventory", "survey", "plan"}
        older = json.dumps({**json.loads(body), "observations": [], "finished": False, "running": False})
        connection.execute("UPDATE runs SET body = ?", (older,))
    assert store.load("run") == run_log("run", observations=1)
    store.close()
