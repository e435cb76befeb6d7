"""The task database as Bento's agents use it: claim a task, make tasks, say what came of one, keep its counters."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

from fleet.model.record import TaskKind
from fleet.plan.proof import FINALIZE_ID, ProofTask

Database = psycopg.Connection[TupleRow]

EXECUTOR, PROVE, AUX = "exec", "prove", "aux"
"""The streams: which kind of agent takes its tasks."""

_CLAIM = "SELECT job::text, task, kind FROM request_work(%s)"
# A statement of its own: what ended while the one before waited for a lock was not to be seen in that one yet.
_NEEDS = """
  SELECT (t.task_def->%(kind)s->>'iterations')::int, (t.task_def->%(kind)s->>'index')::int,
    (t.task_def->%(kind)s->>'po2')::int,
    ARRAY(SELECT e.output->'digest' FROM jsonb_array_elements_text(t.prerequisites) WITH ORDINALITY AS b(name, place)
      JOIN tasks e ON e.job_id = t.job_id AND e.task_id = b.name ORDER BY b.place)
  FROM tasks t WHERE t.job_id = %(job)s AND t.task_id = %(task)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a task may run, in seconds as the stack is configured, and how often it is handed out again."""

    timeout: int
    retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A task that is this agent's now. `inputs`: the digests of what it waited for."""

    job: str
    task: str
    kind: str
    iterations: int
    index: int
    po2: int
    inputs: tuple[tuple[int, ...], ...]


def connected() -> Database:
    """A connection to the database that the environment names. psycopg.OperationalError where it is not there."""
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, options="-c timezone=UTC", connect_timeout=5)


def submitted(database: Database, iterations: int) -> str:
    """Make a job of the synthetic guest; its id."""
    definition = json.dumps({"Executor": {"iterations": iterations}})
    row = database.execute("SELECT make_job(%s::jsonb)::text", (definition,)).fetchone()
    return str(row[0]) if row else ""


def state_of(database: Database, job: str) -> tuple[str, str]:
    """A job's state and its error; `failed` where it is gone."""
    row = database.execute("SELECT state::text, COALESCE(error, '') FROM jobs WHERE id = %s", (job,)).fetchone()
    return (str(row[0]), str(row[1])) if row else ("failed", "the job is gone")


def claimed(database: Database, stream: str) -> Claim | None:
    """Ask for work, as `request_work` gives it, and for what the task needs."""
    row = database.execute(_CLAIM, (stream,)).fetchone()
    if row is None:
        return None
    job, task, kind = row
    needs = database.execute(_NEEDS, {"job": job, "task": task, "kind": kind}).fetchone()
    if needs is None:
        return None
    iterations, index, po2, inputs = needs
    return Claim(
        job=job,
        task=task,
        kind=kind,
        iterations=iterations or 0,
        index=index or 0,
        po2=po2 or 0,
        inputs=tuple(tuple(digest) for digest in inputs if digest is not None),
    )


def make(database: Database, job: str, task: ProofTask, po2: int, limits: Limits) -> None:
    """Make a task of a job; proving overlaps execution: a segment waits for nothing once it is cut."""
    before = [earlier for earlier in task.prerequisites if earlier != "init"]
    stream = AUX if task.id == FINALIZE_ID else PROVE
    values = (job, task.id, stream, json.dumps(_definition(task, po2)), json.dumps(before))
    with database.transaction():
        database.execute(
            "SELECT make_task(%s, %s, %s, %s::jsonb, %s::jsonb, t.job_created_at) FROM tasks t"
            " WHERE t.job_id = %s AND t.task_id = 'init'",
            (*values, job),
        )
        database.execute(
            "UPDATE tasks SET timeout_secs = %s, max_retries = %s WHERE job_id = %s AND task_id = %s",
            (limits.timeout, limits.retries, job, task.id),
        )


def finished(database: Database, claim: Claim, output: object) -> None:
    """Say that a task is done and what came of it."""
    database.execute("SELECT end_task(%s, %s, %s::jsonb)", (claim.job, claim.task, json.dumps(output)))


def failed(database: Database, claim: Claim, why: str) -> None:
    """Say that a task cannot be done."""
    database.execute("SELECT fail_task(%s, %s, %s)", (claim.job, claim.task, why))


def refresh(database: Database) -> None:
    """Set the counters that agents go by when they ask for work."""
    database.execute("SELECT refresh_counters()")


def requeue(database: Database, haste: float) -> None:
    """Hand out again what has run for too long; `haste`: the stack's seconds in a real one."""
    database.execute("SELECT requeue_tasks(%s)", (haste,))


def _definition(task: ProofTask, po2: int) -> dict[str, dict[str, object]]:
    """A task's definition as the database keeps it: an object with one key."""
    match task.kind:
        case TaskKind.PROVE:
            return {"Prove": {"index": task.segment, "po2": po2}}
        case TaskKind.FINALIZE:
            return {"Finalize": {"max_idx": task.index}}
        case _:
            left, right = task.prerequisites
            return {"Join": {"idx": task.index, "left": left, "right": right}}
