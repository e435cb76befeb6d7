"""Runs held against the first of them: only like with like, every difference with how sure it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from fleet.analyse.across.likeness import changed, circumstances, terms, unlike
from fleet.analyse.across.twosample import ALPHA, Mean, Step, holm, interval, mean_of, step
from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings, findings
from fleet.analyse.stats import Spread, pooled
from fleet.errors import ConfigurationError
from fleet.model.catalogue import Answer
from fleet.model.comparison import Changed, Comparison, Contrast, Difference, Finding, Gate, Side
from fleet.model.rates import tasks_of
from fleet.model.record import RunLog, TaskKind
from fleet.model.trial import Layout, Load
from fleet.model.verdict import Verdict

WORTH = 0.02
"""A smaller difference is none, in practice: repeats of one job differ by as much."""

RATE = "effective Hz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A run and what it came to."""

    log: RunLog
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How runs are compared. `worth`: the practical threshold; `allowed`: what a rate may fall by, None = not asked.

    `wander`: how much such runs differ by themselves, None = not known.
    """

    worth: float = WORTH
    allowed: float | None = None
    wander: Spread | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """One figure in two runs, before it is judged."""

    layout: Layout
    load: Load
    what: str
    then: Mean
    now: Mean

    @property
    def step(self) -> Step:
        return step(self.then, self.now)


def compare(runs: Sequence[Judged], rules: Rules) -> Comparison:
    """Every run against the first. ConfigurationError with the first reason why two may not be compared."""
    base, *others = runs
    for other in others:
        _refuse(base.log, other.log)
    found = [findings(run.log) for run in runs]
    rates = [_rates(found[0], one, rules) for one in found[1:]]
    services = [_services(found[0], one, rules) for one in found[1:]]
    told_rates, told_services = _judged(rates, rules, allowed=rules.allowed), _judged(services, rules)
    contrasts = [
        _contrast(base, other, told_rates[at], told_services[at], found[0], found[at + 1])
        for at, other in enumerate(others)
    ]
    return Comparison(
        base=_side(base),
        contrasts=tuple(contrasts),
        worth=rules.worth,
        emulated=base.log.inventory.emulated,
        allowed=rules.allowed,
        wander=None if rules.wander is None else math.sqrt(rules.wander.variance),
    )


def _refuse(base: RunLog, other: RunLog) -> None:
    difference = unlike(terms(base), terms(other))
    if difference is not None:
        raise ConfigurationError(
            f"{base.id} and {other.id} are not alike: {difference.name}: {difference.then}; {difference.now}",
            hint="only runs of the same devices, workload, load and goal are compared",
        )


def _contrast(
    base: Judged,
    other: Judged,
    rates: tuple[Difference, ...],
    services: tuple[Difference, ...],
    before: Findings,
    after: Findings,
) -> Contrast:
    then, now = ({arm.layout for arm in (*one.arms, *one.others)} for one in (before, after))
    return Contrast(
        side=_side(other),
        rates=rates,
        services=services,
        changed=_changed(base.log, other.log),
        only_then=tuple(sorted(then - now, key=lambda layout: layout.label)),
        only_now=tuple(sorted(now - then, key=lambda layout: layout.label)),
    )


def _changed(base: RunLog, other: RunLog) -> tuple[Changed, ...]:
    return changed(circumstances(base), circumstances(other))


def _side(run: Judged) -> Side:
    log, verdict = run.log, run.verdict
    return Side(
        run=log.id,
        created=log.created,
        inventory=log.inventory.name,
        version=log.version,
        answer=Answer(choice=verdict.choice, confidence=verdict.confidence, gain=verdict.gain),
    )


def _common(before: Findings, after: Findings) -> list[tuple[Arm, Arm]]:
    """The arms that both have, the layout in service of the later run first."""
    later = {(arm.layout, arm.load): arm for arm in (*after.arms, *after.others)}
    pairs = [
        (arm, later[arm.layout, arm.load]) for arm in (*before.arms, *before.others) if (arm.layout, arm.load) in later
    ]
    return sorted(pairs, key=lambda pair: pair[1].layout != after.log.plan.current)


def _rates(before: Findings, after: Findings, rules: Rules) -> list[_Pair]:
    return [
        _Pair(
            layout=now.layout,
            load=now.load,
            what=RATE,
            then=mean_of(then.hz, then.logs, before.spread, rules.wander),
            now=mean_of(now.hz, now.logs, after.spread, rules.wander),
        )
        for then, now in _common(before, after)
    ]


def _services(before: Findings, after: Findings, rules: Rules) -> list[_Pair]:
    spreads = [_spreads(one) for one in (before, after)]
    found = []
    for then, now in _common(before, after):
        earlier, later = _seconds(then), _seconds(now)
        for kind in (kind for kind in TaskKind if kind in earlier and kind in later):
            means = [
                mean_of(math.exp(fmean(logs[kind])), logs[kind], spread[kind], rules.wander)
                for logs, spread in zip((earlier, later), spreads, strict=True)
            ]
            found.append(_Pair(layout=now.layout, load=now.load, what=kind.value, then=means[0], now=means[1]))
    return found


def _spreads(found: Findings) -> dict[TaskKind, Spread]:
    """How much the mean seconds of a kind differ from trial to trial; a few short tasks do more than the rate does."""
    logs: dict[TaskKind, list[list[float]]] = {}
    for arm in (*found.arms, *found.others):
        for kind, seconds in _seconds(arm).items():
            logs.setdefault(kind, []).append(seconds)
    own = {kind: pooled(groups) for kind, groups in logs.items()}
    return {kind: max(spread, found.spread, key=lambda one: one.variance) for kind, spread in own.items()}


def _seconds(arm: Arm) -> dict[TaskKind, list[float]]:
    """By kind, the logarithm of each trial's mean seconds of a task."""
    found: dict[TaskKind, list[float]] = {}
    for trial in arm.trials:
        here: dict[TaskKind, list[float]] = {}
        for task in tasks_of(trial):
            if task.started is not None and task.updated is not None:
                here.setdefault(task.kind, []).append(task.updated - task.started)
        for kind, seconds in here.items():
            found.setdefault(kind, []).append(math.log(max(fmean(seconds), 1e-9)))
    return found


def _judged(
    groups: Sequence[Sequence[_Pair]], rules: Rules, *, allowed: float | None = None
) -> list[tuple[Difference, ...]]:
    """The pairs judged together, in their groups: one family, however many runs there are."""
    pairs = [pair for group in groups for pair in group]
    up, down = math.log1p(rules.worth), math.log1p(-rules.worth)
    ps = holm([pair.step.beyond(up, down) for pair in pairs])
    told = [_difference(pair, p, rules.worth) for pair, p in zip(pairs, ps, strict=True)]
    if allowed is not None:
        fallen = holm([pair.step.beyond(math.inf, math.log1p(-allowed)) for pair in pairs])
        told = [replace(one, gate=_gate(one, p, allowed)) for one, p in zip(told, fallen, strict=True)]
    left = iter(told)
    return [tuple(next(left) for _ in group) for group in groups]


def _difference(pair: _Pair, p: float, worth: float) -> Difference:
    change = pair.step.relative
    unit = "Hz" if pair.what == RATE else "s"
    return Difference(
        layout=pair.layout,
        load=pair.load,
        what=pair.what,
        then=interval(pair.then, unit),
        now=interval(pair.now, unit),
        change=change,
        p=p,
        finding=finding(change.low, change.value, change.high, p, worth),
    )


def finding(low: float, value: float, high: float, p: float, worth: float) -> Finding:
    """What an interval says of a change, given its corrected p of going beyond the threshold."""
    if p < ALPHA:
        return Finding.UP if value > 0 else Finding.DOWN
    return Finding.SAME if -worth <= low and high <= worth else Finding.UNKNOWN


def _gate(told: Difference, p: float, allowed: float) -> Gate:
    if p < ALPHA:
        return Gate.FAILED
    return Gate.PASSED if told.change.low >= -allowed else Gate.OPEN
