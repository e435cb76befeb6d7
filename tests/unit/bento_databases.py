"""Task databases of Bento's legacy stack for tests: every generation of the schema, jobs put in row by row.

The tables and functions are those of the lab (fleet/lab/bento/taskdb.sql), our own text. Older
generations are made from them by taking away what came later.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg  # noqa: TID251 (the database is what is tested here)

SCHEMA = Path(__file__).parents[2] / "fleet" / "lab" / "bento" / "taskdb.sql"

_LOOKED = """
  ALTER TABLE tasks DROP COLUMN job_created_at CASCADE;
  CREATE INDEX ready_tasks ON tasks (stream_id, created_at) WHERE state = 'ready';
  CREATE OR REPLACE FUNCTION request_work(wanted text) RETURNS TABLE (job uuid, task text, kind text)
  LANGUAGE sql AS $$
    -- Here nobody goes by ready > 0.
    WITH oldest AS (
      SELECT o.job_id, o.task_id FROM tasks o JOIN streams s ON s.id = o.stream_id
        WHERE s.worker_type = wanted AND o.state = 'ready' ORDER BY o.created_at LIMIT 1 FOR UPDATE OF o SKIP LOCKED
    )
    UPDATE tasks t SET state = 'running', started_at = now() FROM oldest
      WHERE t.job_id = oldest.job_id AND t.task_id = oldest.task_id
      RETURNING t.job_id, t.task_id, (SELECT jsonb_object_keys(t.task_def));
  $$;
"""
_TRIGGERS = """
  CREATE FUNCTION count_ready() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE streams SET ready = (SELECT count(*) FROM tasks t WHERE t.stream_id = streams.id AND t.state = 'ready')
      WHERE id = NEW.stream_id;
    RETURN NULL;
  END $$;
  CREATE TRIGGER counters AFTER INSERT OR UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION count_ready();
"""
GENERATIONS = {"triggers": (_LOOKED, _TRIGGERS), "looked": (_LOOKED,), "gated": ()}
"""By the name of their plane, what makes them from today's."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task to put in: when it was created, started and updated, in seconds after the job's `since`."""

    id: str
    kind: str
    created: float = 0.0
    started: float | None = None
    updated: float | None = None
    before: tuple[str, ...] = ()
    state: str = "done"
    retries: int = 0


def made(url: str, generation: str = "gated") -> None:
    """Make the tables of a generation in an empty database."""
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(SCHEMA.read_bytes())
        for change in GENERATIONS[generation]:
            database.execute(change.encode())


def put(
    url: str,
    tasks: Sequence[Task],
    cycles: int | None,
    *,
    since: str = "2026-07-01 10:00:00",
    state: str = "done",
    error: str | None = None,
    segments: int | None = None,
) -> str:
    """Put a job in; its id."""
    with psycopg.connect(url) as database:
        row = database.execute(
            "INSERT INTO jobs (state, error) VALUES (%s, %s) RETURNING id::text", (state, error)
        ).fetchone()
        assert row is not None
        columns = {name for (name,) in database.execute(_COLUMNS).fetchall()}
        for task in tasks:
            output = None
            if task.kind == "Executor" and cycles is not None:
                count = sum(one.kind == "Prove" for one in tasks) if segments is None else segments
                output = json.dumps({"segments": count, "user_cycles": cycles, "total_cycles": cycles})
            values: dict[str, Any] = {
                "job_id": row[0],
                "task_id": task.id,
                "task_def": json.dumps({task.kind: {}}),
                "prerequisites": json.dumps(task.before),
                "state": task.state,
                "waiting_on": 0,
                "retries": task.retries,
                "output": output,
            }
            if "job_created_at" in columns:
                values["job_created_at"] = since
            places = ", ".join(f"%({name})s" for name in values)
            database.execute(
                f"INSERT INTO tasks (stream_id, created_at, started_at, updated_at, {', '.join(values)})"  # noqa: S608 (our own words)
                f" SELECT id, {_time('created')}, {_time('started')}, {_time('updated')}, {places} FROM streams"
                " WHERE worker_type = %(queue)s",
                values
                | {
                    "queue": _QUEUES.get(task.kind, "prove"),
                    "since": since,
                    "created": task.created,
                    "started": task.started,
                    "updated": task.updated,
                },
            )
        return str(row[0])


def guide_job(elapsed: float, segments: int = 9) -> list[Task]:
    """The shape of the guide's first job: 9 segments and 8 joins, begun at 0 and ended after `elapsed` seconds."""
    names = [*(f"{number}" for number in range(segments))]
    proves = [
        Task(id=name, kind="Prove", created=0.01 * at, started=0.5 + at, updated=1.4 + at)
        for at, name in enumerate(names)
    ]
    joins = [
        Task(
            id=f"{segments + at}",
            kind="Join",
            created=0.2,
            started=10.0 + at,
            updated=10.7 + at,
            before=(names[at + 1], names[0] if at == 0 else f"{segments + at - 1}"),
        )
        for at in range(segments - 1)
    ]
    last = Task(id="finalize", kind="Finalize", created=0.3, started=elapsed - 0.2, updated=elapsed, before=("16",))
    return [Task(id="init", kind="Executor", created=-0.05, started=0.0, updated=0.4), *proves, *joins, last]


_COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = 'tasks'::regclass AND attnum > 0 AND NOT attisdropped"
_QUEUES = {"Executor": "exec", "Finalize": "aux", "Snark": "aux"}


def _time(name: str) -> str:
    return f"%(since)s::timestamp + make_interval(secs => %({name})s::numeric::float8)"
