"""One fleet over time: the figures of its runs that are alike, their change points, and what had changed there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean

from fleet.analyse.across.changepoints import FEWEST, Break, change_points
from fleet.analyse.across.compare import WORTH
from fleet.analyse.across.likeness import changed
from fleet.analyse.across.twosample import ALPHA, Mean, interval, p_of, step
from fleet.model.catalogue import Circumstance, Digest
from fleet.model.estimate import Estimate
from fleet.model.trend import Point, Series, Shift, Trend
from fleet.model.trial import Layout, Load

Under = Callable[[str], Sequence[Circumstance]]
"""What a run was measured under, by its id."""


def trend_of(digests: Sequence[Digest], under: Under, *, worth: float = WORTH) -> Trend:
    """The runs that are like the latest of these, which are of one fleet and in the order of their age."""
    latest = digests[-1]
    alike = [digest for digest in digests if digest.terms == latest.terms]
    series = _points(alike, latest)
    tested = sum(len(points) >= FEWEST for points in series.values())
    return Trend(
        inventory=latest.inventory,
        emulated=any(term.value == "emulated" for term in latest.terms),
        runs=len(alike),
        left_out=len(digests) - len(alike),
        series=tuple(
            _series(layout, load, points, under, level=ALPHA / max(1, tested), worth=worth)
            for (layout, load), points in series.items()
        ),
        level=ALPHA,
        worth=worth,
        fewest=FEWEST,
    )


def _points(digests: Sequence[Digest], latest: Digest) -> dict[tuple[Layout, Load], list[Point]]:
    """By layout and load: the layout in service first, then what was measured most often."""
    found: dict[tuple[Layout, Load], list[Point]] = {}
    for digest in digests:
        for one in digest.figures:
            point = Point(run=digest.run, created=digest.created, hz=one.hz, n=len(one.rates))
            found.setdefault((one.layout, one.load), []).append(point)
    order = sorted(
        found,
        key=lambda key: (key != (latest.current, latest.load), key[0] != latest.current, -len(found[key])),
    )
    return {key: found[key] for key in order}


def _series(layout: Layout, load: Load, points: Sequence[Point], under: Under, *, level: float, worth: float) -> Series:
    logs = [math.log(point.hz) for point in points]
    breaks = _large(logs, change_points(logs, level), worth)
    edges = (0, *(one.at for one in breaks), len(logs))
    levels = [logs[first:last] for first, last in pairwise(edges)]
    means = _means(levels)
    return Series(
        layout=layout,
        load=load,
        points=tuple(points),
        now=interval(means[-1], "Hz"),
        shifts=tuple(_shift(points, one, means[at : at + 2], under) for at, one in enumerate(breaks)),
        astray=_astray(levels, worth),
    )


def _large(logs: Sequence[float], found: Sequence[Break], worth: float) -> list[Break]:
    """The breaks whose step from level to level is worth a word; the smallest is dropped first, as it joins two."""
    breaks = list(found)
    while breaks:
        edges = (0, *(one.at for one in breaks), len(logs))
        levels = [fmean(logs[first:last]) for first, last in pairwise(edges)]
        steps = [abs(math.expm1(after - before)) for before, after in pairwise(levels)]
        smallest = min(range(len(steps)), key=lambda at: steps[at])
        if steps[smallest] >= worth:
            break
        del breaks[smallest]
    return breaks


def _means(levels: Sequence[Sequence[float]]) -> list[Mean]:
    """The level of each segment; how much runs differ within segments is taken to be the same in all of them."""
    freedom = max(1, sum(len(logs) - 1 for logs in levels))
    variance = max(sum((x - fmean(logs)) ** 2 for logs in levels for x in logs) / freedom, 1e-12)
    return [
        Mean(value=math.exp(fmean(logs)), variance=variance / len(logs), freedom=freedom, n=len(logs))
        for logs in levels
    ]


def _shift(points: Sequence[Point], found: Break, around: Sequence[Mean], under: Under) -> Shift:
    before, at = points[found.at - 1], points[found.at]
    return Shift(
        before=before.run,
        at=at.run,
        created=at.created,
        change=step(*around).relative,
        p=found.p,
        changed=changed(under(before.run), under(at.run)),
    )


def _astray(levels: Sequence[Sequence[float]], worth: float) -> Estimate | None:
    """By what the latest run is off the level before it, with its interval, where that is no chance and no trifle."""
    *before, latest = levels[-1]
    rest = [*levels[:-1], before]
    if len(before) < FEWEST - 1:
        return None
    level = _means(rest)[-1]
    alone = Mean(value=math.exp(latest), variance=level.variance * len(before), freedom=level.freedom, n=1)
    # One and the same noise stands behind both, so that its degrees of freedom are not added up.
    off, error = latest - math.log(level.value), math.sqrt(alone.variance + level.variance)
    if abs(math.expm1(off)) < worth or p_of(abs(off) / error, level.freedom) >= ALPHA:
        return None
    return step(level, alone).relative
