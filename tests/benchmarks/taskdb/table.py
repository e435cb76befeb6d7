"""The rows: what jobs took, what the twin says with the timers known and unknown, and what chance leaves open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fleet.analyse.stats import Draws
from fleet.model.rates import job_seconds
from tests.benchmarks.taskdb.plane import Pace, Run, Setting
from tests.benchmarks.taskdb.predict import Known, late, usl, with_any_phases, with_its_phases

GOAL, BUSY = 0.03, 0.01
USL_FROM, USL_AT = (1, 2, 4), 8
MIDDLE = (10, 90)
"""Percentiles between which most jobs lie."""


def head(pace: Pace) -> Iterator[str]:
    """What the rows are."""
    yield f"A JOB OF {pace.segments} SEGMENTS ON A REAL TASK DATABASE"
    yield f"  Seconds as configured; they were run {pace.scale:g} × faster. The twin learns from jobs with one agent."
    yield "  Error of the mean over the jobs, ± two standard errors: known – from where each job's timers stood when it"
    yield "  began; any – from nothing but their periods. One job: by how much (rms) the twin misses it with its timers"
    yield "  known | by how much it misses itself, run again with the same timers. Late: by how much tasks took longer"
    yield f"  than they sleep; by {BUSY:.0%} more than those learned from, the machine is too busy to tell."
    yield (
        f"  {'agents':>6} {'poll':>5} {'refresh':>7} {'jobs':>4} {'measured, 10–90 %':>21} {'twin, any timers':>21} "
        f"{'known':>14} {'any':>14} {'one job':>14} {'late':>6}"
    )


def row(known: Known, runs: Sequence[Run], pace: Pace) -> str:
    """One setting's line; of the first one nothing is foretold, as it is what was learned from."""
    setting = runs[0].setting
    measured = np.array([job_seconds([run.job]) for run in runs])
    foretold = np.array([with_its_phases(known, run, pace) for run in runs])
    anywhere = with_any_phases(known, setting, pace)
    mean = float(measured.mean())
    error, unknown = float(foretold.mean()) / mean - 1, float(anywhere.mean()) / mean - 1
    missed = float(np.sqrt(np.mean((foretold / measured - 1) ** 2)))
    chance, unknown_chance = (_chance(runs, values) / mean for values in (foretold - measured, measured))
    return (
        f"  {setting.agents:6} {setting.poll:5.2f} {setting.refresh:7.1f} {len(runs):4} "
        f"{_most(measured * pace.scale):>21} {_most(anywhere * pace.scale):>21} "
        f"{error:+6.1%} ± {chance:5.1%} {unknown:+6.1%} ± {unknown_chance:5.1%} "
        f"{missed:6.1%}|{_by_itself(runs, measured) / mean:6.1%} {late(runs, pace):6.1%}  "
        f"{_verdict(known, runs, error, pace)}"
    )


def _verdict(known: Known, runs: Sequence[Run], error: float, pace: Pace) -> str:
    if runs[0].setting == known.setting:
        return "learned"
    if late(runs, pace) - known.late > BUSY:
        return "too busy"
    return "reached" if abs(error) <= GOAL else "missed"


def _most(seconds: Draws) -> str:
    low, high = np.percentile(seconds, MIDDLE)
    return f"{seconds.mean():.1f} ({low:.1f} – {high:.1f})"


def _by_timers(runs: Sequence[Run], values: Draws) -> list[list[float]]:
    """The values of the jobs that had the same timers."""
    groups = defaultdict(list)
    for run, value in zip(runs, values.tolist(), strict=True):
        groups[run.timers].append(value)
    return list(groups.values())


def _chance(runs: Sequence[Run], values: Draws) -> float:
    """Two standard errors of the mean: jobs with the same timers are not taken for two."""
    means = [float(np.mean(group)) for group in _by_timers(runs, values)]
    return float(2 * np.std(means, ddof=1) / len(means) ** 0.5)


def _by_itself(runs: Sequence[Run], seconds: Draws) -> float:
    """Standard deviation of jobs with the same timers."""
    return float(np.sqrt(np.mean([np.var(group, ddof=1) for group in _by_timers(runs, seconds)])))


def against_usl(known: Known, runs: Mapping[Setting, Sequence[Run]], pace: Pace) -> Iterator[str]:
    """The universal scalability law through 1, 2 and 4 agents, and the twin, both asked about 8."""
    mean = {setting: float(np.mean([job_seconds([run.job]) for run in done])) for setting, done in runs.items()}
    at = Setting(agents=USL_AT)
    law = 1 / usl(((n, 1 / mean[Setting(agents=n)]) for n in USL_FROM), USL_AT)
    twin = float(with_any_phases(known, at, pace).mean())
    yield f"  {USL_AT} agents: measured {mean[at] * pace.scale:.2f} s (mean of {len(runs[at])})"
    names = (f"USL through {', '.join(map(str, USL_FROM))}", "the twin, from 1 agent")
    for name, answer in zip(names, (law, twin), strict=True):
        yield f"    {name:24} {answer * pace.scale:7.2f} s, {answer / mean[at] - 1:+.1%}; goal ≤ {GOAL:.0%}"
