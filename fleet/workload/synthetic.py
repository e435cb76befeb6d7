"""The synthetic guest: a Ray cluster on the hosts, and trials on it. This is the controller's side; it knows no Ray."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Self

from fleet.errors import ConfigurationError, HostError, MeasureError
from fleet.model.event import HostFailed, Note
from fleet.model.facts import Failure
from fleet.model.inventory import DeviceKind, Host, Inventory, Role
from fleet.model.record import Observation, Outcome
from fleet.model.trial import Trial
from fleet.model.wire import (
    OBJECT_STORE,
    DriverConfig,
    DriverReady,
    NodeConfig,
    Progress,
    RemoteError,
    Result,
    TrialRequest,
)
from fleet.ports import Observer, Transport
from fleet.remote.portplan import node_ports
from fleet.transport.controller import controller
from fleet.workload.links import Link, start
from fleet.workload.nodes import Nodes
from fleet.workload.patience import patience
from fleet.workload.telemetry import Spools, interval_of

MODULE = "fleet.remote.cluster.driver"
DRIVER_PATIENCE = 60.0
"""Seconds for the driver to join the cluster."""
LIFE_PATIENCE = 30.0
"""Seconds without a sign of life, which comes every three, until the driver is taken for dead."""
END_PATIENCE = 8.0
"""Seconds for the driver to leave the cluster."""
_CARDS_STORE = 8 * 2**30
"""Cards are given whole traces, of 2^po2 rows: three for each agent of sixteen, at po2 = 22 and the usual width."""

ProgressReport = Callable[[int, int], None]


class SyntheticWorkload:
    """A cluster on `hosts`, for as long as it is entered.

    `offsets`: host clock minus ours in seconds, by host name (None: nobody asked; a missing host did not tell).
    Hosts whose node does not come up, or falls, are reported to the observer and left out; without the head there is
    no cluster. Used by one thread.

    An observation's `cold`, `restarted` and `running` stay empty here because each trial rules them out: it begins
    behind a barrier at which every agent has warmed up and what a trial before left at work has gone, and an agent that
    ends is never started again in a trial, which fails by it.
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
        interval: float | None = None,
    ) -> None:
        self._transport = transport
        self._inventory = inventory
        self._run = run
        self._observe = observer
        self._offsets = offsets or {}
        self._clocked = None if offsets is None else frozenset(offsets)
        self._interval = interval or interval_of(inventory.time_scale)
        self._head = _head(hosts)
        self._token = secrets.token_hex(32)
        self._spools = Spools(transport, run, self._offsets, self._interval)
        self._nodes = Nodes(transport, hosts, self._node_config)
        self._driver: Link | None = None
        self._restarted = False

    def __enter__(self) -> Self:
        """Bring the cluster up. MeasureError where there is none without the head or the driver."""
        try:
            self._nodes.begin()
            self._driver = start(self._transport, self._head, MODULE)
            self._nodes.wait(needed=self._head.name)
            self._require_head()
            self._join(self._driver)
        except HostError as error:
            self._close()
            raise MeasureError(f"no driver on the head: {error.message}", host=error.host, hint=error.hint) from error
        except BaseException:
            self._close()
            raise
        self._tell()
        return self

    def __exit__(self, *exc: object) -> None:
        """Take it down; returns when every program on every host has ended, or ten seconds after it was told to."""
        self._close()

    def alive(self) -> frozenset[str]:
        """The hosts whose nodes are up; none without the head."""
        alive = frozenset(host.name for host in self._nodes.alive())
        return alive if self._head.name in alive else frozenset()

    def run(self, trial: Trial, progress: ProgressReport) -> Observation:
        """Run one trial to its end. MeasureError where there is no head or no driver any more."""
        self._tell()
        self._require_head()
        if lost := {agent.host for agent in trial.layout.agents} - self.alive():
            return self._ended(trial, Outcome.HOST_LOST, f"{', '.join(sorted(lost))} is not there any more", lost)
        driver = self._running_driver()
        self._nodes.mark(f"{trial.id} begins")
        observation = self._judged(self._converse(trial, progress, driver))
        for host in observation.lost:
            self._nodes.give_up(host, "measure", "it was lost in the middle of a trial")
        self._nodes.mark(ends := f"{trial.id} ends")
        telemetry, failures = self._spools.collect(
            self._nodes.alive(), observation.started, observation.started + observation.elapsed, mark=ends
        )
        for failure in failures:
            self._observe(Note(text=f"no telemetry from {failure}", warning=True))
        self._tell()
        return replace(observation, telemetry=telemetry, unclocked=self._unclocked(trial))

    def _unclocked(self, trial: Trial) -> tuple[str, ...]:
        """The trial's hosts whose clock is not known against ours; none where nobody asked the clocks."""
        if self._clocked is None:
            return ()
        return tuple(sorted({self._head.name, *(agent.host for agent in trial.layout.agents)} - self._clocked))

    def _converse(self, trial: Trial, progress: ProgressReport, driver: Link) -> Observation:
        begun, died = time.time(), "the driver has ended"
        try:
            driver.say(TrialRequest(trial=trial, timeout=patience(trial, self._inventory)))
            while (said := driver.hear(LIFE_PATIENCE)) is not None:
                match said:
                    case Progress():
                        progress(said.done, said.total)
                    case Result():
                        offset = self._offsets.get(self._head.name, 0.0)
                        return replace(said.observation, started=said.observation.started - offset)
                    case RemoteError():
                        died = said.message
                    case _:
                        continue
            if driver.complaint:
                died = f"{died} ({driver.complaint})"
        except HostError as error:
            died = f"the driver is lost: {error.message}"
        self._drop_driver()
        return replace(self._ended(trial, Outcome.FAILED, died), started=begun, elapsed=time.time() - begun)

    def _judged(self, observation: Observation) -> Observation:
        """A trial that failed while a host of it was lost has failed because of that."""
        concerned = {agent.host for agent in observation.trial.layout.agents} | {self._head.name}
        lost = concerned - {host.name for host in self._nodes.alive()}
        if lost and observation.outcome in (Outcome.FAILED, Outcome.TIMEOUT):
            cause = f"{', '.join(sorted(lost))} was lost ({observation.cause})"
            return replace(observation, outcome=Outcome.HOST_LOST, lost=tuple(sorted(lost)), cause=cause)
        return observation

    def _ended(self, trial: Trial, outcome: Outcome, cause: str, lost: Collection[str] = ()) -> Observation:
        return Observation(
            trial=trial,
            outcome=outcome,
            started=time.time(),
            elapsed=0.0,
            emulated=self._inventory.emulated,
            cause=cause,
            lost=tuple(sorted(lost)),
        )

    def _require_head(self) -> None:
        if (failure := self._nodes.failure(self._head.name)) is not None:
            raise MeasureError(f"the head is lost: {failure.message}", host=failure.host, hint=failure.hint)

    def _running_driver(self) -> Link:
        """The driver; where it has died, a new one, once in a run."""
        if self._driver is not None:
            return self._driver
        if self._restarted:
            raise MeasureError("the driver has died twice", host=self._head.name)
        self._restarted = True
        self._observe(Note(text="the driver has died; starting another", warning=True))
        try:
            self._driver = start(self._transport, self._head, MODULE)
            self._join(self._driver)
        except HostError as error:
            raise MeasureError(f"no driver on the head: {error.message}", host=error.host, hint=error.hint) from error
        return self._driver

    def _join(self, driver: Link) -> None:
        """Have the driver join the cluster of the nodes that are up. HostError, MeasureError."""
        hosts = self._nodes.alive()
        driver.say(
            DriverConfig(
                run=self._run,
                head=self._head.node_address,
                gcs_port=self._head.ports.first,
                token=self._token,
                work_dir=self._head.work_dir,
                hosts=hosts,
                time_scale=self._inventory.time_scale,
                workload=self._inventory.workload,
            )
        )
        said = driver.hear(DRIVER_PATIENCE)
        if not isinstance(said, DriverReady):
            why = said.message if isinstance(said, RemoteError) else driver.complaint or "it has ended without a word"
            raise MeasureError(f"the driver does not join the cluster: {why}", host=self._head.name)
        for host in hosts:
            if host.node_address not in said.nodes:
                self._nodes.give_up(host.name, "cluster", f"Ray knows no node at {host.node_address}")

    def _tell(self) -> None:
        """Tell the observer what has become of hosts."""
        for news in self._nodes.news():
            if isinstance(news, Failure):
                self._observe(HostFailed(failure=news))
            else:
                self._observe(Note(text=f"{news.host}: {news.message}", warning=True))

    def _drop_driver(self) -> None:
        if self._driver is not None:
            self._driver.close()
        self._driver = None

    def _close(self) -> None:
        """End the driver and then the nodes, wait for them, and close what is left. Never raises."""
        if self._driver is not None:
            self._driver.see_off(END_PATIENCE)
        self._nodes.close()

    def _node_config(self, host: Host) -> NodeConfig:
        return NodeConfig(
            run=self._run,
            host=host.name,
            address=host.node_address,
            head=self._head.node_address,
            gcs_port=self._head.ports.first,
            ports=host.ports,
            token=self._token,
            work_dir=host.work_dir,
            devices=host.devices,
            spool=self._spools.path(host),
            interval=self._interval,
            bus=host.bus,
            object_store=_object_store(self._inventory),
            whose=controller(),
        )


def _object_store(inventory: Inventory) -> int:
    """What the nodes are asked to keep of traces at most; they take less where they have less memory."""
    kinds = {device.kind for host in inventory.hosts for device in host.devices}
    return _CARDS_STORE if DeviceKind.CUDA in kinds else OBJECT_STORE


def _head(hosts: Sequence[Host]) -> Host:
    """The head among the hosts. MeasureError where it is not, ConfigurationError for too small a range of ports."""
    for host in hosts:
        try:
            node_ports(host.ports)
        except ValueError as error:
            raise ConfigurationError(str(error), host=host.name, hint="give it a wider range of `ports`") from error
    for host in hosts:
        if host.role is Role.HEAD:
            return host
    raise MeasureError("the head cannot be used, and there is no cluster without it")
