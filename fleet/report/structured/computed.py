"""What was computed from a stored run, for programs: one JSON object for a simulation, one for a capacity.

Their schemas ship as `simulation.schema.json` and `capacity.schema.json` beside this module.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from fleet.model.capacity import Capacity, Peak, Plant
from fleet.model.estimate import Estimate
from fleet.model.simulation import CUTS, Alternative, Beyond, Bill, JobTime, Prediction, Simulation, Source
from fleet.model.trial import Layout
from fleet.report.structured.run import Json


def simulation_json(found: Simulation) -> str:
    """The simulation as indented JSON, in ASCII. ValueError on NaN."""
    return _text(
        {
            **_source(found.source),
            "now": {**_layout(found.current), "hz": _estimate(found.now), "time": _time(found.before)},
            "asked": _prediction(found.asked) if found.asked else None,
            "time": _time(found.after) if found.after else None,
            "speedups": {
                "layout": found.curve_of.label,
                "cuts": list(CUTS),
                "gains": {
                    part.part: [gain if math.isfinite(gain) else None for gain in part.gains] for part in found.curve
                },
            },
            "searched": found.searched,
            "ranking": [_alternative(one) for one in found.ranking],
            "left_out": list(found.left_out),
            "months": found.months,
            "notes": list(found.notes),
        }
    )


def capacity_json(found: Capacity) -> str:
    """The capacity as indented JSON, in ASCII. ValueError on NaN."""
    goal = found.goal
    return _text(
        {
            **_source(found.source),
            "goal": {"text": goal.text, "hz": goal.hz, "monthly": goal.monthly, "once": goal.once},
            "now": _plant(found.now),
            "plants": [_plant(plant) for plant in found.plants],
            "recommended": _plant(found.recommended) if found.recommended else None,
            "peak_prove_khz": {
                "now": _peak(found.peak_now),
                "then": _peak(found.peak_then) if found.peak_then else None,
            },
            "months": found.months,
            "notes": list(found.notes),
        }
    )


def _text(found: Json) -> str:
    return json.dumps(found, indent=2, allow_nan=False)


def _source(source: Source) -> dict[str, object]:
    return {
        "run": source.run,
        "inventory": source.inventory,
        "emulated": source.emulated,
        "time_scale": source.time_scale,
        "currency": source.currency,
        "trials": source.trials,
    }


def _layout(layout: Layout) -> dict[str, object]:
    return {
        "layout": layout.label,
        "po2": layout.po2,
        "agents_per_device": layout.agents_per_device,
        "devices": len(layout.devices),
        "agents": [agent.name for agent in layout.agents],
    }


def _estimate(estimate: Estimate) -> Json:
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": estimate.n,
        "unit": estimate.unit,
    }


def _time(time: JobTime) -> Json:
    share = time.share
    return {"seconds": time.seconds, "busy": share.busy, "dispatch": share.dispatch, "task_graph": share.graph}


def _beyond(beyond: Iterable[Beyond]) -> list[Json]:
    return [{"text": one.text, "steps": one.steps} for one in beyond]


def _prediction(told: Prediction) -> dict[str, object]:
    return {
        **_layout(told.layout),
        "hz": _estimate(told.hz),
        "gain": _estimate(told.gain),
        "better": told.better,
        "extrapolation": _beyond(told.beyond),
        "basis": list(told.basis),
        "measured": _estimate(told.measured) if told.measured else None,
    }


def _bill(bill: Bill) -> Json:
    return {"once": bill.once, "hourly": bill.hourly, "missing": list(bill.missing)}


def _alternative(one: Alternative) -> Json:
    return {
        **_prediction(one.prediction),
        "gpus": one.change.gpus,
        "remotes": one.change.remotes,
        "bill": _bill(one.bill),
        "monthly": one.monthly,
        "best": one.best,
        "best_value": one.value,
    }


def _plant(plant: Plant) -> Json:
    return {
        **_layout(plant.unit),
        "replicas": plant.replicas,
        "hosts": plant.hosts,
        "current": plant.current,
        "hz": _estimate(plant.hz),
        "reaches": plant.reaches,
        "bill": _bill(plant.bill),
        "monthly": plant.monthly,
        "without_head": plant.without_head,
        "without_worker": plant.without_worker,
        "extrapolation": _beyond(plant.beyond),
    }


def _peak(peak: Peak) -> Json:
    return {"khz": peak.khz, "worst_hz": peak.worst, "why": peak.why}
