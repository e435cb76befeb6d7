"""What agents that share a device would need of it alone, from how long their jobs took together.

Their tasks' times have the waiting for each other inside, which depends on everything else, so they are no service
times. But the job's time tells them: a replay in which the agents take turns has to come out at what was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import fmean

from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings
from fleet.analyse.evidence.identity import claim_seconds
from fleet.analyse.evidence.jobgraph import load_graph
from fleet.analyse.foretell.shapes import Part, Shape, Shapes, pools_for, shapes_of, workers_for
from fleet.model.rates import by_agent
from fleet.model.record import JobRecord, TaskKind
from fleet.twin.calibrate import Pools, held_pools, host_times, split_pools
from fleet.twin.forecast import sampled_seconds
from fleet.twin.replay import Control, Service

REPLAYS = 16
BISECTIONS = 12

LEAST, MOST = 0.05, 8.0
"""Between which multiples of the known seconds the unknown ones are looked for."""

APART = (0.0, 0.06)
"""What part of an agent's time overlaps with another's on its device where neither records nor a contrast tell.

decision.md: without MPS a second agent gains about nothing; a task's way there and back is a few per cent of it.
"""
MOST_APART = 0.6

SMALL = 0.1
"""Up to this part of a prove, what its transfers waited for each other is less than what else is not known."""


def lone_pools(found: Findings, part: Part, shapes: Shapes, single: Shape) -> tuple[Pools, bool]:
    """The times of a shape with one agent a device, and whether the bus is apart in them.

    Several devices' transfers have their waiting for the bus inside, so they are taken apart only where they are small.
    """
    times = host_times(shapes[single], part.like, TaskKind.PROVE)
    small = times is not None and times.transfer is not None and times.transfer <= SMALL * times.seconds
    split = pools_for(found, part, shapes, single, split_pools) if small or single.devices == 1 else None
    return (split, True) if split else (pools_for(found, part, shapes, single, held_pools) or {}, False)


def overlaps(found: Findings, part: Part, shapes: Shapes) -> tuple[float, ...]:
    """What part of its device seconds an agent may spend while another has the device: one value where it is known."""
    if all(_way_known(job, part.like) for jobs in shapes.values() for job in jobs):
        return (0.0,)
    same = {shape.po2: shape for shape in sorted(shapes, reverse=True) if shape.agents == 1}
    for arm, many in _packed_arms(found, part.like):
        if many.po2 in same:
            pools, _ = lone_pools(found, many, shapes, same[many.po2])
            return (_share_of(found, arm, many, pools),)
    return APART


def _share_of(found: Findings, arm: Arm, part: Part, pools: Pools) -> float:
    """The share that makes a replay as fast as the arm was."""
    return _solved(lambda share: -_replayed(found, arm, part, apart(pools, share)), -_measured(arm), 0.0, MOST_APART)


def apart(pools: Pools, share: float) -> Pools:
    """The pools with a share of the device's seconds taken from it: the agent needs them, the device is free."""
    if share == 0:
        return pools

    def freed(service: Service) -> Service:
        part = share * service.device
        return replace(service, device=service.device - part, latency=service.latency + part)

    return {key: tuple(freed(sample) for sample in samples) for key, samples in pools.items()}


def unpacked(found: Findings, host: str, size: Callable[[int], float]) -> Iterator[tuple[Arm, float]]:
    """Each arm of several agents a device, and the mean device seconds of a prove in it, bus and way left out.

    `size`: mean cycles of a segment of 2^po2. Nothing where no agent was ever alone on a device of this host.
    """
    shapes = shapes_of(found, host)
    for arm, part in _packed_arms(found, host):
        single = _single_of(shapes, part.shape)
        pools, split = lone_pools(found, part, shapes, single) if single else ({}, False)
        if single is not None and split:
            pools = apart(pools, fmean(overlaps(found, part, shapes)))
            known = fmean(s.device for (_, kind), group in pools.items() if kind is TaskKind.PROVE for s in group)
            yield arm, known * _factor_of(found, arm, part, pools, size(part.po2) / size(single.po2))


def _factor_of(found: Findings, arm: Arm, part: Part, pools: Pools, bytes_: float) -> float:
    """What the proves' device seconds have to be multiplied by for a replay to take as long as the arm did."""
    return _solved(
        lambda factor: _replayed(found, arm, part, resized(pools, factor, bytes_)), _measured(arm), LEAST, MOST
    )


def resized(pools: Pools, device: float, bus: float) -> Pools:
    """The pools with the proves' device and bus seconds multiplied."""
    return {
        (pool, kind): tuple(replace(s, device=s.device * device, bus=s.bus * bus) for s in samples)
        if kind is TaskKind.PROVE
        else samples
        for (pool, kind), samples in pools.items()
    }


def _way_known(job: JobRecord, host: str) -> bool:
    return all(task.away is not None for task in job.tasks if by_agent(task) and task.host == host)


def _packed_arms(found: Findings, host: str) -> Iterator[tuple[Arm, Part]]:
    """The arms of several agents on each device of the host, and nothing else, with what they ask of it."""
    for arm in found.arms:
        devices = tuple(dict.fromkeys(device for _, device in arm.layout.devices))
        each = arm.layout.agents_per_device
        if each > 1 and {agent.host for agent in arm.layout.agents} == {host}:
            yield arm, Part(host=host, like=host, devices=devices, agents=each, po2=arm.layout.po2)


def _single_of(shapes: Shapes, wanted: Shape) -> Shape | None:
    """The nearest shape with one agent a device; before all, one with one device, as nothing waits in it."""
    lone = (shape for shape in shapes if shape.agents == 1)
    return min(lone, key=lambda s: (s.devices > 1, abs(s.po2 - wanted.po2), s), default=None)


def _measured(arm: Arm) -> float:
    return fmean(arm.seconds)


def _replayed(found: Findings, arm: Arm, part: Part, pools: Pools) -> float:
    control = Control(claim=claim_seconds(arm))
    return fmean(sampled_seconds(load_graph(arm), workers_for(found, part), pools, control, range(REPLAYS)))


def _solved(function: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Where a growing function takes a value, by bisection; the nearer end where it never does."""
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < wanted else (low, middle)
    return (low + high) / 2
