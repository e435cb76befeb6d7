"""One trial on the cluster, from the barrier to the observation."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, assert_never

import ray

from fleet.model.conditions import too_late
from fleet.model.inventory import DeviceKind
from fleet.model.record import Observation, Outcome
from fleet.model.trial import Trial
from fleet.model.wire import DriverConfig, TrialRequest
from fleet.remote.cluster.agent import Did, Failed
from fleet.remote.cluster.executor import Cut, CutAll, CutFailed, Cutting, Event, Room, cut_job, room_limit
from fleet.remote.cluster.expected import Expected
from fleet.remote.cluster.pool import WARM_UP_PATIENCE, AgentPool, Ended
from fleet.remote.cluster.pulse import Answered, Mail, Posted, Pulse, heed
from fleet.remote.cluster.scheduler import Assignment, Scheduler
from fleet.remote.cluster.tally import Tally, sharing
from fleet.remote.mailbox import Gone, Line, Say
from fleet.remote.prover.digest import digest_hex

_PATIENCE = 0.25
_JOIN_PATIENCE = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What trials are run with; `head` is the head's host name."""

    config: DriverConfig
    head: str
    pool: AgentPool
    expected: Expected
    mail: Mail
    say: Say


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flight:
    """A task that an agent has; `cut` where it is a prove."""

    assignment: Assignment
    cut: Cut | None


class TrialRun:
    """One trial of a run, the `number`-th. Holds what must be let go of at its end, however it ends."""

    def __init__(self, request: TrialRequest, number: int, cluster: Cluster) -> None:
        self._trial, self._timeout = request.trial, request.timeout
        self._number = number
        self._cluster = cluster
        self._cutting = _cutting(request, cluster.config)
        jobs = self._trial.load.jobs
        tasks_of_a_job = 2 * len(self._cutting.plan()) + 1
        self._pulse = Pulse(self._trial.id, jobs * tasks_of_a_job, cluster.say)
        agents = self._trial.layout.agents
        self._scheduler = Scheduler(agents, jobs, tuple(each for each in agents if cluster.pool.looks_ahead(each)))
        self._cuts: dict[tuple[int, str], Cut] = {}
        self._flights: dict[tuple[int, str], _Flight] = {}
        self._room = Room(room_limit(cluster.pool.object_store))
        self._stop = threading.Event()
        self._executors: list[threading.Thread] = []
        self._tally = Tally()
        self._wall = time.time()
        self._start = time.monotonic()

    def run(self) -> Observation:
        """Run it to its end. Stopped where the controller wants the driver to end."""
        try:
            expected = self._barrier()
            self._start_clock()
            self._prove_all()
            ended = self._flaw(expected)
        except Ended as error:
            ended = error
        finally:
            elapsed = time.monotonic() - self._start
            self._let_go()
        return self._observation(ended, elapsed)

    def _barrier(self) -> tuple[str, ...]:
        """Every agent is up and warm; returns the jobs' digests as they must come out."""
        expected = self._cluster.expected.ask(self._cutting, self._trial.load.jobs)
        self._cluster.pool.prepare(self._trial.layout, self._check)
        proved, until = -1, 0.0
        while wait(expected, timeout=_PATIENCE).not_done:
            self._check()
            if proved != self._cluster.expected.proved:
                proved, until = self._cluster.expected.proved, time.monotonic() + WARM_UP_PATIENCE
            if time.monotonic() > until:
                raise Ended(Outcome.TIMEOUT, f"a segment of the reference took more than {WARM_UP_PATIENCE:.0f} s")
        return tuple(future.result() for future in expected)

    def _start_clock(self) -> None:
        """From here on it counts: the executors begin to cut."""
        self._wall, self._start = time.time(), time.monotonic()
        for job in range(self._trial.load.jobs):
            order = (job, self._cutting, ray.put, self._room, self._stop, self._post)
            self._executors.append(threading.Thread(target=cut_job, args=order, name=f"executor {job}", daemon=True))
        for thread in self._executors:
            thread.start()

    def _prove_all(self) -> None:
        until = self._start + self._timeout
        while not self._scheduler.finished:
            now = time.monotonic()
            if now > until:
                raise Ended(Outcome.TIMEOUT, f"it was not done after {self._timeout:.0f} s")
            with suppress(queue.Empty):
                self._take(self._cluster.mail.get(timeout=min(until - now, _PATIENCE)))
            for assignment in self._scheduler.assign(time.monotonic() - self._start):
                self._dispatch(assignment)
            self._pulse.beat(self._scheduler.done)

    def _check(self) -> None:
        """Between two looks at the agents: a sign of life, and whether to stop."""
        self._pulse.beat(0)
        with suppress(queue.Empty):
            while True:
                self._take(self._cluster.mail.get_nowait())

    def _take(self, item: Line | Gone | Posted) -> None:
        if isinstance(item, Line | Gone):
            return heed(item)
        if item.number != self._number:
            return None
        match item.what:
            case Cut() as cut:
                task = self._scheduler.cut(cut.job, cut.segment, cut.at - self._start)
                self._cuts[cut.job, task] = cut
            case CutAll(job=job, at=at):
                self._scheduler.cut_all(job, at - self._start)
            case CutFailed(message=message):
                raise Ended(Outcome.FAILED, message)
            case Answered() as answered:
                self._settle(answered)
            case _:
                assert_never(item.what)
        return None

    def _dispatch(self, assignment: Assignment) -> None:
        pool, spec = self._cluster.pool, assignment.agent
        task = assignment.job, assignment.task.id
        cut = self._cuts.pop(task, None)
        flight = self._flights[task] = _Flight(assignment=assignment, cut=cut)
        ref = pool.prove(spec, cut.stored, cut.segment.po2) if cut else pool.fold(spec, assignment.inputs)

        def answered(future: Future[Any]) -> None:
            at = time.monotonic()
            answer = future.exception() or future.result()
            self._post(Answered(assignment=flight.assignment, answer=answer, at=at))

        ref.future().add_done_callback(answered)

    def _settle(self, answered: Answered) -> None:
        assignment, answer = answered.assignment, answered.answer
        flight = self._flights.pop((assignment.job, assignment.task.id))
        if flight.cut is not None:
            self._room.give_back(flight.cut.size)
        if isinstance(answer, Did):
            seconds = answered.at - self._start - self._scheduler.begun(assignment)
            self._tally.add(answer, seconds)
            away = max(0.0, seconds - answer.seconds)
            transfer = answer.transfer if self._cutting.trace_po2 is not None else None
            self._scheduler.finish(assignment, answer.digest, answered.at - self._start, transfer, away)
            return
        error = answer if isinstance(answer, Failed | BaseException) else TypeError(f"it answered {answer!r:.100}")
        ended = self._cluster.pool.explain(assignment.agent, error)
        self._scheduler.fail(assignment, answered.at - self._start, ended.cause)
        raise ended

    def _post(self, what: Event | Answered) -> None:
        self._cluster.mail.put(Posted(number=self._number, what=what))

    def _let_go(self) -> None:
        """Nothing of this trial goes on: executors end, agents that are still at work are killed."""
        self._stop.set()
        self._room.stop()
        self._cluster.pool.drop({flight.assignment.agent for flight in self._flights.values()})
        for thread in self._executors:
            thread.join(_JOIN_PATIENCE)

    def _flaw(self, expected: tuple[str, ...]) -> Ended | None:
        """What is wrong with a trial whose jobs are all done."""
        for job, (digest, right) in enumerate(zip(self._scheduler.digests(), expected, strict=True)):
            if digest is None or digest_hex(digest) != right:
                return Ended(Outcome.FAILED, f"digest: job {job} has come to a wrong result")
        late = too_late(self._tally.lateness)
        return Ended(Outcome.CONTAMINATED, late) if late else None

    def _observation(self, ended: Ended | None, elapsed: float) -> Observation:
        scale = self._cluster.config.time_scale
        digests = (None if digest is None else digest_hex(digest) for digest in self._scheduler.digests())
        return Observation(
            trial=self._trial,
            outcome=ended.outcome if ended else Outcome.OK,
            started=self._wall,
            elapsed=elapsed,
            emulated=_emulated(self._trial, self._cluster.config),
            jobs=self._scheduler.records(self._cluster.head, scale, tuple(digests)) if self._executors else (),
            cause=ended.cause if ended else None,
            lost=ended.lost if ended else (),
            log=(*(ended.log if ended else ()), *self._tally.lines(), *sharing(self._cluster.pool.mps)),
        )


def _cutting(request: TrialRequest, config: DriverConfig) -> Cutting:
    """How the trial's jobs are cut: small traces where every device only emulates its times, else full ones."""
    trial = request.trial
    small = _kinds(trial, config) == {DeviceKind.EMULATED}
    return Cutting(
        iterations=trial.load.iterations,
        po2=trial.layout.po2,
        trace_po2=config.workload.trace_po2 if small else None,
        time_scale=config.time_scale,
        settings=config.workload,
    )


def _kinds(trial: Trial, config: DriverConfig) -> set[DeviceKind]:
    devices = set(trial.layout.devices)
    return {each.kind for host in config.hosts for each in host.devices if (host.name, each.name) in devices}


def _emulated(trial: Trial, config: DriverConfig) -> bool:
    return DeviceKind.EMULATED in _kinds(trial, config)
