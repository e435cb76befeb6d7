"""The current stack's task database as what stands beside it uses it: hashes in Redis, and lists that ring.

Whoever finds nothing to do waits at the list of its stream: work is announced there, and nobody polls.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis

from fleet.lab.bento.plane import EXECUTOR, Chore, Claim, Limits, definition, needs, stream_of
from fleet.plan.trials.proof import ProofTask

SPACE = "taskdb"
LIBRARY = Path(__file__).with_name("taskhashes.lua")
HOT_SECONDS = 57600
"""What agents hand to each other is kept as long as REDIS_TTL says; this is its default."""
_LOW = "2"
"""bento_cli's jobs have the lowest priority."""


def hot_key(job: str, task: str) -> str:
    """Where what came of a task lies for those who wait for it."""
    return f"job:{job}:receipts:{task}"


class Hashes:
    """A connection to Redis, the functions loaded. redis.RedisError where it is not there."""

    def __init__(self, url: str, haste: float) -> None:
        self.client = redis.Redis.from_url(url, decode_responses=True, protocol=2, socket_connect_timeout=5)
        self._haste = haste
        self.client.function_load(LIBRARY.read_text("utf-8"), replace=True)

    def call(self, function: str, *words: object) -> Any:
        """What a function of the library says."""
        return self.client.fcall(function, 0, SPACE, *(str(word) for word in words))

    def submitted(self, iterations: int) -> str:
        """Make a job of the synthetic guest; its id."""
        said, job = json.dumps({"Executor": {"iterations": iterations}}), str(uuid.uuid4())
        self.call("create_job", EXECUTOR, said, 0, 4 * 3600, "", job, repr(time.time()), _LOW)
        return job

    def state_of(self, job: str) -> tuple[str, str] | None:
        """A job's state and its error; None where it is gone. What the cleaner took is done, while its figures last."""
        state, error = self.client.hmget(f"{SPACE}:job:{job}:meta", ["state", "error"])
        if state:
            return str(state), str(error or "")
        return ("done", "") if self.figures_of(job) else None

    def figures_of(self, job: str) -> dict[str, object]:
        """What the first task of a job told of it; empty where it has not, or not any more."""
        said = self.client.hget(f"{SPACE}:task:{job}:init", "output")
        return dict(json.loads(said)) if said else {}

    def asked(self, stream: str, pause: float) -> tuple[str, str, str, str] | None:
        """A task's job, id, definition and prerequisites; None where none was announced for `pause` real seconds."""
        until = time.monotonic() + pause
        while True:
            if found := self.call("request_work", stream, repr(time.time()), self._haste):
                job, task, said, before, _ = found
                return job, task, said, before
            left = until - time.monotonic()
            if left <= 0 or self.client.brpop([f"{SPACE}:notify:{stream}"], max(0.001, left)) is None:
                return None

    def claimed(self, stream: str, pause: float) -> Claim | None:
        """A task, and what those before it left."""
        found = self.asked(stream, pause)
        if found is None:
            return None
        job, task, said, before = found
        inputs = [self.left(hot_key(job, each)) or b"" for each in json.loads(before)]
        return claim_of(job, task, json.loads(said), inputs)

    def left(self, key: str) -> bytes | None:
        """What an agent left under a key for others."""
        found = self.client.get(key)
        return None if found is None else str(found).encode()

    def leave(self, key: str, value: bytes) -> None:
        """Leave something for others, for as long as such things are kept."""
        self.client.set(key, value, ex=HOT_SECONDS)

    def make(self, job: str, task: ProofTask, po2: int, limits: Limits) -> None:
        """Make a task of a job."""
        said = json.dumps(definition(task, po2))
        values = (stream_of(task), said, json.dumps(needs(task)), limits.retries, limits.timeout, repr(time.time()))
        self.call("create_task", job, task.id, *values)

    def finished(self, claim: Claim, output: dict[str, object]) -> None:
        """Say that a task is done and what came of it."""
        self.call("update_task_done", claim.job, claim.task, json.dumps(output), repr(time.time()))

    def failed(self, claim: Claim, why: str) -> None:
        """Say that a task cannot be done."""
        self.call("update_task_failed", claim.job, claim.task, why, repr(time.time()))

    def chores(self, haste: float) -> tuple[Chore, ...]:
        """Hand out again what has run for too long; take jobs away that have ended, where nobody has forbidden it."""
        again = Chore(every="REQUEUE_POLL_INTERVAL", usual=5, work=self._requeue)
        if os.environ.get("BENTO_DISABLE_COMPLETED_CLEANUP", "").lower() in ("true", "1", "yes"):
            return (again,)
        kept = float(os.environ.get("CLEANUP_STATS_TTL") or 3600) / haste
        return (again, Chore(every="CLEANUP_POLL_INTERVAL", usual=300, work=lambda: self._clean(kept)))

    def _requeue(self) -> None:
        for name in self.client.zrangebyscore(f"{SPACE}:tasks:running", "-inf", time.time(), start=0, num=100):
            job, _, task = str(name).partition("|")
            self.call("update_task_retry", job, task, repr(time.time()))

    def _clean(self, kept: float) -> None:
        for name in self.client.scan_iter(f"{SPACE}:job:*:meta", count=200):
            if self.client.hget(name, "state") in ("done", "failed"):
                self.call("delete_job", str(name).split(":")[2], kept)


def claim_of(job: str, task: str, said: dict[str, Any], inputs: Sequence[bytes]) -> Claim:
    """A task as an agent takes it, out of its definition and what came of those before it."""
    ((kind, about),) = said.items()
    return Claim(
        job=job,
        task=task,
        kind=kind,
        iterations=int(about.get("iterations") or 0),
        index=int(about.get("index") or 0),
        po2=int(about.get("po2") or 0),
        inputs=tuple(tuple(json.loads(one)) for one in inputs),
    )
