"""Which figures belong together and in which order, for the renderings that people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from fleet.model.trial import Goal
from fleet.model.verdict import Analysis, Choice, Option, Refusal, Report, Throughput


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A throughput and its gain over the layout in service under the same load (None = that was not measured).

    `current`: it is the layout in service. `bound`: Hz that the task graph allows when no service time changes.
    """

    throughput: Throughput
    current: bool
    gain: float | None
    bound: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Observations that were refused alike."""

    refusal: Refusal
    trials: tuple[str, ...]


def by_load(report: Report) -> tuple[tuple[Measured, ...], ...]:
    """The throughputs in groups of one load each; slowest layout first, so that they make stairs.

    The load that the verdict is about comes first.
    """
    several = report.analysis.goal is Goal.CAPACITY

    def order(found: Throughput) -> tuple[bool, int, int]:
        return ((found.jobs > 1) is not several, found.jobs, found.iterations)

    groups = groupby(sorted(report.analysis.throughputs, key=order), key=order)
    return tuple(_group(report, tuple(group)) for _, group in groups)


def _group(report: Report, found: Sequence[Throughput]) -> tuple[Measured, ...]:
    base = next((one.hz.value for one in found if one.layout == report.current), None)
    return tuple(
        Measured(
            throughput=one,
            current=one.layout == report.current,
            gain=one.hz.value / base - 1 if base else None,
            bound=_bound(report.analysis, found, one),
        )
        for one in sorted(found, key=lambda one: (one.hz.value, one.layout.label))
    )


def _bound(analysis: Analysis, found: Sequence[Throughput], one: Throughput) -> float | None:
    hertz = {other.layout: other.hz.value for other in found}
    bounds = [
        hertz[scaling.base] * scaling.ideal
        for scaling in analysis.scalings
        if scaling.layout == one.layout and scaling.base in hertz
    ]
    return max(bounds, default=None)


def chosen(analysis: Analysis) -> Option | None:
    """The option that the verdict stands for; None where it stands for none."""
    verdict = analysis.verdict
    if verdict.choice is Choice.INCONCLUSIVE:
        return None
    same = [option for option in analysis.options if option.choice is verdict.choice]
    return max(same, key=lambda option: (option.label == verdict.label, option.best), default=None)


def ranked(analysis: Analysis) -> tuple[Option, ...]:
    """The options, the chosen one first, then the likelier ones, then those that cannot be done."""
    pick = chosen(analysis)
    return tuple(
        sorted(analysis.options, key=lambda option: (option is not pick, option.blocked is not None, -option.best))
    )


def refused_alike(refusals: Sequence[Refusal]) -> tuple[Refused, ...]:
    """Refusals that say the same of the same layout, as one."""
    alike: dict[tuple[str, str, str, str], list[Refusal]] = {}
    for refusal in refusals:
        alike.setdefault((refusal.code, refusal.label, refusal.seen, refusal.cure), []).append(refusal)
    return tuple(
        Refused(refusal=group[0], trials=tuple(refusal.trial for refusal in group)) for group in alike.values()
    )
