"""Jobs of the past, read from a real task database of every generation: to every digit, read only, by index."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg  # noqa: TID251 (a second client, to put rows in and to look at what was done)
import pytest
from bento_databases import GENERATIONS, Task, guide_job, made, put

from fleet.analyse.evidence.taskrows import quotient
from fleet.analyse.history import history
from fleet.cli import main
from fleet.errors import ConfigurationError, FleetError
from fleet.model.history import Knobs, Plane
from fleet.model.verdict import Choice
from fleet.workload.bento.records import copyrows, past, session
from fleet.workload.bento.records.past import DatabaseError, Read, Wanted
from fleet.workload.bento.records.session import address_of
from fleet.workload.bento.records.taskdb import read_past
from tests.benchmarks.taskdb.plane import Pace, Setting, run_job

JOB_STATUS = """
  SELECT (CAST(a.cycles AS decimal) / b.seconds)::text FROM
    (SELECT output->'total_cycles' AS cycles FROM tasks WHERE task_id = 'init' AND job_id = %(job)s) a,
    (SELECT extract(epoch FROM max(updated_at) - min(started_at)) AS seconds FROM tasks WHERE job_id = %(job)s) b
"""
"""What the operator's own script asks."""


@pytest.fixture
def url(postgres: Any, database: str) -> str:
    return str(postgres.url(database))


def read(url: str, wanted: Wanted | None = None) -> Read:
    return read_past(address_of(url, secret=True), wanted or Wanted())


def refusal(url: str) -> str:
    """The one line in which a database is refused; it never holds a password."""
    with pytest.raises(FleetError) as caught:
        read(url)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert "hunter2" not in message
    return message


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize(
    ("cycles", "elapsed", "shown"),
    [
        (8_650_752, 21.660150, "399385.5998"),
        (34_603_008, 130.630590, "264892.0747"),
        (35_127_296, 81.430957, "431375.2078"),
    ],
)
def test_the_guides_figures(url: str, generation: str, cycles: int, elapsed: float, shown: str) -> None:
    """Effective Hz of the guide's three jobs, equal to the script's own answer in every digit, in every generation."""
    made(url, generation)
    job = put(url, guide_job(elapsed), cycles)
    (found,) = read(url).jobs
    with psycopg.connect(url) as database:
        answer = database.execute(JOB_STATUS, {"job": job}).fetchone()
    assert answer is not None
    assert str(found.hz) == answer[0]
    assert f"{found.hz:.4f}" == shown
    assert {kind: count for kind, count, _ in found.tasks} == {"execute": 1, "prove": 9, "join": 8, "finalize": 1}


def test_quotients_are_the_databases_own(url: str) -> None:
    """From a cycle an hour to petahertz: as many digits as PostgreSQL's division gives, and the same ones."""
    chance = Random(3)  # noqa: S311 (no secret)
    pairs = [(int(10 ** chance.uniform(0, 15)) or 1, int(10 ** chance.uniform(0, 12)) or 1) for _ in range(3000)]
    pairs += [
        (cycles, time) for cycles in (1, 9999, 10_000, 10_001) for time in (1, 999_999, 10**6, 10**10, 10**10 + 1)
    ]
    with psycopg.connect(url) as database:
        answers = database.execute(
            "SELECT (CAST(c AS decimal) / extract(epoch FROM t * interval '1 microsecond'))::text"
            " FROM unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS p (c, t, n) ORDER BY n",
            ([cycles for cycles, _ in pairs], [time for _, time in pairs]),
        ).fetchall()
    assert [f"{quotient(*pair)}" for pair in pairs] == [text for (text,) in answers]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_generations_are_told_apart(url: str, generation: str) -> None:
    """By columns, triggers and what the function that hands out work goes by; a comment in it counts for nothing."""
    made(url, generation)
    found = read(url).archive.generation
    assert found.plane is Plane(generation)
    assert found.oldest_job_first is (generation == "gated")


def test_tables_without_functions(url: str) -> None:
    """A copy of the tables alone is read, and nothing is replayed as nobody knows how work was handed out."""
    made(url)
    put(url, guide_job(21.66015), 8_650_752)
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("DROP FUNCTION request_work")
    found = read(url)
    assert found.archive.generation.plane is Plane.UNKNOWN
    assert history(found.archive, found.jobs, Knobs()).replayed == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("DROP TABLE task_deps, tasks", "no table 'tasks'"),
        ("ALTER TABLE tasks RENAME updated_at TO ended_at", "column tasks.updated_at is missing"),
        ("ALTER TABLE tasks ALTER retries TYPE text", "column tasks.retries is of type text, int4 was expected"),
        ("ALTER TYPE task_state ADD VALUE 'cancelled'", "cancelled"),
    ],
)
def test_an_unknown_schema_is_refused(url: str, change: str, told: str) -> None:
    """In one line that says what was not as expected."""
    made(url)
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(change)
    message = refusal(url)
    assert "not a task database that fleet knows" in message
    assert told in message


def test_a_job_whose_tasks_are_gone(url: str) -> None:
    """A cleaner took them, or they are not made yet: the job is listed, counts for nothing, and the others are read."""
    made(url)
    whole = put(url, guide_job(21.66015), 8_650_752)
    gone = put(url, [], None)
    found = read(url)
    told = history(found.archive, found.jobs, Knobs())
    assert [(job, refusal.code) for job, refusal in told.refusals] == [(gone, "incomplete")]
    assert told.hz is not None
    assert told.refusal(whole) is None


def test_a_copy_that_is_broken_off_says_one_thing(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is left of the COPY is nobody's business any more: no warning of the client library beside the refusal."""
    made(url)
    put(url, guide_job(21.66015), 8_650_752)
    monkeypatch.setattr(copyrows, "statement", lambda _: "SELECT n FROM generate_series(1, 100000) n")
    assert "too short" in refusal(url)
    assert caplog.records == []


def test_a_kind_that_is_not_known_is_refused(url: str) -> None:
    """A task that stands for nothing known must not be taken for something else."""
    made(url)
    put(url, [*guide_job(21.66015), Task(id="99", kind="Teleport", started=1.0, updated=2.0)], 8_650_752)
    assert "Teleport" in refusal(url)


def test_every_kind_of_task(url: str) -> None:
    """Jobs with assumptions, Keccak proofs and a compressed proof have kinds of their own; all are read."""
    made(url)
    more = [
        Task(id=name, kind=kind, created=0.5, started=19.0, updated=19.5)
        for name, kind in (("17", "Keccak"), ("18", "Union"), ("19", "Resolve"), ("snark", "Snark"))
    ]
    put(url, [*guide_job(21.66015), *more], 8_650_752)
    (job,) = read(url).jobs
    assert {kind for kind, _, _ in job.tasks} == {
        "execute",
        "prove",
        "join",
        "resolve",
        "finalize",
        "keccak",
        "union",
        "snark",
    }


def test_what_does_not_count_is_kept_with_its_reason(url: str) -> None:
    """Retries, a failure, a running job, one without cycles: listed, refused, and no part of any figure."""
    made(url)
    good = put(url, guide_job(21.66015), 8_650_752, since="2026-07-01 10:00:00")
    tasks = guide_job(21.66015)
    retried = [replace(task, retries=int(task.id == "3")) for task in tasks]
    bad = {
        "retried": put(url, retried, 8_650_752, since="2026-07-01 11:00:00"),
        "failed": put(
            url, _with_state(tasks, "failed"), None, since="2026-07-01 12:00:00", state="failed", error="boom"
        ),
        "no_cycles": put(url, tasks, None, since="2026-07-01 13:00:00"),
        "unfinished": put(url, _with_state(tasks, "pending"), 8_650_752, since="2026-07-01 14:00:00", state="running"),
    }
    found = read(url)
    told = history(found.archive, found.jobs, Knobs())
    assert {job: refusal.code for job, refusal in told.refusals} == {job: code for code, job in bad.items()}
    assert told.refusal(good) is None
    assert told.hz is not None
    assert told.hz.n == 1
    assert told.hz.value == pytest.approx(399_385.5998, abs=1e-4)
    assert found.jobs[0].id == bad["unfinished"]


def test_jobs_at_once_contaminate_each_other(url: str) -> None:
    """Neither shows what one job takes; one that began after both ended does."""
    made(url)
    first = put(url, guide_job(21.66015), 8_650_752, since="2026-07-01 10:00:00")
    second = put(url, guide_job(21.66015), 8_650_752, since="2026-07-01 10:00:15")
    alone = put(url, guide_job(21.66015), 8_650_752, since="2026-07-01 10:00:40")
    company = {job.id: job.company for job in read(url).jobs}
    assert company == {first: (second,), second: (first,), alone: ()}
    (only,) = read(url, Wanted(job=UUID(second))).jobs
    assert only.company == (first,)


def test_leftover_tasks_of_a_failed_job_contaminate(url: str) -> None:
    """They go on being handed out: every job that ended after they were made had them beside it."""
    made(url)
    before = put(url, guide_job(21.66015), 8_650_752, since="2026-07-01 09:00:00")
    left = [Task(id="init", kind="Executor", started=0.0, updated=1.0), Task(id="0", kind="Prove", state="ready")]
    failed = put(url, left, None, since="2026-07-01 10:00:00", state="failed")
    after = put(url, guide_job(21.66015), 8_650_752, since="2026-07-01 11:00:00")
    found = read(url)
    company = {job.id: job.company for job in found.jobs}
    assert company[before] == ()
    assert company[after] == (failed,)
    assert found.archive.leftover == 1


def test_a_clock_that_is_off(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven minutes between the server's clock and ours are told as an offset, and change no figure."""
    made(url)
    put(url, guide_job(21.66015), 8_650_752)
    (before,) = read(url).jobs
    real = time.time
    monkeypatch.setattr("fleet.workload.bento.records.taskdb.time.time", lambda: real() - 420)
    found = read(url)
    assert found.archive.offset == pytest.approx(420, abs=30)
    assert found.jobs == (before,)


def test_last_and_since(url: str) -> None:
    """The newest so many; those made since; no such job in one line."""
    made(url)
    jobs = [put(url, guide_job(21.66015), 8_650_752, since=f"2026-07-0{day} 10:00:00") for day in range(1, 6)]
    assert [job.id for job in read(url, Wanted(last=2)).jobs] == [jobs[4], jobs[3]]
    assert read(url, Wanted(since=1.0)).jobs == ()
    with pytest.raises(ConfigurationError, match="no such job"):
        read(url, Wanted(job=uuid4()))


@pytest.mark.parametrize("wanted", ["one", "last"])
def test_no_table_of_tasks_is_read_whole(url: str, wanted: str) -> None:
    """PostgreSQL's own count of sequential scans does not move, though it has no statistics to plan by."""
    made(url)
    jobs = [put(url, guide_job(21.66015), 8_650_752, since=f"2026-07-01 {hour:02}:00:00") for hour in range(20)]
    before = _scans(url)
    found = read(url, Wanted(job=UUID(jobs[3])) if wanted == "one" else Wanted())
    assert len(found.jobs) == (1 if wanted == "one" else 20)
    after = _scans(url)
    assert after[0] == before[0]
    assert after[1] > before[1]


def test_nothing_can_be_written(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server itself would refuse: even a query of ours that writes is ended in one line."""
    made(url)
    put(url, guide_job(21.66015), 8_650_752)
    monkeypatch.setattr(copyrows, "statement", lambda _: "DELETE FROM task_deps RETURNING job_id")
    assert "read-only transaction" in refusal(url)


def test_a_slow_database_ends_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement timeout bounds every question, COPY included."""
    made(url)
    put(url, guide_job(21.66015), 8_650_752)
    slow = [setting.replace("30s", "200ms") for setting in _session_settings()]
    monkeypatch.setattr("fleet.workload.bento.records.session.SETTINGS", tuple(slow))
    monkeypatch.setattr(copyrows, "statement", lambda _: "SELECT pg_sleep(60)")
    assert "no answer" in refusal(url) or "statement timeout" in refusal(url)


def test_a_server_that_goes_away_meanwhile(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is cut in the middle of a job ends in one line, not in a traceback or a wait."""
    made(url)
    put(url, guide_job(21.66015), 8_650_752)
    monkeypatch.setattr(copyrows, "statement", lambda _: "SELECT pg_sleep(0.01) FROM generate_series(1, 3000)")

    def cut() -> None:
        with psycopg.connect(url, autocommit=True) as other:
            for _ in range(3000):
                row = other.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE application_name = 'fleet' AND query LIKE 'COPY%'"
                ).fetchone()
                if row and row[0]:
                    return

    cutter = threading.Thread(target=cut)
    cutter.start()
    message = refusal(url)
    cutter.join()
    assert "terminating connection" in message or "server was shut down" in message or "closed" in message


def test_tasks_one_by_one_are_bounded(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest jobs have theirs until there are too many; the others have their totals all the same."""
    made(url)
    for hour in (10, 11, 12):
        put(url, guide_job(21.66015), 8_650_752, since=f"2026-07-01 {hour}:00:00")
    monkeypatch.setattr(past, "LARGEST", 40)
    jobs = read(url).jobs
    assert [job.record is not None for job in jobs] == [True, True, False]
    assert len({job.hz for job in jobs}) == 1


def test_by_the_command_line(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`fleet bento analyse --database-url-env NAME --json`: one object on stdout, every digit in it, no password."""
    made(url, "triggers")
    put(url, guide_job(21.66015), 8_650_752)
    monkeypatch.setenv("THERE", url.replace("@/", ":hunter2@/"))
    monkeypatch.setattr("sys.argv", ["fleet", "bento", "analyse", "--database-url-env", "THERE", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    text = capsys.readouterr().out
    told = json.loads(text)
    assert told["jobs"][0]["effective_hz"] == "399385.599822715909"
    assert told["archive"]["dispatch"] == "triggers"
    assert {tuple(change["settings"]) for change in told["changes"]} == {("POLL_TIME=0",), ()}
    assert "hunter2" not in text


def test_a_lock_is_not_waited_for(url: str) -> None:
    """Somebody who changes the tables is not held up, and does not hold us up."""
    made(url)
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        assert "locked" in refusal(url)


def test_a_password_is_never_told(postgres: Any, database: str) -> None:
    """Neither by a refused login nor by a URL that cannot be read; and none is taken from the command line."""
    postgres.sql("postgres", f"CREATE ROLE {database}_worker LOGIN PASSWORD 'right'")
    there = f"postgresql://{database}_worker:hunter2@127.0.0.1:{postgres.port}/{database}"
    assert "wrong user or password" in refusal(there)
    for text, secret in ((there, False), ("postgresql://worker:hunter2@@/x", True)):
        with pytest.raises(ConfigurationError) as caught:
            address_of(text, secret=secret)
        assert "hunter2" not in str(caught.value)
    with pytest.raises(DatabaseError, match="no server answers"):
        read("postgresql://worker@127.0.0.1:1/taskdb")


def test_times_are_those_of_bentos_sessions(postgres: Any, database: str, url: str) -> None:
    """Its agents write UTC, whatever zone the server or the operator is in."""
    made(url)
    put(url, guide_job(21.66015), 8_650_752)
    postgres.sql("postgres", f"ALTER DATABASE {database} SET TimeZone = 'Asia/Tokyo'")
    (job,) = read(url).jobs
    assert job.started == pytest.approx(1_782_900_000.0)  # 2026-07-01 10:00:00 UTC


def test_a_real_run_of_the_control_plane(url: str) -> None:
    """Agents that claim tasks by the stack's SQL: the records, replayed with the timers they had, fit what was seen."""
    made(url)
    pace, setting, chance = Pace(scale=20.0, segments=9), Setting(agents=2), Random(7)  # noqa: S311 (phases)
    run = run_job(url, setting, pace, chance)
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(
            'UPDATE tasks SET output = \'{"segments": 9, "user_cycles": 1, "total_cycles": 9437184}\''
            " WHERE task_id = 'init'"
        )
    found = read(url)
    (job,) = found.jobs
    assert job.record is not None
    assert job.agents <= setting.agents
    assert {task.id: task.prerequisites for task in job.record.tasks} == {
        task.id: task.prerequisites for task in run.job.tasks
    }
    for task, seen in zip(
        sorted(job.record.tasks, key=lambda one: one.id), sorted(run.job.tasks, key=lambda one: one.id), strict=True
    ):
        assert task.started == pytest.approx(seen.started, abs=1e-5)
        assert task.updated == pytest.approx(seen.updated, abs=1e-5)
    told = history(
        found.archive,
        found.jobs,
        Knobs(poll=0.05, refresh=0.25, poll_stated=True, refresh_stated=True, agents=2),
    )
    assert told.verdict.choice is Choice.INCONCLUSIVE  # one job is too few to go by
    assert told.decomposition is not None
    share = told.decomposition.share
    assert share.busy + share.dispatch + share.graph == pytest.approx(1.0)
    assert told.missed is not None


@pytest.fixture(autouse=True)
def _no_password_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", "/nowhere/pgpass")


def _with_state(tasks: list[Task], state: str) -> list[Task]:
    """The last task in another state."""
    return [*tasks[:-1], replace(tasks[-1], state=state, updated=None)]


def _session_settings() -> tuple[str, ...]:
    return session.SETTINGS


def _scans(url: str) -> tuple[int, int]:
    """How often `tasks` was read whole, and how often by an index."""
    with psycopg.connect(url, autocommit=True) as database:
        row = database.execute("SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'tasks'").fetchone()
    assert row is not None
    return int(row[0]), int(row[1])
