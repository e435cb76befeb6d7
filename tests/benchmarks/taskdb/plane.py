"""The legacy stack without its GPUs: executor, aux agents and agents that sleep, on a real task database.

Every thread has a connection of its own and writes down when it asked for what. All times are Unix seconds of this
machine, which are the database's too.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg  # noqa: TID251 (the database is what is measured here)

from fleet.model.record import JobRecord, TaskKind, TaskRecord, TaskState
from fleet.plan.trials.proof import EXECUTE_ID, ProofPlanner, ProofTask

NAMES = {
    "Executor": TaskKind.EXECUTE,
    "Prove": TaskKind.PROVE,
    "Join": TaskKind.JOIN,
    "Finalize": TaskKind.FINALIZE,
}
DEFINITIONS = {kind: json.dumps({name: {}}) for name, kind in NAMES.items()}
AUX_AGENTS = 2
PATIENCE = 300.0
"""Seconds after which a job is given up."""

_READ = """
  SELECT task_id, (SELECT jsonb_object_keys(task_def)), state::text, retries, prerequisites,
         extract(epoch FROM created_at AT TIME ZONE current_setting('TimeZone'))::float8,
         extract(epoch FROM started_at AT TIME ZONE current_setting('TimeZone'))::float8,
         extract(epoch FROM updated_at AT TIME ZONE current_setting('TimeZone'))::float8
  FROM tasks WHERE job_id = %s ORDER BY created_at
"""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How many agents there are and how they learn of work, in seconds as the stack is configured."""

    agents: int
    poll: float = 1.0
    refresh: float = 5.0


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds of the tasks as the stack is configured; all seconds are divided by `scale` when they are run."""

    prove: float = 3.1
    join: float = 1.15
    finalize: float = 0.5
    segments: int = 33
    scale: float = 10.0

    def of(self, kind: TaskKind) -> float:
        """Real seconds for which an agent sleeps."""
        seconds = {TaskKind.PROVE: self.prove, TaskKind.JOIN: self.join, TaskKind.FINALIZE: self.finalize}
        return seconds[kind] / self.scale


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A task that an agent ran: when it asked, when it was told, when the database knew that it was done."""

    kind: TaskKind
    asked: float
    told: float
    ended: float


@dataclass(kw_only=True)
class Diary:
    """What one thread did: its requests and refreshes, its tasks, and what it died of."""

    asked: list[float] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    died: list[Exception] = field(default_factory=list)


class Unfinished(Exception):  # noqa: N818 (it says what is wrong)
    """A job did not end, or a thread died."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One job: its record in real seconds since `started`, and the diaries of agents, aux agents and refreshers.

    Runs of one setting with the same `timers` had the same phases, as nearly as threads can be started.
    """

    setting: Setting
    started: float
    job: JobRecord
    agents: tuple[Diary, ...]
    helpers: tuple[Diary, ...]
    refreshers: tuple[Diary, ...]
    timers: str = ""


def run_job(url: str, setting: Setting, pace: Pace, chance: Random) -> Run:
    """One job on a fresh table, all timers at random phases. Unfinished where it does not end."""
    poll, refresh = setting.poll / pace.scale, setting.refresh / pace.scale
    agents, helpers, refreshers = ([Diary() for _ in range(n)] for n in (setting.agents, AUX_AGENTS, AUX_AGENTS))
    stop, over = threading.Event(), threading.Event()
    work: list[tuple[Callable[..., None], tuple[Any, ...], float]] = [
        *((agent, (url, "prove", poll, pace, diary, stop, over), poll) for diary in agents),
        *((agent, (url, "aux", poll, pace, diary, stop, over), poll) for diary in helpers),
        *((refresher, (url, refresh, diary, stop), refresh) for diary in refreshers),
    ]
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("TRUNCATE jobs, tasks, task_deps")
        database.execute("UPDATE streams SET ready = 0, running = 0")
        threads = [
            _delayed(f, words, chance.uniform(0, period), diary, over)
            for (f, words, period), diary in zip(work, (*agents, *helpers, *refreshers), strict=True)
        ]
        with _threads(threads, stop):
            # All agents ask by then. A counter that was not set yet is 0, as it was set before there was a job.
            time.sleep(2 * poll)
            job = execute(database, pace)
            ended = over.wait(PATIENCE)
        for diary in (*agents, *helpers, *refreshers):
            if diary.died:
                raise Unfinished(f"a thread died: {diary.died[0]}") from diary.died[0]
        if not ended:
            raise Unfinished(f"the job did not end in {PATIENCE:.0f} s")
        started, record = read(database, job, pace)
    return Run(
        setting=setting,
        started=started,
        job=record,
        agents=tuple(agents),
        helpers=tuple(helpers),
        refreshers=tuple(refreshers),
    )


def execute(database: psycopg.Connection[Any], pace: Pace) -> str:
    """Be the executor: a job whose init task has begun, its tasks as they come, then init is done."""
    with database.transaction():
        row = database.execute("INSERT INTO jobs DEFAULT VALUES RETURNING id::text, now()::timestamp").fetchone()
        assert row is not None
        job, since = row
        values = (job, EXECUTE_ID, DEFINITIONS[TaskKind.EXECUTE], since)
        database.execute(
            "INSERT INTO tasks (job_id, task_id, stream_id, task_def, prerequisites, state, waiting_on, started_at,"
            " job_created_at) SELECT %s, %s, id, %s, '[]', 'running', 0, now(), %s FROM streams"
            " WHERE worker_type = 'exec'",
            values,
        )
    planner = ProofPlanner()
    for _ in range(pace.segments):
        for task in planner.add_segment():
            _make(database, job, since, task)
    for task in planner.finish():
        _make(database, job, since, task)
    database.execute("SELECT end_task(%s, %s)", (job, EXECUTE_ID))
    return str(job)


def _make(database: psycopg.Connection[Any], job: str, since: Any, task: ProofTask) -> None:
    stream = "aux" if task.kind is TaskKind.FINALIZE else "prove"
    # Proving overlaps execution: a segment waits for nothing once it is cut.
    before = json.dumps([earlier for earlier in task.prerequisites if earlier != EXECUTE_ID])
    values = (job, task.id, stream, DEFINITIONS[task.kind], before, since)
    database.execute("SELECT make_task(%s, %s, %s, %s::jsonb, %s::jsonb, %s)", values)


def agent(
    url: str, stream: str, poll: float, pace: Pace, diary: Diary, stop: threading.Event, over: threading.Event
) -> None:
    """Ask, sleep for as long as the task takes, say that it is done; sleep `poll` where there was nothing."""
    with psycopg.connect(url, autocommit=True) as database:
        while not stop.is_set():
            asked = time.time()
            diary.asked.append(asked)
            row = database.execute("SELECT job, task, kind FROM request_work(%s)", (stream,)).fetchone()
            told = time.time()
            if row is None:
                stop.wait(poll)
                continue
            kind = NAMES[row[2]]
            time.sleep(pace.of(kind))
            database.execute("SELECT end_task(%s, %s)", row[:2])
            diary.turns.append(Turn(kind=kind, asked=asked, told=told, ended=time.time()))
            if kind is TaskKind.FINALIZE:
                over.set()


def refresher(url: str, period: float, diary: Diary, stop: threading.Event) -> None:
    """Set the counters every so often."""
    with psycopg.connect(url, autocommit=True) as database:
        while not stop.is_set():
            diary.asked.append(time.time())
            database.execute("SELECT refresh_counters()")
            stop.wait(period)


def read(database: psycopg.Connection[Any], job: str, pace: Pace) -> tuple[float, JobRecord]:
    """When the job started, and its record in seconds since."""
    rows = database.execute(_READ, (job,)).fetchall()
    start = min(row[6] for row in rows)
    tasks = tuple(
        TaskRecord(
            id=name,
            kind=NAMES[kind],
            state=TaskState(state),
            prerequisites=tuple(before),
            created=created - start,
            started=started - start,
            updated=updated - start,
            retries=retries,
        )
        for name, kind, state, retries, before, created, started, updated in rows
    )
    cycles = pace.segments << 20
    return start, JobRecord(
        id=job,
        state=TaskState.DONE,
        segments=pace.segments,
        user_cycles=cycles,
        total_cycles=cycles,
        tasks=tasks,
    )


def _delayed(
    function: Callable[..., None], words: Sequence[Any], delay: float, diary: Diary, over: threading.Event
) -> threading.Thread:
    """A thread that begins later; where it dies, it says of what, and nobody waits for the job any more."""

    def later() -> None:
        time.sleep(delay)
        try:
            function(*words)
        except Exception as problem:  # noqa: BLE001 (whatever it is, the run says it)
            diary.died.append(problem)
            over.set()

    return threading.Thread(target=later, daemon=True)


@contextmanager
def _threads(threads: Sequence[threading.Thread], stop: threading.Event) -> Iterator[None]:
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
