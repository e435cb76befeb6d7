"""How a prove's time depends on the segment size: s(po2) = a + b·2^po2 over the sizes that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleet.analyse.findings import Findings
from fleet.errors import ConfigurationError
from fleet.model.record import TaskKind
from fleet.model.simulation import Beyond
from fleet.model.trial import AgentSpec
from fleet.twin.calibrate import host_times

TWO = 2
"""Sizes that a line through them needs."""

ENDS = 2.0
"""How many standard errors the constant may be off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """Mean seconds of a prove of one size, and their standard error."""

    po2: int
    seconds: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Po2Fit:
    """Seconds of a prove: `a` + `b`·2^po2, from the sizes in `measured` on `host`; `error`: standard error of `a`."""

    host: str
    a: float
    b: float
    measured: tuple[int, ...]
    error: float = 0.0

    def seconds(self, po2: int) -> float:
        """What a prove of that size takes."""
        return self.a + self.b * 2.0**po2

    @property
    def words(self) -> str:
        """The fit in the operator's words."""
        sizes = ", ".join(map(str, self.measured))
        return f"prove times of {self.host} fitted over po2 {sizes}: {self.a:.2f} s + {self.b * 1e6:.3g} µs a cycle"

    def factors(self, seen: int, wanted: int) -> tuple[float, ...]:
        """What a prove's time is multiplied by from one size to another.

        Outside the measured sizes also both ends of what noise in the constant may hide: at its least, time in
        proportion to the size; a larger constant makes small segments dear and large ones cheap.
        """
        if not self.beyond(wanted):
            return (self.seconds(wanted) / self.seconds(seen),)
        there, size = self.seconds(seen), 2.0 ** (wanted - seen)
        ends = (self.a, max(0.0, self.a - ENDS * self.error), min(there, self.a + ENDS * self.error))
        return tuple(size + (1 - size) * constant / there for constant in dict.fromkeys(ends))

    def beyond(self, po2: int) -> tuple[Beyond, ...]:
        """How far outside the measured sizes that is; a size between two measured ones is not."""
        steps = max(self.measured[0] - po2, po2 - self.measured[-1], 0)
        sizes = ", ".join(map(str, self.measured))
        return (Beyond(text=f"po2 {po2}: measured at po2 {sizes}", steps=float(steps)),) if steps else ()


def fit_of(found: Findings, host: str, po2: int, *, off_bus: bool = False) -> Po2Fit:
    """The fit of this host, else of any other. ConfigurationError where no host has two sizes measured alike.

    `off_bus`: of a prove's seconds off the bus only, from agents that had their device to themselves; where transfers
    are not known, of all its seconds.
    """
    for pure in (True, False) if off_bus else (False,):
        for name in _names(found, host):
            for points in _series(found, name, off_bus=pure):
                if len(points) >= TWO:
                    return _fitted(name, points)
    raise ConfigurationError(
        f"po2 {po2} was not measured, and no host was measured at two segment sizes to infer it from",
        hint=f"only po2 {found.log.plan.current.po2} was measured with these settings; a larger budget measures others",
    )


def sized(found: Findings, host: str) -> bool:
    """Whether any host was measured at two sizes alike, so that there is a fit."""
    return any(len(points) >= TWO for name in _names(found, host) for points in _series(found, name, off_bus=False))


def _names(found: Findings, host: str) -> list[str]:
    """The host, then all others."""
    return [host, *(h.name for h in found.log.inventory.hosts if h.name != host)]


def _series(found: Findings, host: str, *, off_bus: bool) -> list[list[Sized]]:
    """The prove times of arms that differ in their segment size only; the longest series first."""
    series: dict[tuple[AgentSpec, ...], dict[int, Sized]] = {}
    for arm in found.arms:
        times = host_times(arm.jobs, host, TaskKind.PROVE) if host in {a.host for a in arm.layout.agents} else None
        if times is None or (off_bus and (times.transfer is None or arm.layout.agents_per_device > 1)):
            continue
        seconds = times.seconds - (times.transfer or 0.0) if off_bus else times.seconds
        if seconds > 0:
            size = Sized(po2=arm.layout.po2, seconds=seconds, error=seconds * found.spread.of_mean(arm.logs))
            series.setdefault(arm.layout.agents, {})[arm.layout.po2] = size
    # Fewer agents wait less for each other: of equally long series the one with fewer is the purer.
    ordered = sorted(series.items(), key=lambda entry: (-len(entry[1]), len(entry[0])))
    return [sorted(points.values(), key=lambda point: point.po2) for _, points in ordered]


def _fitted(host: str, points: Sequence[Sized]) -> Po2Fit:
    """Least squares on relative errors; a negative constant is noise, and the line then goes through the origin.

    The constant's error is that of the line through the outermost sizes.
    """
    cycles = np.array([2.0**point.po2 for point in points])
    seconds = np.array([point.seconds for point in points])
    design = np.stack([1 / seconds, cycles / seconds], axis=1)
    (a, b), *_ = np.linalg.lstsq(design, np.ones(len(points)), rcond=None)
    if a < 0 or b <= 0:
        a, b = (0.0, float(np.mean(seconds / cycles))) if a < 0 else (float(seconds.mean()), 0.0)
    first, last, reach = points[0], points[-1], cycles[-1] / cycles[0]
    error = float(np.hypot(reach * first.error, last.error) / (reach - 1))
    return Po2Fit(host=host, a=float(a), b=float(b), measured=tuple(point.po2 for point in points), error=error)
