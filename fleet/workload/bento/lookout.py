"""One kept session on the legacy stack's database that tells how jobs stand: cheap enough to ask many times a second.

Each question goes by a key. It changes nothing, but for what `give_up` does to the jobs that fleet itself submitted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from fleet.workload.bento.records.past import DatabaseError
from fleet.workload.bento.records.session import Address, Connection, kept, translated

COMEBACK_SECONDS = 60.0
"""So long a database that went away may take to come back before a trial is given up."""
_PAUSE = 0.5

_STATES = "SELECT id, state::text, left(error, 300) FROM jobs WHERE id = ANY(%s)"
_PROGRESS = """
  SELECT count(*) FILTER (WHERE state = 'done'), count(*), COALESCE(max(retries), 0) FROM tasks WHERE job_id = ANY(%s)
"""
# Finished jobs have nothing left, so that few are looked into; what is left of others is handed out again.
_LEFT = """
  SELECT j.id, l.count FROM jobs j CROSS JOIN LATERAL (
    SELECT count(*) FROM tasks t WHERE t.job_id = j.id AND t.state IN ('ready', 'running')
  ) l WHERE j.state <> 'done' AND l.count > 0 LIMIT 20
"""
_GIVE_UP = (
    """
      UPDATE tasks SET state = 'failed', error = %s, updated_at = now()
      WHERE job_id = ANY(%s) AND state IN ('pending', 'ready', 'running')
    """,
    "UPDATE jobs SET state = 'failed', error = %s WHERE id = ANY(%s) AND state = 'running'",
)


class Lookout:
    """The session. A database that goes away is waited for. Used by one thread; DatabaseError where it stays away."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._connection: Connection | None = None
        self._been = False
        self.interrupted = 0
        """How often the session was lost, and had to be opened again."""

    def states(self, jobs: Sequence[UUID]) -> dict[UUID, tuple[str, str]]:
        """The state and the error of each job that is there."""
        return {job: (state, error or "") for job, state, error in self._ask(_STATES, (list(jobs),))}

    def progress(self, jobs: Sequence[UUID]) -> tuple[int, int, int]:
        """Tasks that are done, tasks made so far, and the most often that one of them was retried."""
        ((done, made, retries),) = self._ask(_PROGRESS, (list(jobs),))
        return done, made, retries

    def leftovers(self) -> dict[UUID, int]:
        """The jobs that have tasks ready or running, and how many (of twenty jobs at most)."""
        return dict(self._ask(_LEFT, ()))

    def give_up(self, jobs: Sequence[UUID], why: str) -> None:
        """End jobs of our own: nothing of them is handed out any more, and who waits for them learns of it."""
        connection = self._open()
        with translated(self._address), connection.transaction():
            connection.execute("SET TRANSACTION READ WRITE")
            for statement in _GIVE_UP:
                connection.execute(statement, (why, list(jobs)))

    def close(self) -> None:
        """End the session. Never raises."""
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
        self._connection = None

    def _ask(self, question: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        until = time.monotonic() + COMEBACK_SECONDS
        while True:
            try:
                connection = self._open()
                with translated(self._address):
                    return connection.execute(question, values).fetchall()
            except DatabaseError:
                alive = self._connection is not None and not self._connection.closed
                self.close()
                if alive or not self._been or time.monotonic() > until:
                    raise
                self.interrupted += 1
                time.sleep(_PAUSE)

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = kept(self._address)
            self._been = True
        return self._connection
