"""How a host would serve tasks under settings that need not have been measured: the nearest that was, and corrections.

A *shape* is what a host was measured with: devices in use, agents on each, segment size. The nearest shape gives the
service times; what differs is corrected, each correction by every law that the records do not refute. The answer is
therefore a tuple of variants, which bound the truth together. What leaves the measured range says so (`Beyond`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product

from fleet.analyse.causes.neighbours import contrast_of, stretches
from fleet.analyse.evidence.findings import Findings
from fleet.analyse.foretell.po2fit import fit_of, segment_cycles, sized
from fleet.analyse.foretell.shapes import Part, Shape, Shapes, pools_for, shapes_of, workers_for
from fleet.analyse.foretell.unpacked import apart, lone_pools, overlaps, resized
from fleet.analyse.foretell.whatif import PRIOR_EFFICIENCY
from fleet.errors import ConfigurationError
from fleet.model.rates import AGENT_KINDS
from fleet.model.record import TaskKind
from fleet.model.simulation import Beyond
from fleet.twin.calibrate import Pools, split_pools, stretched, whole_pools
from fleet.twin.replay import Worker
from fleet.units import format_setting, task_word


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """One host's agents and the samples of their times, keyed by that host."""

    workers: tuple[Worker, ...]
    pools: Pools


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOutlook:
    """How a host would serve, by every law that may hold; `basis` in the operator's words.

    `noise`: the relative standard error that luck leaves in its times, where they are of other trials than those in
    service; 0 where they are of the same ones.
    """

    variants: tuple[Supply, ...]
    basis: str
    beyond: tuple[Beyond, ...] = ()
    noise: float = 0.0


UNPACKED = 0.05
"""By how much more the times of an agent alone may be off where they follow from those of several on a device."""


def supply_of(found: Findings, part: Part) -> HostOutlook:
    """How this part of a layout would serve. ConfigurationError where nothing measured says anything about it."""
    return replace(_supplied(found, part), noise=_noise(found, part))


def _noise(found: Findings, part: Part) -> float:
    """The luck of the trials nearest to another segment size than that in service.

    Of the same size it is the same trials that tell what is and what would be, and most of their luck cancels.
    """
    base = found.base
    arms = [arm for arm in found.arms if part.like in {agent.host for agent in arm.layout.agents}]
    if base is None or not arms or part.po2 == base.layout.po2:
        return 0.0
    near = min(
        arms, key=lambda arm: (abs(arm.layout.po2 - part.po2), arm.layout.agents_per_device > 1, -len(arm.trials))
    )
    unpacked = UNPACKED if near.layout.agents_per_device > 1 and part.agents != near.layout.agents_per_device else 0.0
    return math.hypot(found.spread.of_mean(near.logs), unpacked)


def _supplied(found: Findings, part: Part) -> HostOutlook:
    """The same, but for its noise.

    What was measured is taken as it is. Agents that share a device take turns on it in the replay, as their waiting
    depends on everything else; alone on a device, their times have the waiting inside and are corrected.
    """
    shapes = shapes_of(found, part.like)
    if not shapes:
        raise ConfigurationError(f"{part.like} was not measured in this run", hint="nothing can be said of its like")
    if part.shape in shapes and not part.strange:
        return _as_measured(found, part, shapes)
    nearest = min(shapes, key=lambda shape: _distance_of(shape, part.shape))
    single = _single(found, part, shapes)
    if single is not None and (part.agents > 1 or (part.po2 not in {s.po2 for s in shapes if s.agents == 1})):
        return _packed(found, part, single, shapes)
    if nearest.agents != part.agents:
        measured = " and ".join(str(n) for n in sorted({shape.agents for shape in shapes}))
        raise ConfigurationError(
            f"{part.agents} agents a device cannot be inferred for {part.like}: it was measured with {measured}",
            hint="measure one agent a device: what agents do to each other is added to that",
        )
    return _corrected(found, part, nearest, shapes)


def _as_measured(found: Findings, part: Part, shapes: Shapes) -> HostOutlook:
    """The times of this very shape; where agents share devices, also their turns, as their waiting is no constant."""
    pools = _whole(found, part, shapes, part.shape)
    seen = HostOutlook(variants=(_independent(found, part, pools),), basis=_basis(part, part.shape))
    single = _single(found, part, shapes) if part.agents > 1 else None
    if single is None or (single.po2 != part.po2 and not sized(found, part.like)):
        return seen
    packed = _packed(found, part, single, shapes)
    return replace(seen, variants=(*seen.variants, *packed.variants), basis=f"{seen.basis}; {packed.basis}")


def _single(found: Findings, part: Part, shapes: Shapes) -> Shape | None:
    """The nearest shape with one agent a device: of one device where the bus is crowded, as its times are pure."""
    crowded = _by_bus(found, part.like)
    single = (shape for shape in shapes if shape.agents == 1)
    return min(single, key=lambda s: (crowded and s.devices > 1, abs(s.po2 - part.po2), s.devices), default=None)


def _distance_of(seen: Shape, wanted: Shape) -> tuple[bool, int, float]:
    """Other agents on a device are the furthest, then other segment sizes, then other numbers of devices."""
    devices = abs(math.log2(seen.devices / wanted.devices))
    return (seen.agents != wanted.agents, abs(seen.po2 - wanted.po2), devices)


def _basis(part: Part, seen: Shape) -> str:
    each = "1 agent" if seen.agents == 1 else f"{seen.agents} agents"
    gpus = "1 device" if seen.devices == 1 else f"{seen.devices} devices"
    own = part.host if part.host == part.like else f"{part.host}, served like {part.like}"
    return f"{own}: measured with {gpus}, {each} each, {format_setting(seen.po2)}"


def _independent(found: Findings, part: Part, pools: Pools) -> Supply:
    """Agents that share nothing: their times have the waiting inside."""
    workers = (replace(worker, device=f"{n}") for n, worker in enumerate(workers_for(found, part)))
    return Supply(workers=tuple(workers), pools=pools)


def _sharing(found: Findings, part: Part, pools: Pools) -> Supply:
    """Agents that queue for their device and their host's bus: their times are free of waiting."""
    return Supply(workers=workers_for(found, part), pools=pools)


def _whole(found: Findings, part: Part, shapes: Shapes, seen: Shape) -> Pools:
    return pools_for(found, part, shapes, seen, whole_pools) or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Correction:
    """One thing in which what is asked differs from what was measured: how much longer tasks take, by each law."""

    prove: tuple[float, ...] = (1.0,)
    everything: tuple[float, ...] = (1.0,)
    words: tuple[str, ...] = ()
    beyond: tuple[Beyond, ...] = ()


def _corrected(found: Findings, part: Part, seen: Shape, shapes: Shapes) -> HostOutlook:
    """As many agents on each device as measured; other devices, another segment size or a strange host."""
    corrections = (
        _devices(found, part, seen, max(shape.devices for shape in shapes)),
        _size(found, part, seen),
        _distance(part),
    )
    pools = _whole(found, part, shapes, seen)
    variants = [
        _independent(found, part, _slowed(pools, math.prod(factors), far))
        for factors in product(*(one.prove for one in corrections))
        for far in corrections[-1].everything
    ]
    return HostOutlook(
        variants=(*variants, *_bus_queue(found, part, seen, shapes)),
        basis="; ".join((_basis(part, seen), *(words for one in corrections for words in one.words))),
        beyond=tuple(beyond for one in corrections for beyond in one.beyond),
    )


def _devices(found: Findings, part: Part, seen: Shape, most: int) -> _Correction:
    asked = part.shape.devices
    if asked == seen.devices:
        return _Correction()
    laws = stretches(found, part.like, seen.devices, asked)
    (first, law), *others = dict.fromkeys((f"{one.ratio:.2f}", one.law) for one in laws)
    told = (f"{first} times as long ({law})", *(f"{ratio} ({law})" for ratio, law in others))
    return _Correction(
        prove=tuple(one.ratio for one in laws),
        words=(f"with {asked} a {task_word()} takes {', '.join(told)}",),
        beyond=_more_devices(part, most) or _no_contrast(found, part, seen),
    )


def _more_devices(part: Part, most: int) -> tuple[Beyond, ...]:
    asked = part.shape.devices
    text = f"{part.host} with {asked} devices: at most {most} measured"
    return (Beyond(text=text, steps=math.log2(asked / most)),) if asked > most else ()


def _no_contrast(found: Findings, part: Part, seen: Shape) -> tuple[Beyond, ...]:
    """Fewer devices than measured, where none of them was ever alone: the laws' bounds are the whole interval."""
    if contrast_of(found, part.like) is not None:
        return ()
    text = f"{part.host} with {part.shape.devices} of its devices: only {seen.devices} at once were measured"
    return (Beyond(text=text, steps=0.0),)


def _size(found: Findings, part: Part, seen: Shape, *, off_bus: bool = False) -> _Correction:
    if part.po2 == seen.po2:
        return _Correction()
    fit = fit_of(found, part.like, part.po2, off_bus=off_bus)
    return _Correction(prove=fit.factors(seen.po2, part.po2), words=(fit.words,), beyond=fit.beyond(part.po2))


def _distance(part: Part) -> _Correction:
    if not part.strange:
        return _Correction()
    return _Correction(
        everything=(1 / PRIOR_EFFICIENCY, 2 / (1 + PRIOR_EFFICIENCY), 1.0),
        words=(f"at an efficiency of {PRIOR_EFFICIENCY:.2f} to 1",),
        beyond=(Beyond(text="a remote worker: none was measured", steps=1.0),),
    )


def _slowed(pools: Pools, prove: float, everything: float) -> Pools:
    if prove == everything == 1.0:
        return pools
    factors = {key: everything * (prove if key[1] is TaskKind.PROVE else 1.0) for key in pools if key[1] in AGENT_KINDS}
    return stretched(pools, factors)


def _bus_queue(found: Findings, part: Part, seen: Shape, shapes: Shapes) -> tuple[Supply, ...]:
    """The bus as a queue in the replay, where the records show that it explains what devices do to each other."""
    alone = [shape for shape in shapes if (shape.devices, shape.agents) == (1, 1)]
    if part.shape.devices == seen.devices or part.agents != 1 or part.strange or not alone:
        return ()
    if not _by_bus(found, part.like):
        return ()
    lone = min(alone, key=lambda shape: abs(shape.po2 - part.po2))
    pools = pools_for(found, part, shapes, lone, split_pools)
    factor = _size(found, part, lone, off_bus=True).prove[0]
    return (_sharing(found, part, _longer(found, pools, part, lone, factor)),) if pools else ()


def _by_bus(found: Findings, host: str) -> bool:
    contrast = contrast_of(found, host)
    return contrast is not None and contrast.by_bus


def _packed(found: Findings, part: Part, seen: Shape, shapes: Shapes) -> HostOutlook:
    """Agents take turns on their device, and on the bus, in the replay; `seen` has one agent a device.

    Their way there and back, and what else a contrast shows to overlap, they spend while others have the device.
    """
    pools, split = lone_pools(found, part, shapes, seen)
    queued = split and _by_bus(found, part.like)
    most = max(shape.devices for shape in shapes)
    freed = overlaps(found, part, shapes) if part.agents > 1 else (0.0,)
    corrections = (
        _Correction() if queued else _devices(found, part, seen, most),
        _size(found, part, seen, off_bus=split),
        _turns(part, max(shape.agents for shape in shapes), "device and bus" if split else "the device"),
        _distance(part),
    )
    variants = [
        _sharing(found, part, _longer(found, apart(_slowed(pools, 1.0, far), share), part, seen, math.prod(factors)))
        for factors in product(*(one.prove for one in corrections))
        for far in corrections[-1].everything
        for share in freed
    ]
    more = _more_devices(part, most) if queued else ()
    return HostOutlook(
        variants=tuple(variants),
        basis="; ".join((_basis(part, seen), *(words for one in corrections for words in one.words))),
        beyond=(*more, *(beyond for one in corrections for beyond in one.beyond)),
    )


def _turns(part: Part, most: int, what: str) -> _Correction:
    if part.agents == 1:
        return _Correction()
    text = f"{part.host} with {part.agents} agents a device: at most {most} measured"
    return _Correction(
        words=(f"{part.agents} agents take turns on {what}",),
        beyond=(Beyond(text=text, steps=math.log2(part.agents / most)),) if part.agents > most else (),
    )


def _longer(found: Findings, pools: Pools, part: Part, seen: Shape, factor: float) -> Pools:
    """Device seconds of proves multiplied; their bytes, and so their seconds on the bus, go with the segment's size."""
    if part.po2 == seen.po2 and factor == 1.0:
        return pools
    return resized(pools, factor, segment_cycles(found, part.po2) / segment_cycles(found, seen.po2))
