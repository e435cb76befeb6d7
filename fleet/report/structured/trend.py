"""A fleet over time, for programs."""

from __future__ import annotations

import json

from fleet.model.trend import Series, Shift, Trend
from fleet.report.structured.comparison import estimate_json, layout_json
from fleet.report.structured.run import Json


def trend_json(found: Trend) -> str:
    """The trend as indented JSON, in ASCII. Changes are shares: 0.1 is +10 %."""
    return json.dumps(
        {
            "fleet": found.inventory,
            "emulated": found.emulated,
            "runs": found.runs,
            "left_out": found.left_out,
            "false_alarm_level": found.level,
            "threshold": found.worth,
            "series": [_series(one) for one in found.series],
        },
        indent=2,
        allow_nan=False,
    )


def _series(series: Series) -> Json:
    return {
        "layout": layout_json(series.layout),
        "jobs": series.load.jobs,
        "iterations": series.load.iterations,
        "now": estimate_json(series.now),
        "points": [{"run": one.run, "created": one.created, "hz": one.hz, "trials": one.n} for one in series.points],
        "change_points": [_shift(one) for one in series.shifts],
        "latest_astray": None if series.astray is None else estimate_json(series.astray),
    }


def _shift(shift: Shift) -> Json:
    return {
        "before": shift.before,
        "at": shift.at,
        "created": shift.created,
        "change": estimate_json(shift.change),
        "p": shift.p,
        "changed": [{"name": one.name, "then": one.then, "now": one.now} for one in shift.changed],
    }
