"""A Bento cluster as something that is measured: isolated when it is entered, put back when it is left.

Between the two each trial arranges the cluster as its layout wants it, where the trial before did not, runs its jobs
through bento_cli, and reads what the task database tells of them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from typing import Self
from uuid import UUID

from fleet.errors import ConfigurationError, FleetError, HostError, MeasureError, ProvisionError
from fleet.model.bento import BentoSettings
from fleet.model.conditions import too_late
from fleet.model.event import Note
from fleet.model.inventory import Host, Inventory
from fleet.model.rates import UNMEASURED
from fleet.model.record import Observation, Outcome
from fleet.model.samples import CardState, Telemetry
from fleet.model.trial import Layout, Load, Trial
from fleet.plan.trials.segments import CYCLES_PER_ITERATION, RESERVED_CYCLES
from fleet.ports import Observer, Transport
from fleet.workload.bento.attendance import SEGMENTS_EACH, absent
from fleet.workload.bento.client import arguments, client_words
from fleet.workload.bento.lateness import lateness
from fleet.workload.bento.means import Means, Rig
from fleet.workload.bento.records.past import DatabaseError
from fleet.workload.bento.records.reading import lookout
from fleet.workload.bento.trialrun import GIVEN_UP, Ended, Ground, ProgressReport, Ran, read_records, run_jobs
from fleet.workload.bento.unfinished import end_left, forget, named
from fleet.workload.bento.wards import Wards, processes
from fleet.workload.patience import patience

WARM_UPS = 5
"""So many jobs are tried until the agents of every host of a layout have had part in one."""
WARM_UP_SEGMENTS = 2
"""Segments for each agent in the job that warms up agents that were just started."""
START_SECONDS = 60.0
"""Agents that were just started may take so long until they ask for work; nobody says when they do."""
_WHY = 200


class BentoWorkload:
    """The cluster of a head, for as long as it is entered. Used by one thread."""

    def __init__(
        self,
        transport: Transport,
        inventory: Inventory,
        head: Host,
        settings: BentoSettings,
        *,
        means: Means,
        observer: Observer,
    ) -> None:
        self._transport = transport
        self._inventory = inventory
        self._head = head
        self._settings = settings
        self._means = means
        self._observe = observer
        self._held = ExitStack()
        self._rig: Rig | None = None
        self._ground: Ground | None = None
        self._arranged: Layout | None = None
        self._open: tuple[UUID, ...] = ()

    def __enter__(self) -> Self:
        """Isolate the cluster and open the way to its database. FleetError; then everything is as it was."""
        with ExitStack() as stack:
            stack.enter_context(self._means.onlookers).begin([self._head.name])
            address = stack.enter_context(self._means.way())
            looks = stack.enter_context(closing(lookout(address)))
            looks.leftovers()
            if jobs := end_left(self._transport, self._head, looks, every=False):
                text = f"{self._head.name}: ended {named(jobs)}"
                self._observe(Note(text=text, warning=True))
            self._rig = stack.enter_context(self._means.hold())
            self._ground = Ground(
                transport=self._transport,
                head=self._head,
                words=(),
                address=address,
                lookout=looks,
                run=self._rig.run,
            )
            self._held = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        """Put everything back; first of all end jobs of our own, which the operator's agents would take up."""
        if self._ground is not None:
            self._end(self._ground)
        self._rig = self._ground = self._arranged = None
        self._held.__exit__(None, None, None)

    def alive(self) -> frozenset[str]:
        """The head, while it is held."""
        return frozenset({self._head.name}) if self._rig is not None else frozenset()

    def run(self, trial: Trial, progress: ProgressReport) -> Observation:
        """Run one trial to its end. MeasureError where the cluster cannot be set up, or is not held until then."""
        self._need()
        ran, begun = Ran(), time.time()
        try:
            ground = self._ready(trial)
            self._means.onlookers.mark(self._hosts_of(trial), f"{trial.id} begins")
            self._prove(ground, trial, trial.load, progress, ran)
            read_records(ground, ran, self._inventory.time_scale)
            late = None if ran.late is None else too_late(ran.late)
            ended = Ended(Outcome.CONTAMINATED, late) if late else None
            if trial.experiment not in UNMEASURED:
                self._refuse_absent(trial, ran)
        except Ended as error:
            ended = error
        except (HostError, ProvisionError) as error:
            # What Compose has to say of a service that does not come up stands at the end of the hint.
            why = f": {error.hint[-_WHY:]}" if error.hint else ""
            where = "the head" if error.host in {None, self._head.name} else error.host
            ended = Ended(Outcome.FAILED, f"{where}: {error.message}{why}")
        except ConfigurationError as error:  # no trial after it would go better, and the head has been touched
            raise MeasureError(error.message, host=error.host or self._head.name, hint=error.hint) from error
        self._need()  # what ran beside operator's agents that came back meanwhile was no trial
        if ended is not None and ended.outcome is not Outcome.CONTAMINATED:
            self._arranged = None  # agents that died, or hang, are made anew
        return replace(self._observation(trial, ran, ended, begun), telemetry=self._telemetry(trial, ran))

    def _ready(self, trial: Trial) -> Ground:
        """Arrange the cluster and warm it up where it is not yet as the trial wants it; what its jobs are run with."""
        rig, ground = self._need()
        if self._arranged != trial.layout:
            self._arranged = None
            rig.arrange(trial.layout)
            words = client_words(self._transport, self._head, self._settings, self._places())
            self._ground = ground = replace(ground, words=words)
            self._refuse_leftovers(ground)
            if trial.experiment not in UNMEASURED:
                self._warm_up(ground, trial)
            self._arranged = trial.layout
        else:
            self._refuse_leftovers(ground)
        return ground

    def _warm_up(self, ground: Ground, trial: Trial) -> None:
        """Jobs until the agents of every host have had part in one: some take long until they ask for work."""
        segments, size = WARM_UP_SEGMENTS * len(trial.layout.agents), (1 << trial.layout.po2) - RESERVED_CYCLES
        load = Load(iterations=max(1, segments * size // CYCLES_PER_ITERATION))
        for _ in range(WARM_UPS):
            ran = Ran()
            self._prove(ground, trial, load, lambda _done, _made: None, ran)
            if not self._absent(trial, ran, len(trial.layout.agents)):
                return

    def _refuse_absent(self, trial: Trial, ran: Ran) -> None:
        """Ended where a host was idle although there was enough for all: it was no trial of the layout."""
        segments = sum(job.segments for job in ran.jobs)
        if segments >= SEGMENTS_EACH * len(trial.layout.agents) and (idle := self._absent(trial, ran, segments)):
            text = f"the agents of {', '.join(idle)} took none of its {segments} segments, by their logs"
            raise Ended(Outcome.FAILED, f"{text}: is their way to the head's database and queue open?")

    def _absent(self, trial: Trial, ran: Ran, segments: int) -> tuple[str, ...]:
        """The hosts that had no part in jobs of so many segments; none where that cannot be told."""
        return absent(self._transport, self._agents_of(trial), ran.ids, segments, time.time() - (ran.begun or 0.0))

    def _prove(self, ground: Ground, trial: Trial, load: Load, progress: ProgressReport, ran: Ran) -> None:
        rig, _ = self._need()
        began, limit = time.monotonic(), START_SECONDS + patience(replace(trial, load=load), self._inventory)
        try:
            containers = tuple(rig.containers())
            with closing(Wards(self._transport, self._head, containers, rig.beside())) as wards:
                run_jobs(ground, arguments(self._settings, load), load.jobs, limit, wards, progress, ran)
            if self._inventory.emulated and load is trial.load:
                reached = self._means.onlookers.hosts
                projects = [(reached[host], self._project_on(host)) for host in self._hosts_of(trial)]
                ran.late = lateness(self._transport, projects, time.monotonic() - began)
        finally:
            self._open += ran.open

    def _end(self, ground: Ground) -> None:
        """End what is open of this run's; what cannot be is left to whoever comes next, by the head's own account."""
        if self._ended(ground):
            with suppress(HostError):  # who comes next finds that they are over
                forget(self._transport, self._head, [ground.run])
            return
        jobs = ", ".join(map(str, self._open))
        text = f"its task database took no change; jobs of fleet are open in it until `fleet restore` ends them: {jobs}"
        self._observe(Note(text=f"{self._head.name}: {text}", warning=True))

    def _ended(self, ground: Ground) -> bool:
        """Whether no job of ours is open any more; those of which that was not to be had before are ended now."""
        if self._open:
            try:
                ground.lookout.give_up(self._open, GIVEN_UP)
            except DatabaseError:
                return False
        self._open = ()
        return True

    def _telemetry(self, trial: Trial, ran: Ran) -> Telemetry:
        """What was sampled while its jobs were at work; nothing of a trial that had none."""
        if ran.begun is None or ran.ended is None:
            return Telemetry()
        hosts = self._hosts_of(trial)
        self._means.onlookers.mark(hosts, ends := f"{trial.id} ends")
        start = ran.begun if ran.started is None else ran.started - ran.offset
        found = self._means.onlookers.collected(hosts, start, ran.ended, ends)
        used = {card.host for card in (*found.before, *found.after) if card.processes}
        agents = {host: self._agents_on(host) for host in used}
        before, after = (
            tuple(_owned(card, agents.get(card.host)) for card in each) for each in (found.before, found.after)
        )
        return replace(found, before=before, after=after)

    def _agents_on(self, host: str) -> frozenset[int] | None:
        """The processes of the agents on a host; None where the engine does not tell."""
        try:
            return processes(self._transport, self._means.onlookers.hosts[host], self._project_on(host))
        except HostError as error:
            self._observe(Note(text=f"{host}: who is on its GPUs is not known: {error.message}", warning=True))
            return None

    def _agents_of(self, trial: Trial) -> list[tuple[Host, tuple[str, ...]]]:
        """Each host of the layout with its proving agents, as `absent` has them; none where they are on one alone."""
        rig, _ = self._need()
        own = tuple(container for container, agent in rig.containers().items() if agent)
        hosts = [self._means.onlookers.hosts[name] for name in self._hosts_of(trial)]
        others = (f"project={self._means.attached}",)
        return [(host, own if host.name == self._head.name else others) for host in hosts] if len(hosts) > 1 else []

    def _project_on(self, host: str) -> str:
        """Compose's project of the agents on a host."""
        if host != self._head.name:
            return self._means.attached
        return (self._rig.project if self._rig is not None else None) or ""

    def _hosts_of(self, trial: Trial) -> tuple[str, ...]:
        """The head, and the hosts of its agents."""
        return tuple(dict.fromkeys((self._head.name, *(agent.host for agent in trial.layout.agents))))

    def _places(self) -> Sequence[str]:
        """The containers in which bento_cli may be."""
        rig, _ = self._need()
        return [name for name, agent in rig.containers().items() if not agent]

    def _refuse_leftovers(self, ground: Ground) -> None:
        """Other work beside a trial's spoils it. MeasureError where nobody can tell: it is the last one."""
        self._ended(ground)
        try:
            left = ground.lookout.leftovers()
        except DatabaseError as error:
            text = f"its task database does not answer any more: {error.message}"
            raise MeasureError(text, host=self._head.name, hint=error.hint) from error
        if left:
            job, count = next(iter(left.items()))
            others = f", and {len(left) - 1} other jobs" if len(left) > 1 else ""
            text = f"job {job} has {count} tasks ready or running{others}: they would take the agents' time"
            raise Ended(Outcome.CONTAMINATED, text)

    def _observation(self, trial: Trial, ran: Ran, ended: Ended | None, begun: float) -> Observation:
        started = begun if ran.started is None else ran.started - ran.offset
        return Observation(
            trial=trial,
            outcome=ended.outcome if ended else Outcome.OK,
            started=started,
            elapsed=time.time() - begun,
            emulated=self._inventory.emulated,
            jobs=ran.jobs,
            cause=ended.cause if ended else None,
            log=(*ran.log, *(() if ran.late is None else (f"devices were late by {ran.late:.1%}",))),
            restarted=ran.restarted,
            running=self._rivals(),
        )

    def _rivals(self) -> tuple[str, ...]:
        try:
            return self._rig.rivals() if self._rig is not None else ()
        except FleetError as error:
            self._observe(Note(text=f"whether the broker stayed down is not known: {error.message}", warning=True))
            return ()

    def _need(self) -> tuple[Rig, Ground]:
        if self._rig is None or self._ground is None:
            raise MeasureError("the Bento cluster is not held", host=self._head.name)
        if not self._rig.intact:
            raise MeasureError(self._rig.why, host=self._head.name, hint="what was measured until then counts")
        return self._rig, self._ground


def _owned(card: CardState, agents: frozenset[int] | None) -> CardState:
    """The card with its processes told apart by whether they are agents; None: nobody knows who they are."""
    if card.processes is None or agents is None:
        return replace(card, processes=None)
    return replace(
        card, processes=tuple(replace(each, ours=each.ours or each.pid in agents) for each in card.processes)
    )
