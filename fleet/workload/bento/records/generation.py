"""Which generation of Bento's task database this is: from its columns, triggers and functions, never from a version.

Seen so far: counters of ready tasks kept by a trigger; counters refreshed by aux agents, which agents did not go by at
first; and since they go by them, tasks that know when their job was made.
"""

from __future__ import annotations

import re

from fleet.model.history import Generation, Plane
from fleet.workload.bento.records.past import DatabaseError
from fleet.workload.bento.records.session import Address, Connection

COLUMNS = {
    "jobs": {"id": "uuid", "state": "job_state", "error": "text"},
    "tasks": {
        "job_id": "uuid",
        "task_id": "text",
        "stream_id": "uuid",
        "task_def": "jsonb",
        "prerequisites": "jsonb",
        "state": "task_state",
        "created_at": "timestamp",
        "started_at": "timestamp",
        "updated_at": "timestamp",
        "retries": "int4",
        "timeout_secs": "int4",
        "output": "jsonb",
    },
    "streams": {"id": "uuid", "worker_type": "text"},
}
"""What is read of each table, with the types without which it would be read wrongly."""

_STATES = {"pending", "ready", "running", "done", "failed"}

_FIND_COLUMNS = """
  SELECT c.relname, a.attname, t.typname FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
  WHERE c.oid IN (to_regclass('jobs'), to_regclass('tasks'), to_regclass('streams'))
"""
_FIND_STATES = """
  SELECT e.enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid
  JOIN pg_attribute a ON a.atttypid = t.oid WHERE a.attrelid = to_regclass('tasks') AND a.attname = 'state'
"""
_FIND_TRIGGERS = "SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass('tasks') AND NOT tgisinternal"
_FIND_REQUEST = "SELECT prosrc FROM pg_proc WHERE proname = 'request_work' AND pg_function_is_visible(oid)"

_GOES_BY_COUNTER = re.compile(r"\bready\s*>\s*0\b", re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*")


def recognised(connection: Connection, address: Address) -> Generation:
    """The generation; DatabaseError, in one line, where this is none that is known."""
    there: dict[tuple[str, str], str] = {
        (table, column): kind for table, column, kind in connection.execute(_FIND_COLUMNS).fetchall()
    }
    missing = [table for table in COLUMNS if not any(name == table for name, _ in there)]
    if missing:
        raise _unknown(address, f"no table {missing[0]!r}")
    for table, columns in COLUMNS.items():
        for column, kind in columns.items():
            found = there.get((table, column))
            if found != kind:
                saw = f"of type {found}" if found else "missing"
                raise _unknown(address, f"column {table}.{column} is {saw}, {kind} was expected")
    states = {row[0] for row in connection.execute(_FIND_STATES).fetchall()}
    if states != _STATES:
        raise _unknown(address, f"tasks can be {', '.join(sorted(states ^ _STATES))}, or cannot")
    return Generation(
        stack="legacy (PostgreSQL)",
        plane=_plane(connection),
        oldest_job_first=("tasks", "job_created_at") in there,
    )


def _plane(connection: Connection) -> Plane:
    row = connection.execute(_FIND_TRIGGERS).fetchone()
    if row and row[0]:
        return Plane.TRIGGERS
    sources = [_COMMENT.sub("", source) for (source,) in connection.execute(_FIND_REQUEST).fetchall()]
    if not sources:
        return Plane.UNKNOWN
    return Plane.GATED if any(_GOES_BY_COUNTER.search(source) for source in sources) else Plane.LOOKED


def _unknown(address: Address, why: str) -> DatabaseError:
    return DatabaseError(
        f"{address.place}: not a task database that fleet knows: {why}",
        hint="name Bento's own database, as POSTGRES_DB has it (taskdb)",
    )
