"""One fleet over time: what its layouts gave in each run, and where that has changed for good."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.model.comparison import Changed
from fleet.model.estimate import Estimate
from fleet.model.trial import Layout, Load


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What a layout gave in one run, from `n` trials."""

    run: str
    created: float
    hz: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A change point: `at` is the first run of the new level, `before` the last of the old one.

    `p`: how probable so clear a step anywhere in the series would be without one. `changed`: what else differs
    between the two runs.
    """

    before: str
    at: str
    created: float
    change: Estimate
    p: float
    changed: tuple[Changed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One layout under one load, oldest run first. `now`: the level since the last change point.

    `astray`: by what share the latest run is off that level, where one run alone is that far off; else None.
    """

    layout: Layout
    load: Load
    points: tuple[Point, ...]
    now: Estimate
    shifts: tuple[Shift, ...] = ()
    astray: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The runs of a fleet that are like the latest one. `left_out`: how many are not.

    `level`: the chance of any false change point in all series together. `worth`: a smaller shift is none. `fewest`:
    how many runs it takes to look for one.
    """

    inventory: str
    emulated: bool
    runs: int
    left_out: int
    series: tuple[Series, ...]
    level: float
    worth: float
    fewest: int
