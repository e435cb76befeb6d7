"""How a prove's time depends on the segment size: s = a + b·cycles over the sizes that were measured.

A job's last segment may be smaller than the others, so the mean cycles of those measured count, not 2^po2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean

import numpy as np

from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings
from fleet.analyse.foretell.unpacked import unpacked
from fleet.errors import ConfigurationError
from fleet.model.record import TaskKind
from fleet.model.simulation import Beyond
from fleet.model.trial import AgentSpec
from fleet.twin.calibrate import host_times
from fleet.units import format_setting

TWO = 2
"""Sizes that a line through them needs."""

ENDS = 2.0
"""How many standard errors the constant may be off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """Mean seconds of a prove of one size, their standard error, and the mean cycles of its segments."""

    po2: int
    cycles: float
    seconds: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Po2Fit:
    """Seconds of a prove: `a` + `b`·cycles, from the sizes in `measured` on `host`; `error`: standard error of `a`.

    `size`: mean cycles of a segment of 2^po2.
    """

    host: str
    a: float
    b: float
    measured: tuple[int, ...]
    size: Callable[[int], float] = field(repr=False)
    error: float = 0.0

    def seconds(self, po2: int) -> float:
        """What a prove of that size takes on average."""
        return self.a + self.b * self.size(po2)

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
        there, size = self.seconds(seen), self.size(wanted) / self.size(seen)
        ends = (self.a, max(0.0, self.a - ENDS * self.error), min(there, self.a + ENDS * self.error))
        return tuple(size + (1 - size) * constant / there for constant in dict.fromkeys(ends))

    def beyond(self, po2: int) -> tuple[Beyond, ...]:
        """How far outside the measured sizes that is; a size between two measured ones is not."""
        steps = max(self.measured[0] - po2, po2 - self.measured[-1], 0)
        sizes = ", ".join(map(str, self.measured))
        return (Beyond(text=f"po2 {po2}: measured at po2 {sizes}", steps=float(steps)),) if steps else ()


def segment_cycles(found: Findings, po2: int) -> float:
    """Mean cycles of a segment of 2^po2 under the plan's load; all are taken to be full where none was seen."""
    jobs = [job for arm in found.arms if arm.layout.po2 == po2 for job in arm.jobs]
    return fmean(job.total_cycles / job.segments for job in jobs) if jobs else 2.0**po2


def fit_of(found: Findings, host: str, po2: int, *, off_bus: bool = False) -> Po2Fit:
    """The fit of this host, else of any other. ConfigurationError where no host has two sizes measured alike.

    `off_bus`: of the seconds for which a prove holds its device only, from agents that had it to themselves, and from
    what others would have needed alone; where transfers are not known, of all its seconds.
    """
    for pure in (True, False) if off_bus else (False,):
        for name in _names(found, host):
            for points in _device_series(found, name) if pure else _series(found, name):
                if len(points) >= TWO:
                    return _fitted(found, name, points)
    raise ConfigurationError(
        f"{format_setting(po2)} was not measured, and no host was measured at two segment sizes to infer it from",
        hint=f"only {format_setting(found.log.plan.current.po2)} was measured with these settings; a larger budget "
        "measures others",
    )


def sized(found: Findings, host: str) -> bool:
    """Whether any host was measured at two sizes alike, so that there is a fit."""
    return any(len(points) >= TWO for name in _names(found, host) for points in _series(found, name))


def _names(found: Findings, host: str) -> list[str]:
    """The host, then all others."""
    return [host, *(h.name for h in found.log.inventory.hosts if h.name != host)]


def _series(found: Findings, host: str) -> list[list[Sized]]:
    """The prove times of arms that differ in their segment size only; the longest series first."""
    series: dict[tuple[AgentSpec, ...], dict[int, Sized]] = {}
    for arm in found.arms:
        times = host_times(arm.jobs, host, TaskKind.PROVE) if host in {a.host for a in arm.layout.agents} else None
        if times is not None and times.seconds > 0:
            point = _sized(found, arm, times.seconds)
            series.setdefault(arm.layout.agents, {})[point.po2] = point
    # Fewer agents wait less for each other: of equally long series the one with fewer is the purer.
    ordered = sorted(series.items(), key=lambda entry: (-len(entry[1]), len(entry[0])))
    return [sorted(points.values(), key=lambda point: point.po2) for _, points in ordered]


def _device_series(found: Findings, host: str) -> list[list[Sized]]:
    """One series: for each size the device seconds of the arm with the fewest devices and agents."""
    points: dict[int, Sized] = {}
    arms = [arm for arm in found.arms if host in {a.host for a in arm.layout.agents}]
    alone = [arm for arm in arms if arm.layout.agents_per_device == 1]
    for arm in sorted(alone, key=lambda arm: (len(arm.layout.devices), -len(arm.trials))):
        times = host_times(arm.jobs, host, TaskKind.PROVE)
        if times is not None and times.transfer is not None:
            held = times.seconds - times.transfer - (times.away or 0.0)
            points.setdefault(arm.layout.po2, _sized(found, arm, held))
    for arm, seconds in unpacked(found, host, partial(segment_cycles, found)):
        points.setdefault(arm.layout.po2, _sized(found, arm, seconds))
    return [sorted((point for point in points.values() if point.seconds > 0), key=lambda point: point.po2)]


def _sized(found: Findings, arm: Arm, seconds: float) -> Sized:
    """The relative error of a prove's mean is taken to be that of the arm's rate."""
    po2 = arm.layout.po2
    error = seconds * found.spread.of_mean(arm.logs)
    return Sized(po2=po2, cycles=segment_cycles(found, po2), seconds=seconds, error=error)


def _fitted(found: Findings, host: str, points: Sequence[Sized]) -> Po2Fit:
    """Least squares on relative errors; a negative constant is noise, and the line then goes through the origin.

    The constant's error is that of the line through the outermost sizes.
    """
    cycles = np.array([point.cycles for point in points])
    seconds = np.array([point.seconds for point in points])
    design = np.stack([1 / seconds, cycles / seconds], axis=1)
    (a, b), *_ = np.linalg.lstsq(design, np.ones(len(points)), rcond=None)
    if a < 0 or b <= 0:
        a, b = (0.0, float(np.mean(seconds / cycles))) if a < 0 else (float(seconds.mean()), 0.0)
    first, last, reach = points[0], points[-1], cycles[-1] / cycles[0]
    error = float(np.hypot(reach * first.error, last.error) / (reach - 1))
    measured, size = tuple(point.po2 for point in points), partial(segment_cycles, found)
    return Po2Fit(host=host, a=float(a), b=float(b), measured=measured, size=size, error=error)
