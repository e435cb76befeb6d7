"""The agents of the cluster: started where a layout wants them, kept between trials, gone when they are in the way."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from fleet.model.inventory import DeviceKind, Host
from fleet.model.record import Outcome
from fleet.model.trial import AgentSpec, Layout
from fleet.model.wire import DriverConfig
from fleet.remote.cluster.agent import IN_HAND, Agent, AgentConfig, Failed, Settled, Warm
from fleet.remote.cluster.tally import changed_sharing
from fleet.remote.portplan import node_ports
from fleet.remote.prover.device import Digest

WARM_UP_PATIENCE = 180.0
"""Seconds for all agents to come up and compile; on a host that has never run them numba compiles for half of that."""
_CUDA = DeviceKind.CUDA
_PULSE = 0.5
_PROBES = 3
_PROBE_PATIENCE = 3.0


class Ended(Exception):  # noqa: N818 (a trial that ends early is a result)
    """The trial is over before its end: with this outcome, for this cause; `lost` hosts; the agents' `log`."""

    def __init__(self, outcome: Outcome, cause: str, *, lost: Iterable[str] = (), log: Sequence[str] = ()) -> None:
        super().__init__(cause)
        self.outcome = outcome
        self.cause = cause
        self.lost = tuple(lost)
        self.log = tuple(log)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """An agent that is up; `pid` on its host, None until it has said so."""

    handle: Any
    pid: int | None = None


class AgentPool:
    """All agents of a run. Used by one thread; every method that talks to agents may raise `Ended`."""

    def __init__(self, config: DriverConfig) -> None:
        self._config = config
        self._hosts = {host.name: host for host in config.hosts}
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray's own
        self._nodes: dict[str, str] = {node["NodeName"]: node["NodeID"] for node in nodes if node["Alive"]}
        self._members: dict[AgentSpec, _Member] = {}
        self._leaving: dict[str, set[int]] = {}
        self._cards = {(host.name, each.name) for host in config.hosts for each in host.devices if each.kind is _CUDA}
        stores = (int(node["Resources"].get("object_store_memory", 0)) for node in nodes if node["Alive"])
        self.object_store = min(stores, default=0)
        """Bytes of the smallest one among the nodes."""
        self.mps: dict[AgentSpec, bool | None] = {}
        """Whether the agents of the last layout go through MPS; None: they are on no card."""
        self._first: dict[tuple[str, str], bool] = {}
        self.lost: set[str] = {host.name for host in config.hosts if host.name not in self._nodes}

    @property
    def nodes(self) -> tuple[str, ...]:
        """The node addresses of the hosts that Ray knows."""
        return tuple(host.node_address for host in self._config.hosts if host.name in self._nodes)

    def looks_ahead(self, spec: AgentSpec) -> bool:
        """Whether an agent may have more than one task in hand: its card computes while the next trace is copied."""
        return (spec.host, spec.device) in self._cards

    def prepare(self, layout: Layout, pulse: Callable[[], None]) -> None:
        """The barrier: returns when every agent of the layout is up and warm, and no other is in its way.

        `pulse` is called now and then; what it raises ends the waiting.
        """
        self._refuse_lost(layout)
        waiting = _Waiting(until=time.monotonic() + WARM_UP_PATIENCE, pulse=pulse)
        self._retire(layout, waiting)
        for spec in layout.agents:
            if spec not in self._members:
                self._members[spec] = _Member(handle=self._start(spec))
        leaving = {host: tuple(pids) for host, pids in self._leaving.items()}
        settled = self._all(
            layout.agents, lambda spec, agent: agent.settle.remote(layout.po2, leaving.get(spec.host, ())), waiting
        )
        for spec, answer in settled.items():
            if isinstance(answer, Settled):
                self._members[spec] = replace(self._members[spec], pid=answer.pid)
                self._leaving.pop(spec.host, None)
        warm = self._all(layout.agents, lambda _spec, agent: agent.warm_up.remote(layout.po2), waiting)
        self.mps = {spec: answer.mps for spec, answer in warm.items() if isinstance(answer, Warm)}
        for spec, through in self.mps.items():
            if through is not None:
                self._first.setdefault((spec.host, spec.device), through)
        if changed := changed_sharing(self._first, self.mps):
            raise Ended(Outcome.CONTAMINATED, changed)

    def prove(self, spec: AgentSpec, stored: Any, po2: int) -> Any:
        """Begin to prove a stored trace; returns Ray's reference to the answer."""
        return self._members[spec].handle.prove.remote([stored], po2)

    def fold(self, spec: AgentSpec, inputs: Sequence[Digest]) -> Any:
        """Begin to join two digests, or to finalize one."""
        agent = self._members[spec].handle
        return agent.join.remote(*inputs) if len(inputs) > 1 else agent.finalize.remote(*inputs)

    def drop(self, specs: Iterable[AgentSpec]) -> None:
        """Kill agents, busy or not. The next `prepare` waits on their hosts until they are gone."""
        for spec in specs:
            if (member := self._members.pop(spec, None)) is not None:
                with suppress(RayError):
                    ray.kill(member.handle, no_restart=True)
                if member.pid is not None:
                    self._leaving.setdefault(spec.host, set()).add(member.pid)

    def explain(self, spec: AgentSpec, error: BaseException | Failed) -> Ended:
        """What it means that an agent could not answer, or answered with a failure.

        The next trial gets another agent, but where memory was short: what an agent has died of, and a card's errors,
        outlive the task.
        """
        if isinstance(error, Failed) and error.out_of_memory:
            return Ended(Outcome.OUT_OF_MEMORY, f"{spec.name}: {error.message}", log=error.log)
        self.drop([spec])
        if isinstance(error, Failed):
            return Ended(Outcome.FAILED, f"{spec.name}: {error.message}", log=error.log)
        if self._gone(self._hosts[spec.host]):
            self.lost.add(spec.host)
            self.drop([each for each in self._members if each.host == spec.host])
            return Ended(Outcome.HOST_LOST, f"{spec.host} was lost", lost=(spec.host,))
        first, *_ = str(error).strip().splitlines() or [""]
        return Ended(Outcome.FAILED, f"{spec.name}: {type(error).__name__}: {first}"[:500])

    def _refuse_lost(self, layout: Layout) -> None:
        lost = sorted({spec.host for spec in layout.agents if spec.host in self.lost or spec.host not in self._hosts})
        if lost:
            raise Ended(Outcome.HOST_LOST, f"{', '.join(lost)} is not there any more", lost=lost)

    def _retire(self, layout: Layout, waiting: _Waiting) -> None:
        """Agents beyond the layout's on its devices would keep memory from them; those elsewhere may stay."""
        devices = set(layout.devices)
        extra = [each for each in self._members if (each.host, each.device) in devices and each not in layout.agents]
        try:
            self._all(extra, lambda _spec, agent: agent.close.remote(), waiting)
        finally:
            self.drop(extra)

    def _start(self, spec: AgentSpec) -> Any:
        host = self._hosts[spec.host]
        config = AgentConfig(
            spec=spec,
            host=host,
            time_scale=self._config.time_scale,
            columns=self._config.workload.columns,
            effort=self._config.workload.effort,
        )
        place = NodeAffinitySchedulingStrategy(self._nodes[host.name], soft=False)
        # No CPUs are asked for: Ray must place agents where we say, however many there are.
        options = ray.remote(Agent).options(
            num_cpus=0,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=place,
            max_concurrency=IN_HAND if self.looks_ahead(spec) else 1,
        )
        return options.remote(config)

    def _all(
        self, specs: Sequence[AgentSpec], ask: Callable[[AgentSpec, Any], Any], waiting: _Waiting
    ) -> dict[AgentSpec, Any]:
        """Ask agents and wait for every answer. Raises for the first that failed, lack of memory before all else."""
        refs = {spec: ask(spec, self._members[spec].handle) for spec in specs}
        left = list(refs.values())
        try:
            while left:
                _, left = ray.wait(left, num_returns=len(left), timeout=_PULSE, fetch_local=False)
                waiting.check()
        except Ended:
            self.drop(spec for spec, ref in refs.items() if ref in left)
            raise
        answers: dict[AgentSpec, Any] = {}
        troubles: list[Ended] = []
        for spec, ref in refs.items():
            try:
                answers[spec] = ray.get(ref)
            except RayError as error:
                troubles.append(self.explain(spec, error))
                continue
            if isinstance(answers[spec], Failed):
                troubles.append(self.explain(spec, answers[spec]))
        if troubles:
            raise min(troubles, key=lambda each: each.outcome is not Outcome.OUT_OF_MEMORY)
        return answers

    def _gone(self, host: Host) -> bool:
        """Whether the host's Ray node is down: its port refuses us, or nothing answers. Asked a few times."""
        port = node_ports(host.ports).node_manager
        for attempt in range(_PROBES):
            try:
                socket.create_connection((host.node_address, port), timeout=_PROBE_PATIENCE).close()
            except OSError:
                return True
            # An agent may be seen to die a moment before its node.
            time.sleep(_PULSE if attempt + 1 < _PROBES else 0)
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """Until when to wait for agents (monotonic clock), and what to do meanwhile."""

    until: float
    pulse: Callable[[], None]

    def check(self) -> None:
        self.pulse()
        if time.monotonic() > self.until:
            raise Ended(Outcome.TIMEOUT, f"agents were not up and warm after {WARM_UP_PATIENCE:.0f} s")
