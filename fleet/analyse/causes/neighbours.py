"""What any number of devices in one box does to a prove, by every law that the measured contrast does not refute."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fleet.analyse.causes.crowding import PRIOR_INFLATION, Crowding, between, crowding
from fleet.analyse.evidence.findings import Findings
from fleet.model.record import TaskKind
from fleet.twin.calibrate import host_times
from fleet.twin.sharing import SHARING_LAWS, SharingLaw, balanced_visit, service_time, shared_part


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Prove seconds with the devices asked for ÷ those with the devices measured, and the law that says so."""

    law: str
    ratio: float


def contrast_of(found: Findings, host: str) -> Crowding | None:
    """One device of the host against all in service; None where that was not measured."""
    base = found.base
    return crowding(found, base) if base is not None and host == found.box.name else None


def stretches(found: Findings, host: str, measured: int, devices: int) -> tuple[Stretch, ...]:
    """What the laws say of `devices` devices in a host whose times were taken with `measured` of them."""
    contrast = contrast_of(found, host)
    if contrast is None:
        return _bounds(found, host, measured, devices)
    ratios = []
    for name, law, shared in _laws(contrast):
        seconds = [service_time(law, contrast.alone, shared, contrast.between, n) for n in (measured, devices)]
        ratio = seconds[1] / seconds[0]
        # More devices never make a prove faster, fewer never slower.
        ratios.append(Stretch(law=name, ratio=max(1.0, ratio) if devices > measured else min(1.0, ratio)))
    return tuple(ratios)


def _laws(seen: Crowding) -> Iterator[tuple[str, SharingLaw, float]]:
    """(name, law, seconds on what is shared) as `crowding.next_inflations` chooses them."""
    if seen.by_bus and seen.moved is not None:
        yield "queueing for the bus", balanced_visit, seen.moved
    elif not seen.notable:
        hidden = shared_part(balanced_visit, seen.alone, seen.alone * seen.stretch.high, seen.between, seen.devices)
        yield "no inflation seen", balanced_visit, 0.0
        yield "queueing, as much as the noise may hide", balanced_visit, hidden
    else:
        for name, law in SHARING_LAWS:
            shared = shared_part(law, seen.alone, seen.now, seen.between, seen.devices)
            yield f"{name}, fitted to the inflation seen", law, shared


def _bounds(found: Findings, host: str, measured: int, devices: int) -> tuple[Stretch, ...]:
    """Where no contrast was measured in the host: from no crowding at all to the worst that is plausible."""
    if devices < measured:
        return _relief(found, host, measured, devices)
    worst = devices / measured
    if measured == 1:
        worst = 1 + (PRIOR_INFLATION - 1) * (devices - 1)
        arm = found.alone(host)
        times = host_times(arm.jobs, host, TaskKind.PROVE) if arm else None
        if arm is not None and times is not None and times.transfer is not None:
            alone, moved = times.seconds, times.transfer
            worst = max(worst, service_time(balanced_visit, alone, moved, between(arm), devices) / alone)
    return (
        Stretch(law="no crowding", ratio=1.0),
        Stretch(law="half of the worst crowding", ratio=math.sqrt(worst)),
        Stretch(law="the worst crowding that is plausible", ratio=worst),
    )


def _relief(found: Findings, host: str, measured: int, devices: int) -> tuple[Stretch, ...]:
    """What fewer devices may be spared where none was measured so: even odds that they do not notice each other.

    Else all that transfers may have waited for each other, and what else is plausible; at worst something was full.
    """
    arms = [arm for arm in found.arms if sum(name == host for name, _ in arm.layout.devices) == measured]
    times = host_times((job for arm in arms for job in arm.jobs), host, TaskKind.PROVE)
    full = devices / measured
    waited = 1 - full if times is None or times.transfer is None else times.transfer / times.seconds * (1 - full)
    plausible = (1 + (PRIOR_INFLATION - 1) * (devices - 1)) / (1 + (PRIOR_INFLATION - 1) * (measured - 1))
    usual = max(full, (1 - waited) * plausible)
    return (
        *[Stretch(law="no crowding", ratio=1.0)] * 3,
        Stretch(law="half of the usual crowding", ratio=math.sqrt(usual)),
        Stretch(law="all of the usual crowding", ratio=usual),
        Stretch(law="something that was full", ratio=full),
    )
