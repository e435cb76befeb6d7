"""Task databases of Bento's current stack for tests: a real Redis, and jobs put into it as the stack writes them.

Keys and fields are those that its agents go by; times are Unix seconds as text, those that its scripts write with
fourteen digits only.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import redis  # noqa: TID251 (the database is what is tested here)
from bento_databases import Task

SINCE = 1_782_900_000.0
"""2026-07-01 10:00:00 UTC."""

MISSING = "no redis-server: install the package `redis-server`"
PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")

_QUEUES = {"Executor": "exec", "Finalize": "aux", "Snark": "snark", "Keccak": "coproc"}


@contextmanager
def redis_server(*settings: str) -> Iterator[int]:
    """The port of a server of our own on 127.0.0.1, for as long as this lasts; `settings`: more of redis.conf's."""
    assert PROGRAM, MISSING
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    folder = Path(tempfile.mkdtemp(prefix="fleet-redis-"))
    own = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder))
    with subprocess.Popen([PROGRAM, *own, *settings], stdout=subprocess.DEVNULL) as server:
        try:
            while server.poll() is None:
                with socket.socket() as trial:
                    if trial.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield port
        finally:
            server.kill()
            shutil.rmtree(folder, ignore_errors=True)


def put_job(
    port: int,
    tasks: Sequence[Task],
    cycles: int | None,
    *,
    since: float = SINCE,
    state: str = "done",
    error: str = "",
    job: UUID | None = None,
) -> str:
    """Put a job in, as the stack's scripts would have left it; its id."""
    name = str(job or uuid4())
    with redis.Redis(port=port) as database, database.pipeline(transaction=False) as line:
        meta = {"state": state, "error": error, "user_id": "fleet", "reported": "0", "priority": "2"}
        line.hset(f"taskdb:job:{name}:meta", mapping=meta)
        proves = sum(task.kind == "Prove" for task in tasks)
        for number, task in enumerate(tasks):
            output = ""
            if task.kind == "Executor" and cycles is not None:
                output = json.dumps({"segments": proves, "user_cycles": cycles, "total_cycles": cycles})
            queue = _QUEUES.get(task.kind, "prove")
            line.hset(
                f"taskdb:task:{name}:{task.id}",
                mapping={
                    "stream_id": str(uuid4()),
                    "worker_type": queue,
                    "priority": "2",
                    "sort_seq": str(number),
                    "task_def": json.dumps({task.kind: {"index": number}}),
                    "prerequisites": json.dumps(task.before),
                    "state": task.state,
                    "created_at": repr(since + task.created),
                    "started_at": _lua(None if task.started is None else since + task.started),
                    "updated_at": _lua(since + (task.created if task.updated is None else task.updated)),
                    "waiting_on": "0",
                    "progress": "1.0",
                    "retries": str(task.retries),
                    "max_retries": "3",
                    "timeout_secs": "30",
                    "output": output,
                    "error": "",
                },
            )
            line.sadd(f"taskdb:tasks:by_job:{name}", task.id)
            for before in task.before:
                line.sadd(f"taskdb:deps:{name}:{before}", task.id)
            if task.state == "ready":
                line.zadd(f"taskdb:ready:{queue}:2", {f"{name}|{task.id}": number})
            if task.state == "running":
                line.zadd("taskdb:tasks:running", {f"{name}|{task.id}": since + 30})
        line.execute()
    return name


def _lua(seconds: float | None) -> str:
    """A number as the scripts' own tostring() has it."""
    return "" if seconds is None else f"{seconds:.14g}"
