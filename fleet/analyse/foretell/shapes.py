"""What a host was measured with, what a layout asks of it, and the samples of its times that were seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from fleet.analyse.evidence.findings import Findings
from fleet.analyse.evidence.pools import crew, mixed, one_more, place_of
from fleet.model.record import JobRecord, TaskKind
from fleet.model.trial import AgentSpec
from fleet.twin.calibrate import Place, Pools
from fleet.twin.replay import Service, Worker

View = Callable[[Iterable[JobRecord], Place], Pools | None]
"""How tasks' times are seen: whole, held or split (`fleet.twin.calibrate`)."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Shape:
    """Devices of one host in use, agents on each, segment size."""

    devices: int
    agents: int
    po2: int


Shapes = Mapping[Shape, tuple[JobRecord, ...]]
"""The shapes that a host was measured in, and the jobs of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a layout asks of one host; `like` is the measured host whose times it has (itself, where it was measured).

    `strange`: neither it nor a worker like it was ever measured away from the box.
    """

    host: str
    like: str
    devices: tuple[str, ...]
    agents: int
    po2: int
    strange: bool = False

    @property
    def shape(self) -> Shape:
        """Its shape."""
        return Shape(devices=len(self.devices), agents=self.agents, po2=self.po2)


def shapes_of(found: Findings, host: str) -> Shapes:
    """What a host was measured with under the plan's load, and the jobs of it."""
    seen: dict[Shape, list[JobRecord]] = {}
    for arm in found.arms:
        devices = sum(name == host for name, _ in arm.layout.devices)
        agents = sum(agent.host == host for agent in arm.layout.agents)
        if devices and agents % devices == 0:
            shape = Shape(devices=devices, agents=agents // devices, po2=arm.layout.po2)
            seen.setdefault(shape, []).extend(arm.jobs)
    return {shape: tuple(jobs) for shape, jobs in sorted(seen.items())}


def workers_for(found: Findings, part: Part) -> tuple[Worker, ...]:
    """Its agents, on the devices that they share; where its like has cards of several models, with their model."""
    workers = []
    for device in part.devices:
        (worker,) = crew(found, [AgentSpec(host=part.like, device=device, slot=0)])
        if not worker.model and mixed(found.log.inventory.host(part.like)):
            worker = one_more(found.log.inventory.host(part.like), device)
        workers += [replace(worker, host=part.host)] * part.agents
    return tuple(workers)


def pools_for(found: Findings, part: Part, shapes: Shapes, seen: Shape, view: View) -> Pools | None:
    """The samples of the shape seen, as this part's; None where the view has none of it.

    What its agents did not run in that shape is taken from the nearest other one, else from other hosts in it: one
    agent runs the only finalize, and it may have been another's.
    """
    place = place_of(found)
    first = view(shapes[seen], place)
    if first is None:
        return None
    others = sorted((s for s in shapes if s != seen), key=lambda s: (s.po2 != seen.po2, s.agents != seen.agents, s))
    pools: dict[tuple[str, TaskKind], tuple[Service, ...]] = {}
    for worker in dict.fromkeys(workers_for(found, part)):
        like = replace(worker, host=part.like).pool
        for kind in sorted({kind for _, kind in first}):
            alike = (s for s in others if s.po2 == seen.po2 or kind is not TaskKind.PROVE)
            views = chain((first,), (view(shapes[other], place) or {} for other in alike))
            own = (_own(one, like, kind) for one in views)
            pools[worker.pool, kind] = next((samples for samples in own if samples), _anywhere(first, kind))
    return {key: samples for key, samples in pools.items() if samples}


def _own(pools: Pools, like: str, kind: TaskKind) -> tuple[Service, ...]:
    """The samples of a pool, and those whose record names no host."""
    return (*pools.get((like, kind), ()), *pools.get(("", kind), ()))


def _anywhere(pools: Pools, kind: TaskKind) -> tuple[Service, ...]:
    return tuple(sample for (_, other), samples in sorted(pools.items()) if other is kind for sample in samples)
