"""How a trial's jobs are seen through to each of their ends, and that none of them is left at work."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import pytest

from fleet.errors import CommandError
from fleet.model.inventory import Host, Login, Ports, Role
from fleet.model.record import Outcome
from fleet.ports import Transport
from fleet.workload.bento.logs import Trouble
from fleet.workload.bento.lookout import Lookout
from fleet.workload.bento.records.past import DatabaseError
from fleet.workload.bento.records.session import Address
from fleet.workload.bento.trialrun import Ended, Ground, Ran, run_jobs
from fleet.workload.bento.wards import Wards

JOBS = [UUID(int=number, version=4) for number in range(1, 4)]
HEAD = Host(
    name="box",
    role=Role.HEAD,
    login=Login(address="127.0.0.1"),
    node_address="127.0.0.1",
    devices=(),
    ports=Ports(first=1, last=2),
    python="python3",
    work_dir="/nowhere",
)


class Log:
    """bento_cli's log, line by line; None: it ends."""

    complaints = ""

    def __init__(self, lines: Sequence[str | None]) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        for line in lines:
            self._lines.put(line)

    def receive(self, timeout: float) -> str | None:
        try:
            return self._lines.get(timeout=timeout)
        except queue.Empty:
            raise CommandError("nothing was heard") from None

    def close(self) -> None:
        self._lines.put(None)


@dataclass
class Scene:
    """What the database, the containers and the clients say."""

    states: Callable[[int], str | None] = lambda _: "done"
    logs: list[list[str | None]] = field(default_factory=list)
    trouble: Trouble | None = None
    restarted: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    given_up: list[UUID] = field(default_factory=list)
    goes_at: int | None = None
    looks: int = 0
    words: list[tuple[str, ...]] = field(default_factory=list)

    def ask(self, jobs: Sequence[UUID]) -> dict[UUID, tuple[str, str]]:
        self.looks += 1
        self.lookout.interrupted += self.looks == self.goes_at
        state = self.states(self.looks)
        return {} if state is None else dict.fromkeys(jobs, (state, "why"))

    def open(self, _host: Host, argv: Sequence[str]) -> Log:
        self.words.append(tuple(argv))
        number = len(self.words) - 1
        return Log(self.logs[number] if self.logs else [f"STARK job_id: {JOBS[number]}", "Job done!", None])

    def run(self, count: int = 1, seconds: float = 30.0) -> Ran:
        lookout = type("Looks", (), {"states": staticmethod(self.ask), "give_up": self._give_up})()
        lookout.progress = lambda _jobs: (1, 2, 0)
        lookout.interrupted = 1  # before this trial
        self.lookout = lookout
        wards = type("Looks", (), {"look": staticmethod(lambda: None)})()
        wards.trouble, wards.restarted, wards.lines = self.trouble, self.restarted, self.lines
        ground = Ground(
            transport=cast("Transport", self),
            head=HEAD,
            words=("bento_cli",),
            address=Address(conninfo="", place=""),
            lookout=cast("Lookout", lookout),
            run="trial",
        )
        self.ran = Ran()
        run_jobs(ground, ("-c", "32"), count, seconds, cast("Wards", wards), lambda *_: None, self.ran)
        return self.ran

    def _give_up(self, jobs: Sequence[UUID], _why: str) -> None:
        self.given_up += jobs

    def ended(self, **how: Any) -> Ended:
        with pytest.raises(Ended) as raised:
            self.run(**how)
        return raised.value


def test_jobs_that_are_submitted_together_are_seen_through() -> None:
    scene = Scene(states=lambda look: "done" if look > 3 else "running")
    assert scene.run(count=3).ids == tuple(JOBS)
    assert scene.words[0][-3:] == ("bento_cli", "-c", "32")
    assert scene.given_up == []


def test_the_end_is_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is asked in between, it never waits for longer than half of 50 ms until the next look."""
    slept: list[float] = []
    monkeypatch.setattr("fleet.workload.bento.trialrun.time.sleep", slept.append)
    Scene(states=lambda look: "done" if look > 30 else "running").run()
    assert len(slept) == 30
    assert max(slept) <= 0.025


def test_memory_that_ran_out_ends_the_trial_and_its_job() -> None:
    said = Trouble(outcome=Outcome.OUT_OF_MEMORY, cause="an agent ran out of memory")
    scene = Scene(states=lambda _: "running", logs=[[f"STARK job_id: {JOBS[0]}"]], trouble=said)
    assert scene.ended().outcome is Outcome.OUT_OF_MEMORY
    assert scene.given_up == [JOBS[0]]


def test_a_failed_job_is_explained_by_its_agents_first() -> None:
    scene = Scene(states=lambda _: "failed")
    assert str(scene.ended()) == f"job {JOBS[0]} failed: why"
    scene = Scene(states=lambda _: "failed", trouble=Trouble(outcome=Outcome.OUT_OF_MEMORY, cause="memory"))
    assert str(scene.ended()) == "memory"


def test_rows_that_are_gone_are_a_cleaners_work() -> None:
    assert "a cleaner is at work" in str(Scene(states=lambda look: "running" if look < 3 else None).ended())


def test_a_database_that_went_away_is_named_for_what_came_of_it() -> None:
    """Agents die with their connections, and unlogged tables lose what they held; earlier times count for nothing."""
    died = Trouble(outcome=Outcome.FAILED, cause="container 0123 ended and was started again (1 restarts in all)")
    logs: list[list[str | None]] = [[f"STARK job_id: {JOBS[0]}"]]
    scene = Scene(states=lambda look: "running" if look < 2 else None, goes_at=2, logs=logs)
    assert str(scene.ended()).endswith("has gone from the database: it was restarted, and lost it")
    scene = Scene(states=lambda _: "running", goes_at=1, logs=logs, trouble=died)
    assert str(scene.ended()) == f"the task database went away meanwhile; {died.cause}"
    scene = Scene(states=lambda _: "running", logs=logs, trouble=died)
    assert str(scene.ended()) == died.cause


def test_agents_are_asked_why_a_client_named_no_job() -> None:
    """An API whose database is full answers nobody: what the stack's own programs say of it is the better word."""
    full = Trouble(outcome=Outcome.FAILED, cause="no room is left for the stack's work")
    scene = Scene(logs=[["Error: 500", None]], trouble=full)
    assert str(scene.ended()) == full.cause


def test_a_trial_takes_no_longer_than_it_may() -> None:
    scene = Scene(states=lambda _: "running", logs=[[f"STARK job_id: {JOBS[0]}"]])
    assert scene.ended(seconds=0.1).outcome is Outcome.TIMEOUT
    assert scene.given_up == [JOBS[0]]


def test_a_client_that_dies_before_its_job_is_named() -> None:
    """The job that another has submitted by then is given up."""
    scene = Scene(logs=[[f"STARK job_id: {JOBS[0]}"], ["Error: connection refused", None]])
    ended = scene.ended(count=2)
    assert ended.outcome is Outcome.FAILED
    assert "connection refused" in ended.cause
    assert scene.given_up == [JOBS[0]]


def test_a_client_that_dies_later_leaves_its_job_to_the_database() -> None:
    scene = Scene(states=lambda look: "done" if look > 3 else "running", logs=[[f"STARK job_id: {JOBS[0]}", None]])
    assert "without `Job done!`" in str(scene.ended())


def test_a_proof_that_its_client_refuses_is_none() -> None:
    scene = Scene(logs=[[f"STARK job_id: {JOBS[0]}", "Error: receipt does not verify", None]])
    assert "receipt does not verify" in str(scene.ended())


def test_jobs_that_the_database_did_not_let_end_are_known_to_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever ran them tries again later: the operator's agents would take them up."""

    def full(*_: object) -> None:
        raise DatabaseError("no room")

    monkeypatch.setattr(Scene, "_give_up", full)
    scene = Scene(states=lambda _: "failed")
    assert str(scene.ended()) == f"job {JOBS[0]} failed: why"
    assert scene.ran.open == (JOBS[0],)
