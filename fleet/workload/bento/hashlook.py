"""One kept session on the current stack's Redis that tells how jobs stand: cheap enough to ask many times a second.

Each question goes by a key, and is one round trip. It changes nothing, but for what `give_up` does to the jobs that
fleet itself submitted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any
from uuid import UUID

from fleet.model.record import TaskState
from fleet.plan.shell.quoting import tame
from fleet.workload.bento.lookout import COMEBACK_SECONDS
from fleet.workload.bento.records.redissession import AwayError, Command, RedisAddress, Session, end_task, redis_opened

WORKERS = ("exec", "aux", "prove", "coproc", "join", "snark")
PRIORITIES = 3
RUNNING = "taskdb:tasks:running"
"""The sorted set of what agents have in hand; its scores are when each is handed out again."""

_PAUSE = 0.5
_MOST_LEFT = 10_000
_MOST_JOBS = 20
_LOOKED_AT = 2000
"""So many tasks are asked for their state at one look at progress, the oldest that were not done yet."""
_COUNTED = 50_000
"""Of a job with more tasks, only those are counted that were made first."""
_ENTRY = re.compile(rb"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\|([\w.:-]{1,200})")
_BEGUN = {TaskState.RUNNING.value.encode()}
_OPEN = _BEGUN | {state.value.encode() for state in (TaskState.PENDING, TaskState.READY)}


def ready_queues() -> list[str]:
    """The sorted sets in which tasks wait for agents."""
    return [f"taskdb:ready:{worker}:{priority}" for worker in WORKERS for priority in range(PRIORITIES)]


class HashLookout:
    """The session. A Redis that goes away is waited for. Used by one thread; DatabaseError where it stays away."""

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self._held = ExitStack()
        self._session: Session | None = None
        self._open_tasks: dict[UUID, dict[bytes, None]] = {}
        self._done: dict[UUID, set[bytes]] = {}
        self.interrupted = 0
        """How often the session was lost, and had to be opened again."""

    def states(self, jobs: Sequence[UUID]) -> dict[UUID, tuple[str, str]]:
        """The state and the error of each job that is there."""
        found = self._ask([("HMGET", f"taskdb:job:{job}:meta", "state") for job in jobs])
        said = {job: _text(state) for job, (state,) in zip(jobs, found, strict=True) if state is not None}
        return {job: (state, self._error(job) if state == TaskState.FAILED else "") for job, state in said.items()}

    def progress(self, jobs: Sequence[UUID]) -> tuple[int, int, int]:
        """Tasks that are done, tasks made so far, and the most often that one of them was retried."""
        made = self._ask([("SCARD", f"taskdb:tasks:by_job:{job}") for job in jobs])
        retries = max((self._count(job, count) for job, count in zip(jobs, made, strict=True)), default=0)
        return sum(len(self._done[job]) for job in jobs), sum(made), retries

    def leftovers(self) -> dict[UUID, int]:
        """The jobs that have tasks ready or running, and how many (of twenty jobs at most).

        What is ready of a job that has failed is handed out to nobody; what runs of it goes on.
        """
        running, *waiting = self._ask([("ZRANGE", key, 0, _MOST_LEFT) for key in (RUNNING, *ready_queues())])
        entries = [*((entry, True) for entry in running), *((entry, False) for line in waiting for entry in line)]
        found = [(UUID(said[1].decode()), begun) for entry, begun in entries if (said := _ENTRY.fullmatch(entry))]
        alive = {job: state for job, (state, _) in self.states(list(dict.fromkeys(job for job, _ in found))).items()}
        counts: dict[UUID, int] = {}
        for job, begun in found:
            if begun or alive.get(job) == TaskState.RUNNING:
                counts[job] = counts.get(job, 0) + 1
        return dict(list(counts.items())[:_MOST_JOBS])

    def give_up(self, jobs: Sequence[UUID], why: str) -> None:
        """End jobs of our own: nothing of them is handed out any more, and who waits for them learns of it.

        By the stack's own function for a task that cannot be done, so that its counters stay right.
        """
        for job in jobs:
            names = self._names(job)
            states = self._ask([("HMGET", f"taskdb:task:{job}:{_text(name)}", "state") for name in names])
            open_ = [(name, state) for name, (state,) in zip(names, states, strict=True) if state in _OPEN]
            # The first cancels whatever has not begun; each that has is ended by itself.
            ended = [name for name, state in open_ if state in _BEGUN] or [name for name, _ in open_[:1]]
            for name in ended:
                end_task(self._opened(), str(job), _text(name), why)

    def close(self) -> None:
        """End the session. Never raises."""
        with suppress(Exception):
            self._held.close()
        self._session = None

    def _error(self, job: UUID) -> str:
        (found,) = self._again(lambda: self._opened().hashes([f"taskdb:job:{job}:meta".encode()], ("error",)))
        return tame(_text(found[0] if found else None), 300)

    def _count(self, job: UUID, made: int) -> int:
        """Take in what has been done of a job since the last look; the most often that a task of it was retried."""
        open_, done = self._open_tasks.setdefault(job, {}), self._done.setdefault(job, set())
        if len(open_) + len(done) < min(made, _COUNTED):
            open_ |= {name: None for name in self._names(job) if name not in done}
        names = list(open_)[:_LOOKED_AT]
        found = self._ask([("HMGET", f"taskdb:task:{job}:{_text(name)}", "state", "retries") for name in names])
        for name, (state, _) in zip(names, found, strict=True):
            if state == TaskState.DONE.value.encode():
                done.add(name)
                del open_[name]
        return max((int(retries) for _, retries in found if retries and retries.isdigit()), default=0)

    def _names(self, job: UUID) -> list[bytes]:
        names: dict[bytes, None] = {}
        cursor: int | bytes = 0
        while True:
            ((cursor, some),) = self._ask([("SSCAN", f"taskdb:tasks:by_job:{job}", cursor, "COUNT", _LOOKED_AT)])
            names |= dict.fromkeys(some)
            if int(cursor) == 0 or len(names) >= _COUNTED:
                return list(names)

    def _ask(self, commands: Sequence[Command]) -> list[Any]:
        return self._again(lambda: self._opened().ask(commands)) if commands else []

    def _again(self, question: Callable[[], list[Any]]) -> list[Any]:
        """The answer, asked again after a Redis that went away has come back."""
        until = time.monotonic() + COMEBACK_SECONDS
        been = self._session is not None
        while True:
            try:
                return question()
            except AwayError:
                self.close()
                if not been or time.monotonic() > until:
                    raise
                self.interrupted += 1
                time.sleep(_PAUSE)

    def _opened(self) -> Session:
        if self._session is None:
            self._session = self._held.enter_context(redis_opened(self._address))
        return self._session


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
