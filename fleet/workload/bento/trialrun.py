"""One trial on a Bento cluster that is ready for it: jobs submitted together, followed to their end, and read."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from uuid import UUID

from fleet.errors import CommandError, ConfigurationError, HostError
from fleet.model.inventory import Host
from fleet.model.record import JobRecord, Outcome, TaskState
from fleet.ports import Transport
from fleet.workload.bento.client import Submission
from fleet.workload.bento.records.past import DatabaseError, in_stack_seconds
from fleet.workload.bento.records.reading import AnyLookout, Place, read_job
from fleet.workload.bento.wards import Wards

POLL = 0.025
"""Seconds between two looks at the jobs' states: their end is seen within twice that, whatever the network adds."""
SUBMIT_SECONDS = 60.0
"""So long bento_cli may take to name its job."""
GIVEN_UP = "given up by fleet: its trial had ended"
"""What stands in the task database with jobs that were not seen through."""
_TELL = 1.0
_LEAVE_SECONDS = 10.0
"""So long bento_cli may take to notice that its job is done."""

ProgressReport = Callable[[int, int], None]


class Ended(Exception):  # noqa: N818 (it is how a trial goes on, not always an error)
    """A trial has ended before its jobs were done, or is worth nothing."""

    def __init__(self, outcome: Outcome, cause: str) -> None:
        super().__init__(cause)
        self.outcome, self.cause = outcome, cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What jobs are run with: the head, the words that run bento_cli, the database, the session that looks.

    `run`: under whose name the head keeps account of them.
    """

    transport: Transport
    head: Host
    words: tuple[str, ...]
    address: Place
    lookout: AnyLookout
    run: str


@dataclass(slots=True)
class Ran:
    """How it went. `started`: Unix time of the server; `offset`: what its clock is ahead of ours.

    `open`: those of its jobs that could not be ended although it had. `late`: how far emulated devices were behind.
    `begun`, `ended`: when its jobs were submitted and seen through, or given up, in Unix seconds of our own clock.
    """

    ids: tuple[UUID, ...] = ()
    open: tuple[UUID, ...] = ()
    jobs: tuple[JobRecord, ...] = ()
    begun: float | None = None
    ended: float | None = None
    started: float | None = None
    offset: float = 0.0
    log: list[str] = field(default_factory=list)
    restarted: tuple[str, ...] = ()
    late: float | None = None


def run_jobs(
    ground: Ground, arguments: Sequence[str], count: int, seconds: float, wards: Wards, report: ProgressReport, ran: Ran
) -> None:
    """Submit `count` jobs and see them through. Ended, with what is known by then in `ran`; HostError.

    However it ends, none of its jobs is left at work, as far as the database can be told.
    """
    ran.begun = time.time()
    words = (*ground.words, *arguments)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(closing(Submission(ground.transport, ground.head, words, ground.run)))
            for _ in range(count)
        ]
        try:
            _see_through(ground, clients, seconds, wards, report, ran)
            _last_words(clients)
        except BaseException:
            _abandon(ground, clients, ran)
            raise
        finally:
            ran.ended = time.time()
            ran.restarted = wards.restarted
            ran.log += [*(line for client in clients for line in client.lines[-5:]), *wards.lines]


def _see_through(
    ground: Ground,
    clients: Sequence[Submission],
    seconds: float,
    wards: Wards,
    report: ProgressReport,
    ran: Ran,
) -> None:
    began, lost = time.monotonic(), ground.lookout.interrupted
    for client in clients:
        ran.ids = (*ran.ids, _submitted(ground, client, began + SUBMIT_SECONDS, wards, lost))
    told = 0.0
    while True:
        now = time.monotonic()
        states = ground.lookout.states(ran.ids)
        if gone := set(ran.ids) - states.keys():
            why = "it was restarted, and lost it" if ground.lookout.interrupted > lost else "a cleaner is at work"
            raise Ended(Outcome.FAILED, f"job {min(gone)} has gone from the database: {why}")
        if all(state == TaskState.DONE for state, _ in states.values()):
            return
        failed = next((f"job {job} failed: {why}" for job, (state, why) in states.items() if state == "failed"), None)
        if failed is not None:
            wards.look()
        _refuse_trouble(ground, wards, lost)
        if failed is not None:
            raise Ended(Outcome.FAILED, failed)
        if now - began > seconds:
            raise Ended(Outcome.TIMEOUT, f"it was not done after {seconds:.0f} s")
        if now - told >= _TELL:
            done, made, _ = ground.lookout.progress(ran.ids)
            report(done, made)
            told = now
        time.sleep(max(0.0, POLL - (time.monotonic() - now)))


def _submitted(ground: Ground, client: Submission, until: float, wards: Wards, lost: int) -> UUID:
    """The job that a client names until then, on the monotonic clock."""
    while not client.answered(_TELL) and time.monotonic() < until:
        _refuse_trouble(ground, wards, lost)
    try:
        return client.job(0.0)
    except CommandError as error:
        wards.look()
        _refuse_trouble(ground, wards, lost)
        raise Ended(Outcome.FAILED, error.message) from None


def _refuse_trouble(ground: Ground, wards: Wards, lost: int) -> None:
    """An agent's death speaks against going on. `lost`: how often the database had gone away before."""
    if (trouble := wards.trouble) is not None:
        gone = "the task database went away meanwhile; " if ground.lookout.interrupted > lost else ""
        raise Ended(trouble.outcome, gone + trouble.cause)


def _last_words(clients: Sequence[Submission]) -> None:
    """A client that ends without a good word has found something wrong with the proof."""
    until = time.monotonic() + _LEAVE_SECONDS
    for client in clients:
        if client.wait(max(0.0, until - time.monotonic())) and not client.went_well:
            said = client.lines[-1] if client.lines else "nothing"
            raise Ended(Outcome.FAILED, f"the jobs are done, but bento_cli ended without `Job done!`: {said}")


def _abandon(ground: Ground, clients: Sequence[Submission], ran: Ran) -> None:
    """End our own jobs in the database: a client's end does not end its job."""
    for client in clients:
        try:
            job = client.job(0.0)
        except CommandError:
            continue
        ran.ids = ran.ids if job in ran.ids else (*ran.ids, job)
    if ran.ids:
        try:
            ground.lookout.give_up(ran.ids, GIVEN_UP)
        except DatabaseError as error:
            ran.open = ran.ids
            ran.log.append(f"its jobs could not be given up: {error.message}")


def read_records(ground: Ground, ran: Ran, haste: float) -> None:
    """The jobs' records into `ran`, their times in the stack's seconds since the first start. HostError, Ended.

    `haste`: the stack's seconds in a real one, 1 unless it is emulated.
    """
    found = []
    for job in ran.ids:
        try:
            read = read_job(ground.address, job)
        except ConfigurationError:
            raise Ended(Outcome.FAILED, f"job {job} was taken away before it was read: a cleaner is at work") from None
        past = read.jobs[0]
        ran.offset = read.archive.offset
        if past.record is None or past.started is None:
            raise Ended(Outcome.FAILED, f"job {job} has no task that started: its rows were cleaned away")
        found.append((past.started, past.record))
    if not found:
        raise HostError("there is no job to be read", host=ground.head.name)
    ran.started = min(started for started, _ in found)
    ran.jobs = tuple(in_stack_seconds(record, started - ran.started, haste) for started, record in found)
