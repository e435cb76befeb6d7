"""The legacy stack's task database as its agents use it: tables in PostgreSQL, asked again and again."""

from __future__ import annotations

import json
import time

import psycopg

from fleet.lab.bento.plane import Chore, Claim, Limits, definition, needs, stream_of
from fleet.plan.trials.proof import ProofTask

_CLAIM = "SELECT job::text, task, kind FROM request_work(%s)"
# A statement of its own: what ended while the one before waited for a lock was not to be seen in that one yet.
_NEEDS = """
  SELECT (t.task_def->%(kind)s->>'iterations')::int, (t.task_def->%(kind)s->>'index')::int,
    (t.task_def->%(kind)s->>'po2')::int,
    ARRAY(SELECT e.output->'digest' FROM jsonb_array_elements_text(t.prerequisites) WITH ORDINALITY AS b(name, place)
      JOIN tasks e ON e.job_id = t.job_id AND e.task_id = b.name ORDER BY b.place)
  FROM tasks t WHERE t.job_id = %(job)s AND t.task_id = %(task)s
"""


class Tables:
    """A connection to the database. psycopg.OperationalError where it is not there."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._database = psycopg.connect(url, autocommit=True, options="-c timezone=UTC", connect_timeout=5)

    def submitted(self, iterations: int) -> str:
        """Make a job of the synthetic guest; its id."""
        said = json.dumps({"Executor": {"iterations": iterations}})
        row = self._database.execute("SELECT make_job(%s::jsonb)::text", (said,)).fetchone()
        return str(row[0]) if row else ""

    def state_of(self, job: str) -> tuple[str, str] | None:
        """A job's state and its error; None where it is gone."""
        question = "SELECT state::text, COALESCE(error, '') FROM jobs WHERE id = %s"
        row = self._database.execute(question, (job,)).fetchone()
        return (str(row[0]), str(row[1])) if row else None

    def figures_of(self, job: str) -> dict[str, object]:
        """What the first task of a job told of it; empty where it has not."""
        row = self._database.execute(
            "SELECT output FROM tasks WHERE job_id = %s AND task_id = 'init'", (job,)
        ).fetchone()
        return dict(row[0]) if row and row[0] else {}

    def claimed(self, stream: str, pause: float) -> Claim | None:
        """Ask for work, as `request_work` gives it, and for what the task needs; sleep where there is none."""
        row = self._database.execute(_CLAIM, (stream,)).fetchone()
        if row is None:
            time.sleep(pause)
            return None
        job, task, kind = row
        needed = self._database.execute(_NEEDS, {"job": job, "task": task, "kind": kind}).fetchone()
        if needed is None:
            return None
        iterations, index, po2, inputs = needed
        return Claim(
            job=job,
            task=task,
            kind=kind,
            iterations=iterations or 0,
            index=index or 0,
            po2=po2 or 0,
            inputs=tuple(tuple(digest) for digest in inputs if digest is not None),
        )

    def make(self, job: str, task: ProofTask, po2: int, limits: Limits) -> None:
        """Make a task of a job."""
        values = (job, task.id, stream_of(task), json.dumps(definition(task, po2)), json.dumps(needs(task)))
        with self._database.transaction():
            self._database.execute(
                "SELECT make_task(%s, %s, %s, %s::jsonb, %s::jsonb, t.job_created_at) FROM tasks t"
                " WHERE t.job_id = %s AND t.task_id = 'init'",
                (*values, job),
            )
            self._database.execute(
                "UPDATE tasks SET timeout_secs = %s, max_retries = %s WHERE job_id = %s AND task_id = %s",
                (limits.timeout, limits.retries, job, task.id),
            )

    def finished(self, claim: Claim, output: dict[str, object]) -> None:
        """Say that a task is done and what came of it."""
        self.run("SELECT end_task(%s, %s, %s::jsonb)", claim.job, claim.task, json.dumps(output))

    def failed(self, claim: Claim, why: str) -> None:
        """Say that a task cannot be done."""
        self.run("SELECT fail_task(%s, %s, %s)", claim.job, claim.task, why)

    def chores(self, haste: float) -> tuple[Chore, ...]:
        """Set the counters that agents go by when they ask for work; hand out again what has run for too long."""
        first, second = Tables(self._url), Tables(self._url)  # their threads share no connection
        return (
            Chore(every="STREAM_REFRESH_INTERVAL", usual=5, work=lambda: first.run("SELECT refresh_counters()")),
            Chore(every="REQUEUE_POLL_INTERVAL", usual=5, work=lambda: second.run("SELECT requeue_tasks(%s)", haste)),
        )

    def run(self, statement: str, *values: object) -> None:
        """Run a statement whose answer nobody needs."""
        self._database.execute(statement.encode(), values)
