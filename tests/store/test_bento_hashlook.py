"""The session that tells how a trial's jobs stand on the current stack, on a real Redis: its cost, what it may change.

The stack's own functions are the lab's (fleet/lab/bento/taskhashes.lua): names and keys as the stack has them.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from uuid import UUID, uuid4

import bento_hashes
import pytest
import redis  # noqa: TID251 (a second client, to put keys in and to look at what was done)
from bento_databases import Task, guide_job
from bento_hashes import put_job, redis_server

from fleet.lab.bento.hashes import LIBRARY
from fleet.workload.bento.hashlook import HashLookout
from fleet.workload.bento.records.hashdb import read_job
from fleet.workload.bento.records.past import DatabaseError
from fleet.workload.bento.records.redissession import Command, RedisAddress, Session, redis_address, translated

RUNNING = [
    Task(id="init", kind="Executor", started=0.0, updated=0.4),
    Task(id="0", kind="Prove", started=0.5, state="running"),
    Task(id="1", kind="Prove", state="ready", retries=2),
    Task(id="2", kind="Join", before=("0", "1"), state="pending"),
]


def there(port: int) -> RedisAddress:
    return redis_address(f"redis://127.0.0.1:{port}", secret=False)


@pytest.fixture
def port() -> Iterator[int]:
    if bento_hashes.PROGRAM is None:
        pytest.skip(bento_hashes.MISSING)
    with redis_server() as port, redis.Redis(port=port) as database:
        database.function_load(LIBRARY.read_text("utf-8"))
        yield port


@pytest.fixture
def lookout(port: int) -> Iterator[HashLookout]:
    with closing(HashLookout(there(port))) as opened:
        yield opened


def put(port: int, state: str = "running", error: str = "") -> UUID:
    """A job in the middle of its work."""
    return UUID(put_job(port, RUNNING, None, state=state, error=error))


def test_states_and_progress_of_jobs(port: int, lookout: HashLookout) -> None:
    done, running = UUID(put_job(port, guide_job(21.66015), 8_650_752)), put(port)
    failed = put(port, "failed", "out of \x1b[31mmemory")
    told = lookout.states([done, running, failed, uuid4()])
    assert {job: state for job, (state, _) in told.items()} == {done: "done", running: "running", failed: "failed"}
    assert "memory" in told[failed][1]
    assert told[failed][1].isprintable()
    assert lookout.progress([running]) == (1, 4, 2)
    assert lookout.progress([running, done]) == (20, 23, 2)
    assert lookout.progress([uuid4()]) == (0, 0, 0)


def test_progress_goes_on_from_the_look_before(port: int, lookout: HashLookout) -> None:
    """What is done is not asked for again, and what was made since is counted."""
    job = put(port)
    lookout.progress([job])
    with redis.Redis(port=port) as database:
        database.fcall("update_task_done", 0, "taskdb", str(job), "0", "{}", "1782900001.0")
        database.fcall("create_task", 0, "taskdb", str(job), "3", "prove", '{"Prove":{}}', "[]", 3, 30, "1782900001.0")
        database.config_resetstat()
        assert lookout.progress([job]) == (2, 5, 2)
        asked = database.info("commandstats")["cmdstat_hmget"]["calls"]
    assert asked == 4


def test_what_is_left_of_others_is_seen(port: int, lookout: HashLookout) -> None:
    """What runs of a failed job goes on; what is ready of it is handed out to nobody."""
    assert lookout.leftovers() == {}
    put_job(port, guide_job(21.66015), 8_650_752)
    running, failed = put(port), put(port, "failed")
    assert lookout.leftovers() == {running: 2, failed: 1}


def test_only_our_own_job_is_given_up(port: int, lookout: HashLookout) -> None:
    """Nothing of it is handed out any more, and it can still be read; the other is as it was."""
    own, other = put(port), put(port)
    with redis.Redis(port=port, decode_responses=True) as database:
        tasks = [f"taskdb:task:{other}:{task.id}" for task in RUNNING]
        before = [database.hgetall(key) for key in (f"taskdb:job:{other}:meta", *tasks)]
        lookout.give_up([own], "over")
        assert lookout.states([own, other]) == {own: ("failed", "over"), other: ("running", "")}
        states = {name: database.hget(f"taskdb:task:{own}:{name}", "state") for name in ("init", "0", "1", "2")}
        assert states == {"init": "done", "0": "failed", "1": "cancelled", "2": "cancelled"}
        assert [database.hgetall(key) for key in (f"taskdb:job:{other}:meta", *tasks)] == before
    assert lookout.leftovers() == {other: 2}
    (read,) = read_job(there(port), own).jobs
    assert read.state == "failed"


def test_a_look_costs_one_short_answer(port: int, lookout: HashLookout) -> None:
    """Forty looks at two jobs are eighty fields, however many tasks the jobs have."""
    jobs = [put(port), put(port)]
    lookout.states(jobs)
    with redis.Redis(port=port) as database:
        database.config_resetstat()
        for _ in range(40):
            lookout.states(jobs)
        called = {name: told["calls"] for name, told in database.info("commandstats").items()}
    assert called.pop("cmdstat_hmget") == 80
    assert not {name for name in called if "scan" in name or "zrange" in name}


@pytest.mark.parametrize(
    "error",
    [
        redis.ConnectionError("Connection closed by server."),
        redis.BusyLoadingError("LOADING Redis is loading the dataset in memory"),
        redis.TimeoutError("Timeout reading from socket"),
    ],
)
def test_a_redis_that_is_back_at_once_is_asked_again(
    lookout: HashLookout, monkeypatch: pytest.MonkeyPatch, port: int, error: redis.RedisError
) -> None:
    """That it answers when somebody looks does not make an answer of what was lost before."""
    job = put(port)
    lookout.states([job])

    def lost(self: Session, _: Sequence[Command]) -> list[object]:
        monkeypatch.undo()
        with translated(self.address):
            raise error

    monkeypatch.setattr(Session, "ask", lost)
    assert lookout.states([job]) == {job: ("running", "")}
    assert lookout.interrupted == 1


def test_what_redis_answers_is_not_asked_again(lookout: HashLookout, port: int) -> None:
    job = put(port)
    lookout.states([job])
    with redis.Redis(port=port) as database:
        database.set(f"taskdb:tasks:by_job:{job}", "no set")
    with pytest.raises(DatabaseError, match="not of its type"):
        lookout.progress([job])
    assert lookout.interrupted == 0


def test_a_redis_that_was_restarted_is_waited_for(tmp_path: Path) -> None:
    """Its data come back with it, and the interruption is known."""
    if bento_hashes.PROGRAM is None:
        pytest.skip(bento_hashes.MISSING)
    # An address of this process' own, and no port that a connection is given: while it is down, nobody else takes it.
    number = os.getpid()
    host = f"127.{64 + (number >> 16) % 64}.{number >> 8 & 255}.{number & 255 or 1}"
    words = [bento_hashes.PROGRAM, "--port", "6379", "--bind", host, "--dir", str(tmp_path)]
    words += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
    address = redis_address(f"redis://{host}:6379", secret=False)
    with ExitStack() as servers, closing(HashLookout(address)) as lookout:

        def start() -> subprocess.Popen[bytes]:
            server = servers.enter_context(subprocess.Popen(words, stdout=subprocess.DEVNULL))
            servers.callback(server.kill)
            return server

        first = start()
        job, written = uuid4(), False
        with redis.Redis(host=host) as database:
            while not written:
                assert first.poll() is None
                with suppress(redis.ConnectionError):
                    written = database.hset(f"taskdb:job:{job}:meta", "state", "running") == 1
        assert lookout.states([job]) == {job: ("running", "")}
        first.kill()
        first.wait()
        later = threading.Timer(1.0, start)
        later.start()
        try:
            assert lookout.states([job]) == {job: ("running", "")}
        finally:
            later.join()
        assert lookout.interrupted > 0


def test_a_redis_that_never_was_there_is_not_waited_for() -> None:
    began = time.monotonic()
    with closing(HashLookout(there(9))) as nowhere, pytest.raises(DatabaseError):
        nowhere.leftovers()
    assert time.monotonic() - began < 30
