"""From what was measured to what to set: of a run, of a cluster's past, of both. What nobody measured is not advised.

`peak_prove_khz` is the vendor's rule: 0.75 × the worst effective kHz that was seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from fleet.analyse.analysis import analysis_of
from fleet.analyse.decide.capacity import PEAK_SHARE
from fleet.analyse.decide.options import WORTH
from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings, findings
from fleet.errors import ConfigurationError
from fleet.model.advice import Advice, Knob, Settings
from fleet.model.capacity import Peak
from fleet.model.history import History, PastJob, Plane
from fleet.model.rates import effective_hz
from fleet.model.record import RunLog, TaskKind
from fleet.model.verdict import Analysis, Choice, Evidence, Option
from fleet.units import format_percent

NOT_MEASURED = "not measured: not recommended"

EMULATED = "the devices were emulated: promise a market nothing by these figures"

TIMEOUT_FACTOR = 4
"""A time limit so many times the longest task seen: retries of tasks that still run cost more than a lost one waits."""

_DEFAULTS = {Knob.POLL: "1", Knob.REFRESH: "5", Knob.PROVE_TIMEOUT: "30"}


def advice_of_run(log: RunLog) -> Settings:
    """What a stored run recommends. ConfigurationError where the layout in service was never measured well."""
    found = findings(log)
    if found.base is None:
        raise ConfigurationError(
            f"run {log.id} has no trial of the layout in service that counts", hint="fleet report says why"
        )
    analysis = analysis_of(log)
    best = _best(analysis, found)
    arm = (found.arm(best.layout) if best and best.layout else None) or found.base
    unheard = f"{NOT_MEASURED} (a run says nothing of it; the cluster's task database does)"
    return Settings(
        sources=(f"run {log.id} of {log.inventory.name} ({len(log.observations)} trials)",),
        advice=(
            _size(found, analysis, found.base, arm, best),
            _agents(found, found.base, arm, best),
            *(Advice(knob=knob, now=None, value=None, evidence=(unheard,)) for knob in _DEFAULTS),
        ),
        peak=_peak_of_arm(arm),
        layout=arm.layout,
        emulated=any(one.emulated for one in log.observations),
        notes=tuple(_notes(log)),
    )


def _notes(log: RunLog) -> Iterator[str]:
    load = log.plan.load
    jobs = "one job at a time" if load.jobs == 1 else f"{load.jobs} jobs at a time"
    yield f"for {jobs} of {load.iterations:,} iterations, as measured"
    if any(one.emulated for one in log.observations):
        yield EMULATED


def _best(analysis: Analysis, found: Findings) -> Option | None:
    """The measured change of settings that the verdict names, else the best that surely gives something worth it."""
    tuned = [
        option
        for option in analysis.options
        if option.choice is Choice.TUNE
        and option.evidence is Evidence.MEASURED
        and option.blocked is None
        and option.layout is not None
        and option.gain is not None
        and found.arm(option.layout) is not None
    ]
    named = [option for option in tuned if analysis.verdict.choice is Choice.TUNE]
    named = [option for option in named if option.label == analysis.verdict.label]
    sure = [option for option in tuned if option.gain and option.gain.low > 0 and option.gain.value >= WORTH]
    return next(iter(named), max(sure, key=lambda one: one.gain.value if one.gain else 0.0, default=None))


def _size(found: Findings, analysis: Analysis, base: Arm, arm: Arm, best: Option | None) -> Advice:
    now, chosen = base.layout.po2, arm.layout.po2
    others = {one.layout.po2: one for one in found.on_devices(base.layout) if _same_agents(one, base)}
    evidence = [_measured(arm, base)] if chosen != now else [_beside(base, one) for _, one in sorted(others.items())]
    tops = [f"po2 {largest} is the largest that {model} completed" for model, largest in analysis.ceilings]
    value = str(chosen) if chosen != now or others else None
    return Advice(
        knob=Knob.SEGMENT_SIZE,
        now=str(now),
        value=value,
        evidence=(*evidence, *tops) if value else (_untried(found, base, "size", "numbers of agents"), *tops),
        gain=best.gain if best and chosen != now else None,
        together=(Knob.AGENTS,) if chosen != now and not _same_agents(arm, base) else (),
    )


def _agents(found: Findings, base: Arm, arm: Arm, best: Option | None) -> Advice:
    now, chosen = base.layout.agents_per_device, arm.layout.agents_per_device
    others = [
        one
        for one in found.on_devices(base.layout)
        if one.layout.po2 == base.layout.po2 and not _same_agents(one, base)
    ]
    value = str(chosen) if chosen != now or others else None
    evidence = (_measured(arm, base),) if chosen != now else tuple(_beside(base, one) for one in others)
    return Advice(
        knob=Knob.AGENTS,
        now=str(now),
        value=value,
        evidence=evidence if value else (_untried(found, base, "number", "sizes"),),
        gain=best.gain if best and chosen != now else None,
        together=(Knob.SEGMENT_SIZE,) if chosen != now and arm.layout.po2 != base.layout.po2 else (),
    )


def _untried(found: Findings, base: Arm, what: str, beside: str) -> str:
    """Why nothing is advised: only changes of both were measured, or none was. One change cannot be told from two."""
    both = [
        one
        for one in found.on_devices(base.layout)
        if one.layout.po2 != base.layout.po2 and not _same_agents(one, base)
    ]
    if not both:
        return f"{NOT_MEASURED} (no other {what} was tried on these devices)"
    said = ", ".join(_beside(base, one) for one in both)
    return f"{NOT_MEASURED} (other {what}s were tried together with other {beside} only: {said})"


def _same_agents(one: Arm, other: Arm) -> bool:
    return one.layout.agents == other.layout.agents


def _measured(arm: Arm, base: Arm) -> str:
    return (
        f"{arm.hz / 1e3:,.1f} kHz in {len(arm.trials)} trials of {arm.layout.label}, "
        f"{base.hz / 1e3:,.1f} kHz in {len(base.trials)} as it is"
    )


def _beside(base: Arm, one: Arm) -> str:
    return f"{one.layout.label} gave {format_percent(one.hz / base.hz - 1)} ({len(one.trials)} trials)"


def _peak_of_arm(arm: Arm) -> Peak:
    worst = min(effective_hz(trial.jobs) for trial in arm.trials)
    count = len(arm.trials)
    return _peak(worst, "its one trial" if count == 1 else f"the worst of {count} trials of {arm.layout.label}")


def _peak(worst: float, what: str) -> Peak:
    return Peak(khz=math.floor(PEAK_SHARE * worst / 1e3), worst=worst, why=f"{PEAK_SHARE} × {what}")


def advice_of_history(found: History) -> Settings:
    """What a cluster's own jobs of the past recommend: timers and time limits, and what its broker may promise."""
    judged = [job for job in found.jobs if found.counts(job)]
    worst = min((float(job.hz) for job in judged if job.hz is not None), default=None)
    return Settings(
        sources=(f"{len(found.jobs)} jobs of the past in {found.archive.place}, of which {len(judged)} count",),
        advice=(
            Advice(
                knob=Knob.SEGMENT_SIZE,
                now=None if found.po2 is None else str(found.po2),
                value=None,
                evidence=(f"{NOT_MEASURED} (no two sizes were tried with the same job: `fleet bench` does)",),
            ),
            Advice(
                knob=Knob.AGENTS,
                now=None,
                value=None,
                evidence=(f"{NOT_MEASURED} (records do not name agents{_at_once(found)})",),
            ),
            *_timers(found),
            _limit(found.jobs),
        ),
        peak=None if worst is None else _peak(worst, _worst_of(len(judged))),
        layout=None,
        emulated=found.archive.haste is not None,
        notes=tuple(_notes_of_past(found)),
    )


def _at_once(found: History) -> str:
    return f"; {found.workers} worked at once" if found.hz is not None and found.knobs.agents is None else ""


def _worst_of(jobs: int) -> str:
    return "the one job that ran alone" if jobs == 1 else f"the worst of {jobs} jobs that ran alone"


def _notes_of_past(found: History) -> Iterator[str]:
    if found.verdict.choice is Choice.TUNE:
        yield "a replay of past jobs is no measurement: set it, let a few jobs pass, and look again"
    if found.archive.haste is not None:
        yield EMULATED


def _timers(found: History) -> Iterator[Advice]:
    """POLL_TIME and STREAM_REFRESH_INTERVAL: as the verdict over the replays has it."""
    plane, verdict = found.archive.generation.plane, found.verdict
    named = dict(setting.split("=", 1) for setting in verdict.label.split(", ") if "=" in setting)
    chosen = named if verdict.choice is Choice.TUNE else {}
    now = dict(_now(found))
    for knob in (Knob.POLL, Knob.REFRESH):
        value = chosen.get(knob.value)
        if plane is Plane.PUSH or (knob is Knob.REFRESH and plane in (Plane.TRIGGERS, Plane.LOOKED)):
            evidence: tuple[str, ...] = ("this stack has no use for it: nobody waits for that timer",)
        elif value is not None and value == now.get(knob):
            evidence = ("it is set so by now; these jobs ran with another",)
        elif value is not None:
            evidence = tuple("; ".join((one.text, *one.evidence)) for one in verdict.reasons)
        else:
            why = next((one.text for one in verdict.reasons), "nothing was replayed")
            evidence = (f"not recommended: {why}",)
        yield Advice(
            knob=knob,
            now=now.get(knob) if plane is not Plane.PUSH else None,
            value=value,
            evidence=evidence,
            gain=verdict.gain if value is not None and value != now.get(knob) else None,
            replayed=value is not None,
            together=tuple(other for other in (Knob.POLL, Knob.REFRESH) if other is not knob and other.value in chosen)
            if value is not None
            else (),
        )


def _now(found: History) -> Iterator[tuple[Knob, str]]:
    """What each timer is set to by now, where anybody says: the cluster's files, the operator, the records."""
    knobs, told = found.knobs, found.timers
    rows = (
        (Knob.POLL, knobs.poll_set, knobs.poll, knobs.poll_stated, told and told.poll),
        (Knob.REFRESH, knobs.refresh_set, knobs.refresh, knobs.refresh_stated, told and told.refresh),
    )
    for knob, set_, seconds, stated, seen in rows:
        if set_ is not None or stated or seen:
            yield knob, f"{seconds if set_ is None else set_:g}"


def _limit(jobs: Sequence[PastJob]) -> Advice:
    """PROVE_TIMEOUT: only where tasks were handed out again that still ran."""
    slow = sum(job.timeouts for job in jobs)
    longest = max(
        (
            task.updated - task.started
            for job in jobs
            if job.record is not None
            for task in job.record.tasks
            if task.kind is TaskKind.PROVE and task.started is not None and task.updated is not None
        ),
        default=None,
    )
    seen = "" if longest is None else f"; the longest prove took {longest:.1f} s"
    if not slow or longest is None:
        evidence = f"no task reached its time limit{seen}" if longest is not None else NOT_MEASURED
        return Advice(knob=Knob.PROVE_TIMEOUT, now=None, value=None, evidence=(evidence,))
    value = max(60, math.ceil(TIMEOUT_FACTOR * longest / 10) * 10)
    return Advice(
        knob=Knob.PROVE_TIMEOUT,
        now=None,
        value=str(value),
        evidence=(
            f"{slow} tasks reached their time limit, in seconds, and were handed out again{seen}",
            "what it gives cannot be told: jobs with retries count for nothing",
        ),
    )


def merged(first: Settings, second: Settings) -> Settings:
    """What two sources say together: of each knob what recommends something; the lower promise to the broker."""
    peaks = [one.peak for one in (first, second) if one.peak is not None]
    return Settings(
        sources=(*first.sources, *second.sources),
        advice=tuple(_clearer(first.of(knob), second.of(knob)) for knob in Knob),
        peak=min(peaks, key=lambda peak: peak.khz, default=None),
        layout=first.layout or second.layout,
        emulated=first.emulated or second.emulated,
        notes=(*first.notes, *second.notes),
    )


def _clearer(one: Advice | None, other: Advice | None) -> Advice:
    """The one that recommends something; else the one that looked into it; else the one that knows what is set now."""
    both = [advice for advice in (one, other) if advice is not None]

    def told(advice: Advice) -> tuple[bool, bool, bool]:
        looked = not advice.evidence[0].startswith(NOT_MEASURED)
        return advice.value is not None, looked, advice.now is not None

    return max(both, key=told)
