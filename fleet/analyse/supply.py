"""How a host would serve tasks under settings that need not have been measured: the nearest that was, and corrections.

A *shape* is what a host was measured with: devices in use, agents on each, segment size. The nearest shape gives the
service times; what differs is corrected, each correction by every law that the records do not refute. The answer is
therefore a tuple of variants, which bound the truth together. What leaves the measured range says so (`Beyond`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fleet.analyse.crowding import PRIOR_INFLATION, between, crowding
from fleet.analyse.findings import Findings
from fleet.analyse.po2fit import fit_of, po2_factors
from fleet.analyse.whatif import PRIOR_EFFICIENCY
from fleet.errors import ConfigurationError
from fleet.model.record import JobRecord, TaskKind
from fleet.model.simulation import Beyond
from fleet.twin.calibrate import Pools, host_times, split_pools, stretched, whole_pools
from fleet.twin.replay import Worker
from fleet.twin.sharing import SHARING_LAWS, balanced_visit, service_time, shared_part

AGENTS = (TaskKind.PROVE, TaskKind.JOIN, TaskKind.RESOLVE)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Shape:
    """Devices of one host in use, agents on each, segment size."""

    devices: int
    agents: int
    po2: int


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """One host's agents and the samples of their times, keyed by that host."""

    workers: tuple[Worker, ...]
    pools: Pools


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOutlook:
    """How a host would serve, by every law that may hold; `basis` in the operator's words."""

    variants: tuple[Supply, ...]
    basis: str
    beyond: tuple[Beyond, ...] = ()


def shapes_of(found: Findings, host: str) -> dict[Shape, tuple[JobRecord, ...]]:
    """What a host was measured with under the plan's load, and the jobs of it."""
    seen: dict[Shape, list[JobRecord]] = {}
    for arm in found.arms:
        devices = sum(name == host for name, _ in arm.layout.devices)
        agents = sum(agent.host == host for agent in arm.layout.agents)
        if devices and agents % devices == 0:
            shape = Shape(devices=devices, agents=agents // devices, po2=arm.layout.po2)
            seen.setdefault(shape, []).extend(arm.jobs)
    return {shape: tuple(jobs) for shape, jobs in sorted(seen.items())}


def supply_of(found: Findings, part: Part) -> HostOutlook:
    """How this part of a layout would serve. ConfigurationError where nothing measured says anything about it."""
    shapes = shapes_of(found, part.like)
    if not shapes:
        raise ConfigurationError(f"{part.like} was not measured in this run", hint="nothing can be said of its like")
    if part.shape in shapes and not part.strange:
        pools = _on(part.host, part.like, whole_pools(shapes[part.shape]))
        return HostOutlook(variants=(_independent(part, pools),), basis=_basis(part, part.shape))
    nearest = min(shapes, key=lambda shape: _distance(shape, part.shape))
    if nearest.agents != part.agents:
        return _packed(found, part, shapes)
    return _corrected(found, part, nearest, shapes[nearest])


def _distance(seen: Shape, wanted: Shape) -> tuple[bool, int, float]:
    """Other agents on a device are the furthest, then other segment sizes, then other numbers of devices."""
    devices = abs(math.log2(seen.devices / wanted.devices))
    return (seen.agents != wanted.agents, abs(seen.po2 - wanted.po2), devices)


def _basis(part: Part, seen: Shape) -> str:
    each = "1 agent" if seen.agents == 1 else f"{seen.agents} agents"
    gpus = "1 device" if seen.devices == 1 else f"{seen.devices} devices"
    own = part.host if part.host == part.like else f"{part.host}, served like {part.like}"
    return f"{own}: measured with {gpus}, {each} each, po2 {seen.po2}"


def _independent(part: Part, pools: Pools) -> Supply:
    """Agents that share nothing: their times have the waiting inside."""
    workers = [Worker(host=part.host, device=f"{d}#{slot}") for d in part.devices for slot in range(part.agents)]
    return Supply(workers=tuple(workers), pools=pools)


def _sharing(part: Part, pools: Pools) -> Supply:
    """Agents that queue for their device and their host's bus: their times are free of waiting."""
    workers = [Worker(host=part.host, device=device) for device in part.devices for _ in range(part.agents)]
    return Supply(workers=tuple(workers), pools=pools)


def _on(host: str, like: str, pools: Pools) -> Pools:
    """The samples of one host, and those whose record names none, as another host's."""
    kinds = {kind for _, kind in pools}
    picked = {kind: (*pools.get((like, kind), ()), *pools.get(("", kind), ())) for kind in kinds}
    return {(host, kind): samples for kind, samples in picked.items() if samples}


def _corrected(found: Findings, part: Part, seen: Shape, jobs: Sequence[JobRecord]) -> HostOutlook:
    """As many agents on each device as measured; other devices, another segment size or a strange host."""
    beyond: list[Beyond] = []
    notes = [_basis(part, seen)]
    pools = _on(part.host, part.like, whole_pools(jobs))
    ratios = [1.0]
    structural: list[Supply] = []
    if part.shape.devices != seen.devices:
        ratios = [ratio for _, ratio in _ratios(found, part.like, seen, len(part.devices))]
        notes += [
            f"{law}, {ratio:.2f} × the prove time" for law, ratio in _ratios(found, part.like, seen, len(part.devices))
        ]
        structural = _bus_queue(found, part, seen)
        most = max(shape.devices for shape in shapes_of(found, part.like))
        if len(part.devices) > most:
            text = f"{part.host} with {len(part.devices)} devices: {most} were measured"
            beyond.append(Beyond(text=text, steps=math.log2(len(part.devices) / most)))
    factors = [1.0]
    if part.po2 != seen.po2:
        fit = fit_of(found, part.like, part.po2)
        factors = po2_factors(fit, seen.po2, part.po2)
        structural = []
        notes.append(fit.words)
        beyond += fit.beyond(part.po2)
    distance = [1.0]
    if part.strange:
        distance = [1 / e for e in (PRIOR_EFFICIENCY, (1 + PRIOR_EFFICIENCY) / 2, 1.0)]
        notes.append(f"at an efficiency of {PRIOR_EFFICIENCY:.2f} to 1")
        beyond.append(Beyond(text=f"{part.host}: no remote worker was measured", steps=1.0))
    variants = [
        _independent(part, _slowed(pools, part.host, ratio * factor, far))
        for ratio in ratios
        for factor in factors
        for far in distance
    ]
    return HostOutlook(variants=(*variants, *structural), basis="; ".join(notes), beyond=tuple(beyond))


def _slowed(pools: Pools, host: str, prove: float, everything: float) -> Pools:
    factors = {(host, kind): everything * (prove if kind is TaskKind.PROVE else 1.0) for kind in AGENTS}
    return stretched(pools, factors)


def _ratios(found: Findings, host: str, seen: Shape, devices: int) -> tuple[tuple[str, float], ...]:
    """(law, prove seconds with `devices` devices ÷ those with the measured ones) for every law that may hold."""
    base = found.base
    contrast = crowding(found, base) if base is not None and host == found.box.name else None
    if contrast is None or base is None:
        return _bounds(found, host, seen, devices)
    if not contrast.notable and not (contrast.by_bus and contrast.moved):
        return (("no inflation seen", 1.0),)
    ratios = []
    laws = SHARING_LAWS[:1] if contrast.by_bus else SHARING_LAWS
    for name, law in laws:
        shared = contrast.moved if contrast.by_bus else None
        if shared is None:
            shared = shared_part(law, contrast.alone, contrast.now, contrast.between, contrast.devices)
        now, then = (service_time(law, contrast.alone, shared, contrast.between, n) for n in (seen.devices, devices))
        ratios.append(
            (name if shared != contrast.moved else "queueing for the bus", _directed(then / now, seen, devices))
        )
    return tuple(ratios)


def _directed(ratio: float, seen: Shape, devices: int) -> float:
    """More devices never make a prove faster, fewer never slower."""
    return max(1.0, ratio) if devices > seen.devices else min(1.0, ratio)


def _bounds(found: Findings, host: str, seen: Shape, devices: int) -> tuple[tuple[str, float], ...]:
    """Where no contrast was measured in the host: from no crowding at all to the worst that is plausible."""
    worst = devices / seen.devices
    if seen.devices == 1:
        worst = 1 + (PRIOR_INFLATION - 1) * (devices - 1)
        arm = found.alone(host)
        times = host_times(arm.jobs, host, TaskKind.PROVE) if arm else None
        if arm and times and times.transfer is not None:
            worst = max(
                worst,
                service_time(balanced_visit, times.seconds, times.transfer, between(arm), devices) / times.seconds,
            )
    return (
        ("no crowding", 1.0),
        ("half of the worst crowding", math.sqrt(worst)),
        ("the worst crowding that is plausible", worst),
    )


def _bus_queue(found: Findings, part: Part, seen: Shape) -> list[Supply]:
    """The bus as a queue in the replay, where the records show that it explains what devices do to each other."""
    base, alone = found.base, found.alone(part.like)
    if base is None or alone is None or part.like != found.box.name or part.strange:
        return []
    contrast = crowding(found, base)
    lone = Shape(devices=1, agents=1, po2=part.po2)
    jobs = shapes_of(found, part.like).get(lone)
    if contrast is None or not contrast.by_bus or jobs is None or seen.agents != 1:
        return []
    pools = split_pools(jobs)
    return [_sharing(part, _on(part.host, part.like, pools))] if pools else []


def _packed(found: Findings, part: Part, shapes: dict[Shape, tuple[JobRecord, ...]]) -> HostOutlook:
    """More agents on a device than measured: they take turns on it, and on the bus, in the replay."""
    single = [shape for shape in shapes if shape.agents == 1]
    if not single or part.agents < 1:
        measured = ", ".join(str(n) for n in sorted({shape.agents for shape in shapes}))
        raise ConfigurationError(
            f"{part.agents} agents a device cannot be inferred for {part.like}: measured with {measured}",
            hint="measure one agent a device: what agents do to each other is added to that",
        )
    seen = min(single, key=lambda shape: (abs(shape.po2 - part.po2), shape.devices))
    split = split_pools(shapes[seen]) if seen.devices == 1 else None
    pools = _on(part.host, part.like, split or whole_pools(shapes[seen]))
    how = "device and bus" if split else "device"
    notes = [_basis(part, seen), f"{part.agents} agents take turns on the {how}"]
    most = max(shape.agents for shape in shapes)
    beyond = []
    if part.agents > most:
        text = f"{part.host} with {part.agents} agents a device: {most} measured"
        beyond.append(Beyond(text=text, steps=math.log2(part.agents / most)))
    factors = [1.0]
    if part.po2 != seen.po2:
        fit = fit_of(found, part.like, part.po2)
        factors = po2_factors(fit, seen.po2, part.po2)
        notes.append(fit.words)
        beyond += fit.beyond(part.po2)
    variants = tuple(_sharing(part, _scaled(pools, part.host, factor)) for factor in factors)
    return HostOutlook(variants=variants, basis="; ".join(notes), beyond=tuple(beyond))


def _scaled(pools: Pools, host: str, factor: float) -> Pools:
    """Device and bus seconds of proves multiplied."""
    key = (host, TaskKind.PROVE)
    longer = tuple(replace(s, device=s.device * factor, bus=s.bus * factor) for s in pools.get(key, ()))
    return {**pools, key: longer}
