"""All that the page is made from: a run's report, its log, what its replays say, and the page's own parts as texts."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.model.capacity import Capacity
from fleet.model.record import RunLog
from fleet.model.simulation import Simulation
from fleet.model.trend import Trend
from fleet.model.verdict import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """A run with its report. `simulation` and `capacity`: None where the run cannot be replayed, and `unasked` why.

    `trend`: the runs of its fleet up to this one; None where nobody has looked.
    """

    report: Report
    log: RunLog
    simulation: Simulation | None = None
    capacity: Capacity | None = None
    unasked: str = ""
    trend: Trend | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """The page's style and script, and the plot library, as texts."""

    style: str
    script: str
    plotly: str
