"""The session that tells how a trial's jobs stand, on a real server: what it costs, and what it may change."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID, uuid4

import psycopg  # noqa: TID251 (the database is what is tested here)
import pytest
from bento_databases import Task, guide_job, made, put

from fleet.workload.bento.lookout import Lookout
from fleet.workload.bento.records.past import DatabaseError
from fleet.workload.bento.records.session import address_of

RUNNING = [
    Task(id="init", kind="Executor", started=0.0, updated=0.4),
    Task(id="0", kind="Prove", started=0.5, state="running"),
    Task(id="1", kind="Prove", state="ready"),
    Task(id="2", kind="Join", before=("0", "1"), state="pending"),
]


@pytest.fixture
def url(postgres: Any, database: str) -> str:
    made(postgres.url(database))
    found: str = postgres.url(database)
    return found


@pytest.fixture
def lookout(url: str) -> Iterator[Lookout]:
    with closing(Lookout(address_of(url, secret=True))) as opened:
        yield opened


TASKS = "SELECT * FROM tasks WHERE job_id = %s ORDER BY task_id"


def rows(url: str, question: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as database:
        return database.execute(question.encode(), values).fetchall()


def test_states_and_progress_of_jobs(url: str, lookout: Lookout) -> None:
    done = UUID(put(url, guide_job(21.66015), 8_650_752))
    running = UUID(put(url, RUNNING, None, state="running"))
    assert lookout.states([done, running, uuid4()]) == {done: ("done", ""), running: ("running", "")}
    assert lookout.progress([running]) == (1, 4, 0)
    assert lookout.progress([uuid4()]) == (0, 0, 0)


def test_what_is_left_of_others_is_seen(url: str, lookout: Lookout) -> None:
    """Ready and running tasks of a failed job, too, go on being handed out; those of a job that is done do not."""
    assert lookout.leftovers() == {}
    put(url, guide_job(21.66015), 8_650_752)
    failed = UUID(put(url, RUNNING, None, state="failed"))
    assert lookout.leftovers() == {failed: 2}


def test_only_our_own_job_is_given_up(url: str, lookout: Lookout) -> None:
    own, other = (UUID(put(url, RUNNING, None, state="running")) for _ in range(2))
    before = rows(url, TASKS, other)
    lookout.give_up([own], "over")
    assert lookout.states([own, other]) == {own: ("failed", "over"), other: ("running", "")}
    states = rows(url, "SELECT task_id, state FROM tasks WHERE job_id = %s ORDER BY task_id", own)
    assert states == [("0", "failed"), ("1", "failed"), ("2", "failed"), ("init", "done")]
    assert rows(url, TASKS, other) == before
    assert lookout.leftovers() == {other: 2}


def test_a_look_goes_by_keys(url: str, lookout: Lookout) -> None:
    """Among 20,000 jobs, forty looks read a few pages: their cost is that of forty keys."""
    with psycopg.connect(url) as database:
        database.execute("INSERT INTO jobs (state) SELECT 'done' FROM generate_series(1, 20000)")
    job = UUID(put(url, RUNNING, None, state="running"))
    lookout.states([job])
    for _ in range(40):
        lookout.states([job])
    with psycopg.connect(url, autocommit=True) as database:
        plan = database.execute("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'jobs'").fetchone()
    lookout.close()
    time.sleep(0.2)
    assert plan is not None
    assert rows(url, "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'jobs'") == [(plan[0],)]


def test_a_database_that_was_restarted_is_waited_for(postgres: Any, url: str, lookout: Lookout) -> None:
    job = UUID(put(url, RUNNING, None, state="running"))
    lookout.states([job])
    postgres.control("-m", "fast", "stop")
    later = threading.Timer(1.0, lambda: postgres.control("start"))
    later.start()
    try:
        assert lookout.states([job]) == {job: ("running", "")}
    finally:
        later.join()
    assert lookout.interrupted > 0


def test_a_database_that_never_was_there_is_not_waited_for(url: str) -> None:
    nowhere = Lookout(address_of(url.replace("/fleet", "/nowhere"), secret=True))
    began = time.monotonic()
    with pytest.raises(DatabaseError):
        nowhere.leftovers()
    assert time.monotonic() - began < 30
