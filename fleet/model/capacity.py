"""Capacity: a goal, the layouts of the mixed fleet that reach it, what they cost, and what is left when a host dies."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.model.estimate import Estimate
from fleet.model.simulation import Beyond, Bill, Source
from fleet.model.trial import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What is wanted: at least `hz`, or as much as an amount of money allows (a month, or once). `text`: as asked."""

    text: str
    hz: float | None = None
    monthly: float | None = None
    once: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """`replicas` separate clusters of one layout each, with what they give together.

    `reaches`: P(it gives at least the target), None without a target. `without_head`: Hz with the best single host,
    the head of one cluster, lost; `without_worker`: with one remote worker lost, None where there is none.
    `monthly`: cost a month of what has to be added, None = a price is missing.
    """

    unit: Layout
    replicas: int
    hz: Estimate
    bill: Bill
    monthly: float | None
    reaches: float | None
    without_head: float
    without_worker: float | None
    beyond: tuple[Beyond, ...]
    current: bool = False

    @property
    def hosts(self) -> int:
        """How many hosts it has."""
        return self.replicas * len({agent.host for agent in self.unit.agents})


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """What to set `peak_prove_khz` to: a share of the worst effective kHz, and where that came from."""

    khz: int
    worst: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The answer: `now`, the plants that serve the goal (cheapest or strongest first), and the one recommended.

    `peak_now` is for the layout in service, `peak_then` for the recommended one. `months`: over which prices paid once
    are spread.
    """

    source: Source
    goal: Goal
    now: Plant
    plants: tuple[Plant, ...]
    recommended: Plant | None
    peak_now: Peak
    peak_then: Peak | None
    months: float
    notes: tuple[str, ...]
