"""The report for programs: one JSON object, whose schema ships as `report.schema.json` beside this module."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources

from fleet.model.anatomy import Decomposition, Efficiency, Inflation, Share
from fleet.model.estimate import Estimate
from fleet.model.inventory import Price
from fleet.model.verdict import (
    BothMeasures,
    Bottleneck,
    Option,
    Reason,
    Refusal,
    Report,
    Scaling,
    Suspect,
    Throughput,
    TrialSeen,
    Verdict,
)

Json = Mapping[str, object]


def to_json(report: Report) -> str:
    """The report as indented JSON, in ASCII so that no terminal or pipe can spoil it. ValueError on NaN."""
    return json.dumps(to_object(report), indent=2, allow_nan=False)


def to_object(report: Report) -> Json:
    """The report as JSON values, valid under `schema()`. An interval's end that is not known is null."""
    analysis = report.analysis
    return {
        "run": report.run,
        "inventory": report.inventory,
        "emulated": report.emulated,
        "time_scale": report.time_scale,
        "version": report.version,
        "created": datetime.fromtimestamp(report.created, UTC).isoformat(timespec="seconds"),
        "seed": report.seed,
        "trials": report.trials,
        "seconds": report.seconds,
        "hosts": list(report.hosts),
        "failures": list(report.failures),
        "current": report.current.label if report.current else None,
        "verdict": _verdict(analysis.verdict, report.currency),
        "throughput": [_throughput(found, report) for found in analysis.throughputs],
        "scaling": [_scaling(found) for found in analysis.scalings],
        "time_shares": [_time_shares(found) for found in analysis.shares],
        "goal": analysis.goal.value,
        "measures": [_both(found) for found in analysis.measures],
        "decomposition": [_decomposition(found) for found in analysis.decompositions],
        "inflation": [_inflation(found) for found in analysis.inflations],
        "efficiency": [_efficiency(found) for found in analysis.efficiencies],
        "suspects": [_suspect(found) for found in analysis.suspects],
        "largest_po2": [{"device": name, "po2": po2} for name, po2 in analysis.ceilings],
        "options": [_option(option, report.currency) for option in analysis.options],
        "campaign": [_trial(trial) for trial in analysis.campaign],
        "refused": [_refused(refusal) for refusal in analysis.refused],
        "caveats": list(analysis.caveats),
        "not_measured": list(analysis.not_measured),
    }


def schema() -> Json:
    """The JSON Schema (draft 2020-12) that every report is valid under."""
    return shipped_schema("report")


def shipped_schema(name: str) -> Json:
    """The JSON Schema of that name that ships beside this module."""
    text = resources.files("fleet.report.structured").joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
    found: Json = json.loads(text)
    return found


def _estimate(estimate: Estimate | None) -> Json | None:
    if estimate is None:
        return None
    return {
        "value": estimate.value,
        "low": _finite(estimate.low),
        "high": _finite(estimate.high),
        "n": estimate.n,
        "unit": estimate.unit,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _price(price: Price | None, currency: str) -> Json | None:
    return None if price is None else {"amount": price.amount, "currency": currency, "per": price.per.value}


def _said(found: Reason | Bottleneck) -> Json:
    return {"code": found.code, "text": found.text, "evidence": list(found.evidence)}


def _verdict(verdict: Verdict, currency: str) -> Json:
    return {
        "choice": verdict.choice.value,
        "label": verdict.label,
        "confidence": verdict.confidence,
        "unrivalled": verdict.unrivalled,
        "claim": verdict.claim.value,
        "gain": _estimate(verdict.gain),
        "cost": _price(verdict.cost, currency),
        "bottleneck": _said(verdict.bottleneck),
        "reasons": [_said(reason) for reason in verdict.reasons],
        "needs": list(verdict.needs),
    }


def _throughput(found: Throughput, report: Report) -> Json:
    return {
        "layout": found.layout.label,
        "current": found.layout == report.current,
        "po2": found.layout.po2,
        "agents_per_device": found.layout.agents_per_device,
        "devices": len(found.layout.devices),
        "agents": [agent.name for agent in found.layout.agents],
        "experiments": [experiment.value for experiment in found.experiments],
        "jobs": found.jobs,
        "iterations": found.iterations,
        "hz": _estimate(found.hz),
    }


def _scaling(found: Scaling) -> Json:
    return {
        "base": found.base.label,
        "layout": found.layout.label,
        "devices": found.devices,
        "speedup": _estimate(found.speedup),
        "ideal": found.ideal,
        "efficiency": found.efficiency,
        "karp_flatt": found.karp_flatt,
        "inflation": found.inflation,
    }


def _time_shares(found: Share) -> Json:
    return {"layout": found.layout.label, "busy": found.busy, "dispatch": found.dispatch, "task_graph": found.graph}


def _both(found: BothMeasures) -> Json:
    return {
        "layout": found.layout.label,
        "jobs": found.jobs,
        "latency": _estimate(found.latency),
        "capacity": _estimate(found.capacity),
        "latency_gain": _estimate(found.latency_gain),
        "capacity_gain": _estimate(found.capacity_gain),
    }


def _decomposition(found: Decomposition) -> Json:
    return {
        "layout": found.layout.label,
        "jobs": found.jobs,
        "seconds": found.seconds,
        "busy": found.share.busy,
        "dispatch": found.share.dispatch,
        "task_graph": found.share.graph,
        "executor_hz": found.executor_hz,
        "executor_seconds": found.executor_seconds,
        "work_seconds": found.work,
        "critical_path_seconds": found.critical_path,
        "coordinator": found.coordinator,
        "services": [
            {"task": one.kind, "host": one.host, "seconds": _estimate(one.seconds), "count": one.count}
            for one in found.services
        ],
    }


def _inflation(found: Inflation) -> Json:
    return {
        "layout": found.layout.label,
        "host": found.host,
        "devices": found.devices,
        "agents_per_device": found.agents,
        "stretch": _estimate(found.stretch),
    }


def _efficiency(found: Efficiency) -> Json:
    return {"host": found.host, "layout": found.layout.label, "efficiency": _estimate(found.efficiency)}


def _suspect(found: Suspect) -> Json:
    return {
        "code": found.code,
        "text": found.text,
        "standing": found.standing.value,
        "seen": list(found.seen),
        "intervention": found.intervention,
        "result": found.result,
    }


def _option(option: Option, currency: str) -> Json:
    return {
        "choice": option.choice.value,
        "label": option.label,
        "evidence": option.evidence.value,
        "gain": _estimate(option.gain),
        "cost": _price(option.cost, currency),
        "best": option.best,
        "layout": option.layout.label if option.layout else None,
        "blocked": option.blocked,
    }


def _trial(found: TrialSeen) -> Json:
    return {
        "number": found.number,
        "trial": found.trial,
        "experiment": found.experiment.value,
        "why": found.why,
        "label": found.layout.label,
        "jobs": found.jobs,
        "iterations": found.iterations,
        "refused": found.refused,
        "hz": found.hz,
        "seconds": found.seconds,
    }


def _refused(refusal: Refusal) -> Json:
    return {
        "trial": refusal.trial,
        "label": refusal.label,
        "code": refusal.code,
        "seen": refusal.seen,
        "cure": refusal.cure,
    }
