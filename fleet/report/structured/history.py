"""What an existing cluster's jobs of the past say, for programs. Its schema ships as `history.schema.json`."""

from __future__ import annotations

import json

from fleet.model.anatomy import Decomposition
from fleet.model.estimate import Estimate
from fleet.model.history import History, PastJob, Replayed, Timers
from fleet.model.verdict import Verdict
from fleet.report.structured.run import Json


def history_json(found: History) -> str:
    """The history as indented JSON, in ASCII. Effective Hz of a job is a text, so that no digit is lost."""
    archive = found.archive
    return json.dumps(
        {
            "archive": {
                "place": archive.place,
                "server": archive.server,
                "stack": archive.generation.stack,
                "dispatch": archive.generation.plane.value,
                "clock_offset": archive.offset,
                "clock_uncertainty": archive.uncertainty,
                "read": archive.read,
                "leftover_tasks": archive.leftover,
                "emulated": archive.haste is not None,
                "time_scale": archive.haste or 1.0,
            },
            "settings": {
                "poll": found.knobs.poll,
                "refresh": found.knobs.refresh,
                "stated": found.knobs.stated,
                "agents": found.workers,
                "agents_stated": found.knobs.agents is not None,
            },
            "timers": _timers(found.timers) if found.timers else None,
            "verdict": _verdict(found.verdict),
            "hz": _estimate(found.hz),
            "jobs": [_job(found, job) for job in found.jobs],
            "decomposition": _parts(found.decomposition) if found.decomposition else None,
            "replay_misses_by": found.missed,
            "replay_luck": found.luck,
            "changes": [_change(one) for one in found.replayed],
            "notes": list(found.notes),
        },
        indent=2,
        allow_nan=False,
    )


def _verdict(verdict: Verdict) -> Json:
    return {
        "choice": verdict.choice.value,
        "label": verdict.label,
        "confidence": verdict.confidence,
        "gain": _estimate(verdict.gain),
        "bottleneck": {
            "code": verdict.bottleneck.code,
            "text": verdict.bottleneck.text,
            "evidence": list(verdict.bottleneck.evidence),
        },
        "reasons": [{"code": one.code, "text": one.text, "evidence": list(one.evidence)} for one in verdict.reasons],
        "needs": list(verdict.needs),
    }


def _estimate(found: Estimate | None) -> Json | None:
    if found is None:
        return None
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n, "unit": found.unit}


def _job(found: History, job: PastJob) -> Json:
    refusal = found.refusal(job.id)
    refused = {"code": refusal.code, "seen": refusal.seen, "cure": refusal.cure} if refusal else None
    return {
        "id": job.id,
        "state": job.state,
        "started": job.started,
        "ended": job.ended,
        "cycles": job.cycles,
        "segments": job.segments,
        "po2": job.po2,
        "effective_hz": None if job.hz is None else f"{job.hz:f}",
        "counts": found.counts(job),
        "refused": refused,
        "retried": job.retried,
        "tasks": {kind: {"count": count, "seconds": seconds} for kind, count, seconds in job.tasks},
        "company": list(job.company),
        "queues": dict(job.queues),
    }


def _timers(timers: Timers) -> Json:
    return {"jobs": timers.jobs, "poll": _estimate(timers.poll), "refresh": _estimate(timers.refresh)}


def _parts(parts: Decomposition) -> Json:
    return {
        "seconds": parts.seconds,
        "busy": parts.share.busy,
        "dispatch": parts.share.dispatch,
        "task_graph": parts.share.graph,
        "executor_hz": parts.executor_hz,
        "executor_seconds": parts.executor_seconds,
        "work": parts.work,
        "critical_path": parts.critical_path,
        "services": [
            {"kind": one.kind, "count": one.count, "seconds": _estimate(one.seconds)} for one in parts.services
        ],
    }


def _change(one: Replayed) -> Json:
    return {
        "change": one.change,
        "settings": list(one.settings),
        "gain": _estimate(one.gain),
        "worth_it": one.better,
        "upper_bound": one.bound,
    }
