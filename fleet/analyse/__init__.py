"""PURE. What it meant: which trials count, what they measured, what would happen next, what to do."""

from __future__ import annotations

from fleet.model.record import RunLog
from fleet.model.verdict import Analysis


def analyse(log: RunLog) -> Analysis:
    """All that a run log says. The order of its observations does not matter; weak data is INCONCLUSIVE, no error."""
    from fleet.analyse.analysis import analysis_of  # noqa: PLC0415 (numpy is loaded only when something is analysed)

    return analysis_of(log)
