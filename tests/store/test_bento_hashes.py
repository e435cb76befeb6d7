"""Jobs of the current stack, read from a real Redis: strictly, in bounded pieces, and without a single write."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import bento_hashes
import pytest
import redis  # noqa: TID251 (a second client, to put keys in and to look at what was done)
from bento_databases import Task, guide_job
from bento_hashes import put_job, redis_server

from fleet.analyse.history import history
from fleet.cli import main
from fleet.errors import ConfigurationError, FleetError
from fleet.model.history import Knobs, Plane
from fleet.model.verdict import Choice
from fleet.workload.bento.records import hashrows, past, redissession
from fleet.workload.bento.records.hashdb import read_hashes, read_job
from fleet.workload.bento.records.past import Read, Wanted
from fleet.workload.bento.records.redissession import COMMANDS, RedisAddress, Session, redis_address

CYCLES = 8_650_752
Hashes = list[tuple[bytes | None, ...] | None]


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    if bento_hashes.PROGRAM is None:
        pytest.skip(bento_hashes.MISSING)
    with redis_server() as port:
        yield port


@pytest.fixture
def port(server: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """An empty database, and no password about."""
    monkeypatch.delenv("REDISCLI_AUTH", raising=False)
    with redis.Redis(port=server) as database:
        database.flushall()
        database.config_resetstat()
    return server


def there(port: int) -> RedisAddress:
    return redis_address(f"redis://127.0.0.1:{port}", secret=False)


def read(port: int, wanted: Wanted | None = None) -> Read:
    return read_hashes(there(port), wanted or Wanted())


def refusal(port: int) -> str:
    """The one line in which a database is refused."""
    with pytest.raises(FleetError) as caught:
        read(port)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    return message


def test_a_job_to_the_digits_that_are_there(port: int) -> None:
    """The guide's first job: the scripts keep 0.1 ms of its times, and every one of these digits counts."""
    job = put_job(port, guide_job(21.66015), CYCLES)
    (found,) = read(port).jobs
    assert found.id == job
    # 21.6601 or 21.6602 s: what fourteen digits leave of 21.66015.
    assert found.seconds == pytest.approx(21.66015, abs=1.01e-4)
    assert found.hz is not None
    assert float(found.hz) == pytest.approx(CYCLES / 21.66015, rel=5e-6)
    assert {kind: count for kind, count, _ in found.tasks} == {"execute": 1, "prove": 9, "join": 8, "finalize": 1}
    assert found.record is not None
    assert {task.id: task.prerequisites for task in found.record.tasks} == {
        task.id: task.before for task in guide_job(21.66015)
    }
    assert dict(found.queues) == {"Executor": "exec", "Prove": "prove", "Join": "prove", "Finalize": "aux"}
    assert read_job(there(port), UUID(job)).jobs == (found,)


def test_what_it_says_of_the_stack(port: int) -> None:
    """Work is announced there, so that no timer is recommended; its clock is compared with ours."""
    for hour in range(4):
        put_job(port, guide_job(21.66015), CYCLES, since=bento_hashes.SINCE + 3600 * hour)
    found = read(port)
    assert found.archive.generation.plane is Plane.PUSH
    assert abs(found.archive.offset) < 60
    assert found.archive.server.split()[0] in {"Redis", "Valkey"}
    told = history(found.archive, found.jobs, Knobs())
    assert told.hz is not None
    assert told.verdict.choice is Choice.INCONCLUSIVE
    assert not any("POLL_TIME" in setting for change in told.replayed for setting in change.settings)


def test_only_commands_that_read(port: int) -> None:
    """The server's own counts: nothing was called that writes, nor what walks over all keys at once."""
    for _ in range(3):
        put_job(port, guide_job(21.66015), CYCLES)
    with redis.Redis(port=port) as database:
        database.config_resetstat()
        read(port)
        called = {name.removeprefix("cmdstat_").upper().replace("|", " ") for name in database.info("commandstats")}
        known = database.command()
    assert called - {"PING", "SELECT", "HELLO", "CLIENT SETINFO", "CONFIG RESETSTAT"} <= COMMANDS
    assert not any("write" in known[name.split()[0].lower()]["flags"] for name in COMMANDS)


def test_a_user_who_may_only_read(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the hint says is enough is enough; less than that is one line."""
    put_job(port, guide_job(21.66015), CYCLES)
    with redis.Redis(port=port) as database:
        database.execute_command(
            "ACL", "SETUSER", "reader", "on", ">p@ss:w/rd", "~taskdb:*", "+@read", "+time", "+info", "+ping"
        )
        database.execute_command("ACL", "SETUSER", "nobody", "on", ">p@ss:w/rd", "~other:*", "+@read", "+ping", "+time")
    monkeypatch.setenv("REDISCLI_AUTH", "p@ss:w/rd")
    address = redis_address(f"redis://reader@127.0.0.1:{port}", secret=False)
    assert len(read_hashes(address, Wanted()).jobs) == 1
    with pytest.raises(FleetError, match="may not read it"):
        read_hashes(redis_address(f"redis://nobody@127.0.0.1:{port}", secret=False), Wanted())


def test_a_password_is_never_told(port: int) -> None:
    """Neither by a refused login, nor by a URL that cannot be read, nor by printing an address."""
    with redis.Redis(port=port) as database:
        database.execute_command("ACL", "SETUSER", "worker", "on", ">right", "~*", "+@read")
    url = f"redis://worker:hunter2@127.0.0.1:{port}"
    with pytest.raises(FleetError, match="wrong user or password") as caught:
        read_hashes(redis_address(url, secret=True), Wanted())
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(redis_address(url, secret=True))
    for text, secret in ((url, False), ("redis://x:hunter2@@/", True), ("redis://x:hunter2@h:port", True)):
        with pytest.raises(ConfigurationError) as refused:
            redis_address(text, secret=secret)
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("started_at", "yesterday", "started_at is 'yesterday'"),
        ("updated_at", "nan", "updated_at is 'nan'"),
        ("created_at", "", "created_at is ''"),
        ("created_at", "1e300", "created_at is '1e300'"),
        ("state", "d\x1b[31mone", "state is"),
        ("retries", "-1", "retries is '-1'"),
        ("timeout_secs", "9" * 400, "timeout_secs is '999"),
        ("task_def", "[" * 100_000, "task_def is '[[["),
        ("task_def", '{"Prove": {}, "Join": {}}', "task_def is"),
        ("task_def", '{"Dance": {}}', "task_def is '{\"Dance\": {}}'"),
        ("prerequisites", '{"a": 1}', "no list of ids"),
        ("prerequisites", "[" * 100_000, "no list of ids"),
    ],
)
def test_hashes_that_are_none_of_bentos(port: int, field: str, value: str, said: str) -> None:
    """One line with what was found, tamed and short; never a figure made of it."""
    job = put_job(port, guide_job(21.66015), CYCLES)
    with redis.Redis(port=port) as database:
        database.hset(f"taskdb:task:{job}:3", field, value)
    message = refusal(port)
    assert said in message
    assert len(message) < 600


def test_keys_that_are_none_of_bentos(port: int) -> None:
    """A job whose id is none, a job in no state, a set that is a text, a hash of more bytes than any of Bento's."""
    with redis.Redis(port=port) as database:
        for key, message in (("taskdb:job:not-one:meta", "not-one"), (f"taskdb:job:{uuid4()}:meta", "is 'x'")):
            database.hset(key, "state", "x")
            assert message in refusal(port)
            database.flushall()
        job = put_job(port, guide_job(21.66015), CYCLES)
        database.hset(f"taskdb:task:{job}:3", "output", b"x" * (redissession.MOST_BYTES + 1))
        assert "more than 64 MiB" in refusal(port)
        database.hset(f"taskdb:task:{job}:3", "output", b"")
        database.sadd(f"taskdb:tasks:by_job:{job}", "1\n2")
        assert "of the name" in refusal(port)
        database.delete(f"taskdb:tasks:by_job:{job}")
        database.set(f"taskdb:tasks:by_job:{job}", "no set")
        assert "not of its type" in refusal(port)


def test_an_end_is_that_of_an_ended_task(port: int) -> None:
    """`updated_at` of a task that became ready is no end: neither of the task nor of the job."""
    tasks = [*guide_job(21.66015)[:-1], Task(id="finalize", kind="Finalize", updated=9999.0, state="ready")]
    put_job(port, tasks, CYCLES, state="running")
    found = read(port)
    assert found.jobs[0].seconds is not None
    assert found.jobs[0].seconds < 100
    assert found.jobs[0].unfinished == 1
    assert found.archive.leftover == 1


def test_jobs_that_disturb_each_other(port: int) -> None:
    """What ran meanwhile is named; so is a failed job of which tasks are handed out yet."""
    first = put_job(port, guide_job(21.66015), CYCLES)
    second = put_job(port, guide_job(21.66015), CYCLES, since=bento_hashes.SINCE + 10)
    broken = [*guide_job(21.66015)[:-1], Task(id="finalize", kind="Finalize", state="running")]
    failed = put_job(port, broken, CYCLES, since=bento_hashes.SINCE + 1000, state="failed", error="OutOfMemory")
    after = put_job(port, guide_job(21.66015), CYCLES, since=bento_hashes.SINCE + 5000)
    company = {job.id: job.company for job in read(port).jobs}
    assert company[first] == (second,)
    assert company[second] == (first,)
    assert company[after] == (failed,)


def test_which_jobs(port: int) -> None:
    """The newest so many; those made since; one; none in one line that names the cleaner."""
    jobs = [put_job(port, guide_job(2.0), CYCLES, since=bento_hashes.SINCE + 100 * day) for day in range(5)]
    assert [job.id for job in read(port, Wanted(last=2)).jobs] == [jobs[4], jobs[3]]
    assert [job.id for job in read(port, Wanted(job=UUID(jobs[1]))).jobs] == [jobs[1]]
    assert read(port, Wanted(since=1.0)).jobs == ()
    with pytest.raises(ConfigurationError, match=r"no such job there \(the cleaner"):
        read(port, Wanted(job=uuid4()))
    with pytest.raises(ConfigurationError, match=r"no such job there \(the cleaner"):
        read_job(there(port), uuid4())


def test_a_job_that_the_cleaner_takes_meanwhile(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left out, and said; the other is read; a job that was asked for by name is gone in one line."""
    kept = put_job(port, guide_job(21.66015), CYCLES)
    taken = put_job(port, guide_job(21.66015), CYCLES, since=bento_hashes.SINCE + 100)
    monkeypatch.setattr(hashrows, "_BATCH", 5)
    asked = Session.hashes

    def cleaned(self: Session, keys: Sequence[bytes], fields: Sequence[str]) -> Hashes:
        answer = asked(self, keys, fields)
        if fields == hashrows.FIELDS and taken.encode() in keys[0]:
            with redis.Redis(port=port) as database:
                for key in database.scan_iter(f"taskdb:*{taken}*", count=1000):
                    database.delete(key)
        return answer

    monkeypatch.setattr(Session, "hashes", cleaned)
    found = read(port)
    assert [job.id for job in found.jobs] == [kept]
    assert found.archive.vanished == 1
    told = history(found.archive, found.jobs, Knobs())
    assert any("taken away" in note for note in told.notes)
    put_job(port, guide_job(21.66015), CYCLES, job=UUID(taken))
    with pytest.raises(ConfigurationError, match="the cleaner"):
        read(port, Wanted(job=UUID(taken)))


def test_a_server_that_goes_away_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shut down in the middle of a job: one line, no traceback and no wait."""
    asked = Session.hashes
    with redis_server() as port:
        put_job(port, guide_job(21.66015), CYCLES)

        def end(self: Session, keys: Sequence[bytes], fields: Sequence[str]) -> Hashes:
            if fields == hashrows.FIELDS:
                with socket.create_connection(("127.0.0.1", port)) as line:
                    line.sendall(b"SHUTDOWN NOSAVE\r\n")
                    line.recv(1)
            return asked(self, keys, fields)

        monkeypatch.setattr(Session, "hashes", end)
        message = refusal(port)
    assert "no server answers there" in message or "closed the connection" in message


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"*2\r\n$10\r\n17829", "closed the connection"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no Redis"),
        (b"-ERR \x1b[31mred\x07\r\n", "red"),
    ],
)
def test_answers_that_are_none(answer: bytes, said: str) -> None:
    """Cut in the middle of an answer, or not Redis' protocol at all: one tame line."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            guest, _ = door.accept()
            with guest:
                while data := guest.recv(4096):
                    guest.sendall(b"+OK\r\n" * data.count(b"SETINFO") + b"+PONG\r\n" * data.count(b"PING"))
                    if b"TIME" in data:
                        guest.sendall(answer)
                        return

        serving = threading.Thread(target=serve)
        serving.start()
        message = refusal(door.getsockname()[1])
        serving.join()
    assert said in message


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for without end; and where there is none, that is said."""
    monkeypatch.setattr(redissession, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "no answer" in refusal(silent.getsockname()[1])
    assert "no server answers there" in refusal(1)


def test_tasks_one_by_one_are_bounded(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest jobs have theirs until there are too many; the others have their totals all the same."""
    for hour in range(3):
        put_job(port, guide_job(21.66015), CYCLES, since=bento_hashes.SINCE + 3600 * hour)
    monkeypatch.setattr(past, "LARGEST", 40)
    jobs = read(port).jobs
    assert [job.record is not None for job in jobs] == [True, True, False]
    assert all(job.hz is not None for job in jobs)


def test_a_large_job_leaves_room_for_others(port: int) -> None:
    """20,000 tasks are read in batches while another client is answered all the time."""
    tasks = [Task(id=str(number), kind="Prove", started=1.0, updated=2.0) for number in range(20_000)]
    put_job(port, [Task(id="init", kind="Executor", started=0.0, updated=0.5), *tasks], CYCLES)
    slowest, done = [0.0], threading.Event()

    def ask() -> None:
        with redis.Redis(port=port) as database:
            while not done.is_set():
                begun = time.perf_counter()
                database.ping()
                slowest[0] = max(slowest[0], time.perf_counter() - begun)
                time.sleep(0.001)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        (job,) = read(port).jobs
    finally:
        done.set()
        asking.join()
    assert sum(count for _, count, _ in job.tasks) == 20_001
    with redis.Redis(port=port) as database:
        stats = database.info("commandstats")
    assert stats["cmdstat_sscan"]["calls"] >= 10
    assert slowest[0] < 5.0


def test_a_clock_that_is_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven minutes between the server's clock and ours are told as an offset, and change no figure."""
    put_job(port, guide_job(21.66015), CYCLES)
    (before,) = read(port).jobs
    real = time.time
    monkeypatch.setattr("fleet.workload.bento.records.hashdb.time.time", lambda: real() - 420)
    found = read(port)
    assert found.archive.offset == pytest.approx(420, abs=30)
    assert found.jobs[0] == replace(before)


def test_by_the_command_line(port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`fleet bento analyse redis://…`, and the same by a variable that has the password in it."""
    put_job(port, guide_job(21.66015), CYCLES)
    with redis.Redis(port=port) as database:
        database.execute_command(
            "ACL", "SETUSER", "reader", "on", ">hunter2", "~*", "+@read", "+time", "+info", "+ping"
        )
    monkeypatch.setenv("THERE", f"redis://reader:hunter2@127.0.0.1:{port}/0")
    for words in ([f"redis://127.0.0.1:{port}"], ["--database-url-env", "THERE"]):
        monkeypatch.setattr("sys.argv", ["fleet", "bento", "analyse", *words, "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        text = capsys.readouterr().out
        assert ended.value.code == 0
        told = json.loads(text)
        assert told["archive"]["stack"] == "current (Redis)"
        assert told["archive"]["dispatch"] == "push"
        assert float(told["jobs"][0]["effective_hz"]) == pytest.approx(CYCLES / 21.66015, rel=5e-6)
        assert "hunter2" not in text


def test_settings_by_the_command_line(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`fleet bento settings redis://… --write FOLDER`: the broker's promise as a file, which is never overwritten."""
    put_job(port, guide_job(21.66015), CYCLES)
    words = ["fleet", "bento", "settings", f"redis://127.0.0.1:{port}", "--write", str(tmp_path / "ready")]
    for code, said in ((0, "peak_prove_khz 299"), (2, "is there already")):
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == code
        told = capsys.readouterr()
        assert said in " ".join((told.out + told.err).split())
    assert (tmp_path / "ready" / "broker.fleet.toml").read_text() == "[market]\npeak_prove_khz = 299\n"
    assert [file.name for file in (tmp_path / "ready").iterdir()] == ["broker.fleet.toml"]
