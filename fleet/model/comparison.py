"""Runs held against each other: what differs in their figures, how sure that is, and what else had changed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fleet.model.catalogue import Answer
from fleet.model.estimate import Estimate
from fleet.model.trial import Layout, Load


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A circumstance that was another one, then and now."""

    name: str
    then: str
    now: str


class Finding(StrEnum):
    """What two samples say of a figure: it went up or down notably, it stayed, or they cannot tell."""

    UP = "up"
    DOWN = "down"
    SAME = "same"
    UNKNOWN = "unknown"


class Gate(StrEnum):
    """Whether a rate fell by more than is allowed: the interval excludes it, shows it, or cannot tell."""

    PASSED = "passed"
    FAILED = "failed"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One figure in two runs. `then` and `now` with their own intervals; `change` is relative (0.1 = +10 %).

    `p`: how probable so clear a difference beyond the practical threshold would be without one, after Holm's
    correction for how many are compared. `gate` None = nobody asked.
    """

    layout: Layout
    load: Load
    what: str
    then: Estimate
    now: Estimate
    change: Estimate
    p: float
    finding: Finding
    gate: Gate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the runs."""

    run: str
    created: float
    inventory: str
    version: str
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One run against the base. `only_then`, `only_now`: layouts that only one of the two has figures of."""

    side: Side
    rates: tuple[Difference, ...]
    services: tuple[Difference, ...]
    changed: tuple[Changed, ...]
    only_then: tuple[Layout, ...] = ()
    only_now: tuple[Layout, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Runs against the first of them. `worth`: the practical threshold, a share; `allowed`: what a rate may fall by.

    `emulated`: all figures are, as runs of both kinds are never compared. `wander`: the standard deviation by which
    such runs differ by themselves, a share; None = too few are kept to know, and intervals have none of it.
    """

    base: Side
    contrasts: tuple[Contrast, ...]
    worth: float
    emulated: bool
    allowed: float | None = None
    wander: float | None = None
