"""Any command as the work: runs of it shared out to agents on the hosts, or one for each agent that tells its rate.

The controller's side; `fleet.remote.hand` is the hosts'. It needs no Ray. What comes out are the records that a proving
job has, so that the same experiments, gate and verdict hold: a run is a task, a unit of work so many cycles.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from fleet.errors import HostError, MeasureError
from fleet.model.command import CommandSettings
from fleet.model.event import HostFailed, Note
from fleet.model.facts import Failure
from fleet.model.inventory import Host, Inventory
from fleet.model.record import JobRecord, Observation, Outcome
from fleet.model.trial import AgentSpec, Trial
from fleet.model.wire import Execute, Executed, HandConfig, StopRuns, ToController
from fleet.ports import Observer, Transport
from fleet.workload.nodes import Nodes, by_itself
from fleet.workload.runrecords import RunSeen, jobs_of_rates, jobs_of_runs, not_at_once
from fleet.workload.telemetry import Spools

MODULE = "fleet.remote.hand"
INTERVAL = 1.0
"""Seconds between samples."""
GRACE = 30.0
"""Seconds beyond a run's own limit in which its host must have answered."""
LIFE_SECONDS = 1.0
"""Between two signs of life where nothing changes."""

ProgressReport = Callable[[int, int], None]


class _Ended(Exception):  # noqa: N818 (it is how a trial goes on, not always an error)
    """A trial has ended before its work was done."""

    def __init__(self, outcome: Outcome, cause: str, *, lost: Collection[str] = (), log: Sequence[str] = ()) -> None:
        super().__init__(cause)
        self.outcome, self.cause, self.lost, self.log = outcome, cause, tuple(sorted(lost)), tuple(log)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What a host said of a run; None: the host has failed."""

    host: str
    what: ToController | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flight:
    """A run under way: which of the job's, since when on the monotonic clock."""

    order: Execute
    since: float


class CommandWorkload:
    """Hands on `hosts`, for as long as it is entered. Used by one thread.

    `offsets`: host clock minus ours in seconds, by host name (None: nobody asked). Hosts whose hand does not come up,
    or falls, are reported to the observer and left out; without the head there is no fleet. `archive`: which file on a
    host holds fleet, None where its Python has it; HostError where none could be brought.
    """

    def __init__(
        self,
        transport: Transport,
        inventory: Inventory,
        hosts: Sequence[Host],
        *,
        run: str,
        observer: Observer,
        offsets: Mapping[str, float] | None = None,
        archive: Callable[[Host], str | None] = lambda _host: None,
    ) -> None:
        if inventory.command is None:
            raise ValueError("an inventory without a command has another workload")
        self._command: CommandSettings = inventory.command
        self._head = inventory.head.name
        self._run = run
        self._observe = observer
        self._clocked = None if offsets is None else frozenset(offsets)
        self._mail: queue.SimpleQueue[_Said] = queue.SimpleQueue()
        self._spools = Spools(transport, run, offsets or {}, INTERVAL)
        self._nodes = Nodes(transport, hosts, self._config, module=MODULE, archive=archive, pass_on=self._post)
        self._warm: set[tuple[AgentSpec, int]] = set()
        self._runs = 0  # numbered over all trials: what an ended one left behind means nothing to the next

    def __enter__(self) -> Self:
        """Bring the hands up. MeasureError where the head's does not come."""
        try:
            self._nodes.begin()
            self._nodes.wait(needed=self._head)
            self._require_head()
        except BaseException:
            self._nodes.close()
            raise
        self._tell()
        return self

    def __exit__(self, *exc: object) -> None:
        """End every run on every host; returns when the hands have ended, or ten seconds after they were told to."""
        self._nodes.close()

    def alive(self) -> frozenset[str]:
        """The hosts whose hands are up; none without the head."""
        alive = frozenset(host.name for host in self._nodes.alive())
        return alive if self._head in alive else frozenset()

    def run(self, trial: Trial, progress: ProgressReport) -> Observation:
        """Warm up, then run one trial to its end. MeasureError where the head is lost."""
        self._tell()
        self._require_head()
        self._nodes.mark(f"{trial.id} begins")
        observation = self._measured(trial, progress)
        for host in observation.lost:
            self._nodes.give_up(host, "measure", "it was lost in the middle of a trial")
        self._nodes.mark(ends := f"{trial.id} ends")
        started = observation.started
        telemetry, failures = self._spools.collect(
            self._nodes.alive(), started, started + observation.elapsed, mark=ends
        )
        for failure in failures:
            self._observe(Note(text=f"no telemetry from {failure}", warning=True))
        self._tell()
        hosts = {agent.host for agent in trial.layout.agents}
        unclocked = () if self._clocked is None else tuple(sorted(hosts - self._clocked))
        return replace(observation, telemetry=telemetry, unclocked=unclocked)

    def _measured(self, trial: Trial, progress: ProgressReport) -> Observation:
        wall, start = time.time(), time.monotonic()
        jobs: tuple[JobRecord, ...] = ()
        ended = None
        try:
            self._warm_up(trial)
            wall, start = time.time(), time.monotonic()
            jobs = self._work(trial, progress, start)
        except _Ended as error:
            ended = error
            self._stop()
        return Observation(
            trial=trial,
            outcome=ended.outcome if ended else Outcome.OK,
            started=wall,
            elapsed=time.monotonic() - start,
            emulated=False,
            jobs=jobs,
            cause=ended.cause if ended else None,
            lost=ended.lost if ended else (),
            log=ended.log if ended else (),
        )

    def _warm_up(self, trial: Trial) -> None:
        """Every agent that has not run with this setting yet runs it, and that counts for nothing."""
        cold = [agent for agent in trial.layout.agents if (agent, trial.layout.po2) not in self._warm]
        turns = {agent: iter(range(self._command.warm_up)) for agent in cold}
        self._share_out(trial, cold, lambda agent: next(turns[agent], None), _unheard)
        self._warm |= {(agent, trial.layout.po2) for agent in cold}

    def _work(self, trial: Trial, progress: ProgressReport, start: float) -> tuple[JobRecord, ...]:
        """What counts."""
        agents, load = trial.layout.agents, trial.load
        if self._command.tells_rate:
            turns = {agent: iter(range(load.iterations)) for agent in agents}
            total = len(agents) * load.iterations
            runs = self._share_out(
                trial, agents, lambda agent: next(turns[agent], None), lambda done: progress(done, total)
            )
            if (apart := not_at_once(runs)) is not None:
                raise _Ended(Outcome.CONTAMINATED, apart)
            return jobs_of_rates(trial, runs)
        total = load.jobs * load.iterations
        items = iter(range(total))
        runs = self._share_out(trial, agents, lambda _agent: next(items, None), lambda done: progress(done, total))
        return jobs_of_runs(trial, runs, start, self._command.work)

    def _share_out(
        self,
        trial: Trial,
        agents: Sequence[AgentSpec],
        next_item: Callable[[AgentSpec], int | None],
        done: Callable[[int], None],
    ) -> list[RunSeen]:
        """Have every agent run one item after the other until there is none for it. _Ended where a run fails."""
        flights: dict[str, _Flight] = {}
        runs: list[RunSeen] = []

        def give(agent: AgentSpec) -> None:
            if (item := next_item(agent)) is not None:
                order = self._order(trial, agent, item)
                flights[order.run] = _Flight(order=order, since=time.monotonic())
                self._say(agent.host, order)

        for agent in agents:
            give(agent)
        done(0)
        while flights:
            answered = self._answer(flights)
            if answered is not None:
                flight = flights.pop(answered.run)
                runs.append(_seen(flight, answered))
                give(answered.agent)
            done(len(runs))
        return runs

    def _order(self, trial: Trial, agent: AgentSpec, item: int) -> Execute:
        self._runs += 1
        agents = len(trial.layout.agents)
        return Execute(run=f"{self._runs}", agent=agent, position=trial.layout.po2, item=item, agents=agents)

    def _answer(self, flights: Mapping[str, _Flight]) -> Executed | None:
        """The next run that went well; None after a while without any. _Ended for a failed run or a lost host."""
        latest = min(flight.since for flight in flights.values()) + self._command.timeout + GRACE
        try:
            said = self._mail.get(timeout=LIFE_SECONDS)
        except queue.Empty:
            if time.monotonic() < latest:
                return None
            silent = {flight.order.agent.host for flight in flights.values()}
            raise _Ended(Outcome.TIMEOUT, f"no answer from {', '.join(sorted(silent))}") from None
        concerned = {flight.order.agent.host for flight in flights.values()}
        if said.what is None and said.host in concerned:
            raise _Ended(Outcome.HOST_LOST, f"{said.host} was lost", lost=[said.host])
        if not isinstance(said.what, Executed) or said.what.run not in flights:
            return None
        if said.what.outcome is not Outcome.OK:
            cause = f"{said.what.agent.name}: {said.what.cause or said.what.outcome.value}"
            raise _Ended(said.what.outcome, cause, log=said.what.log)
        if self._command.metric is not None and said.what.value is None:
            raise _Ended(Outcome.FAILED, f"{said.what.agent.name}: it told no figure")
        return said.what

    def _say(self, host: str, order: Execute | StopRuns) -> None:
        if host not in self.alive():
            raise _Ended(Outcome.HOST_LOST, f"{host} is not there any more", lost=[host])
        try:
            self._nodes.say(host, order)
        except HostError as error:
            raise _Ended(Outcome.HOST_LOST, f"{host} was lost: {error.message}", lost=[host]) from error

    def _stop(self) -> None:
        """End what still runs, and forget what was said of it."""
        for host in self.alive():
            try:
                self._nodes.say(host, StopRuns())
            except HostError:
                continue

    def _post(self, host: str, said: ToController | None) -> None:
        self._mail.put(_Said(host=host, what=said))

    def _require_head(self) -> None:
        if (failure := self._nodes.failure(self._head)) is not None:
            raise MeasureError(f"the head is lost: {failure.message}", host=failure.host, hint=failure.hint)

    def _tell(self) -> None:
        """Tell the observer what has become of hosts."""
        for news in self._nodes.news():
            if isinstance(news, Failure):
                self._observe(HostFailed(failure=news))
            else:
                self._observe(Note(text=f"{news.host}: {news.message}", warning=True))

    def _config(self, host: Host) -> HandConfig:
        return HandConfig(node=by_itself(host, self._run, self._spools.path(host), INTERVAL), command=self._command)


def _unheard(_done: int) -> None:
    """A warm-up's progress is nobody's business."""


def _seen(flight: _Flight, answered: Executed) -> RunSeen:
    return RunSeen(
        agent=answered.agent,
        item=flight.order.item,
        started=flight.since,
        updated=time.monotonic(),
        seconds=answered.seconds,
        value=answered.value,
    )
