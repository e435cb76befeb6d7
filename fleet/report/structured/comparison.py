"""A comparison of runs, for programs."""

from __future__ import annotations

import json

from fleet.model.comparison import Comparison, Contrast, Difference, Side
from fleet.model.estimate import Estimate
from fleet.model.trial import Layout
from fleet.report.screens.catalogue import answer_json
from fleet.report.structured.run import Json
from fleet.units import kind_word


def comparison_json(found: Comparison) -> str:
    """The comparison as indented JSON, in ASCII. Changes are shares: 0.1 is +10 %."""
    return json.dumps(
        {
            "emulated": found.emulated,
            "threshold": found.worth,
            "allowed_regression": found.allowed,
            "run_to_run": found.wander,
            "base": _side(found.base),
            "runs": [_contrast(one) for one in found.contrasts],
        },
        indent=2,
        allow_nan=False,
    )


def layout_json(layout: Layout) -> Json:
    """A layout by its label, agents and segment size."""
    return {"label": layout.label, "agents": [agent.name for agent in layout.agents], "po2": layout.po2}


def estimate_json(found: Estimate) -> Json:
    """A figure with its interval."""
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n}


def _side(side: Side) -> Json:
    return {
        "run": side.run,
        "created": side.created,
        "fleet": side.inventory,
        "version": side.version,
        "answer": answer_json(side.answer),
    }


def _contrast(found: Contrast) -> Json:
    return {
        **_side(found.side),
        "rates": [_difference(one) for one in found.rates],
        "task_seconds": [_difference(one) for one in found.services],
        "changed": [{"name": one.name, "then": one.then, "now": one.now} for one in found.changed],
        "only_then": [layout_json(one) for one in found.only_then],
        "only_now": [layout_json(one) for one in found.only_now],
    }


def _difference(one: Difference) -> Json:
    return {
        "layout": layout_json(one.layout),
        "jobs": one.load.jobs,
        "iterations": one.load.iterations,
        "what": kind_word(one.what),
        "then": estimate_json(one.then),
        "now": estimate_json(one.now),
        "change": estimate_json(one.change),
        "p": one.p,
        "finding": one.finding.value,
        "regression": None if one.gate is None else one.gate.value,
    }
