"""Dossiers for the tests of the HTML report: a planted campaign, one whose hosts are hostile, a very large one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from planted_campaigns import faulty
from planted_questions import PREMISES

from fleet.analyse import analyse
from fleet.analyse.decide.capacity import capacity
from fleet.analyse.foretell.simulate import simulate
from fleet.model.capacity import Goal
from fleet.model.facts import Failure
from fleet.model.record import RunLog, TaskRecord
from fleet.model.samples import DeviceSample, Telemetry
from fleet.model.simulation import Change
from fleet.report.build import build
from fleet.report.html import Assets, Dossier

ASSETS = Assets(style="p { color: red }", script="'use strict';", plotly="window.Plotly = {};")
HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    '"onload="window.hacked = 1" x="',
    "\x1b[31m\x1b]0;red\x07<img src=x onerror=window.hacked=1>",
    "<a href='javascript:window.hacked=1'>x</a> &lt;b&gt; %{y}",
)


@cache
def dossier() -> Dossier:
    """A watched campaign on the guide's box, with its replays."""
    log = sampled_twice(faulty("bus"))
    return Dossier(
        report=build(log, analyse(log)),
        log=log,
        simulation=simulate(log, Change(), PREMISES, search=True),
        capacity=capacity(log, Goal(text="at least 800 kHz", hz=8e5), PREMISES),
    )


def sampled_twice(log: RunLog) -> RunLog:
    """The run with every sample once more a moment later: a curve needs two."""

    def longer(told: Telemetry) -> Telemetry:
        return replace(told, samples=tuple(s for one in told.samples for s in (replace(one, time=one.time - 1.0), one)))

    return replace(log, observations=tuple(replace(one, telemetry=longer(one.telemetry)) for one in log.observations))


@cache
def hostile() -> Dossier:
    """The same, where hosts put markup wherever a text of theirs is shown."""
    found = dossier()
    one, two, three, four = HOSTILE
    facts = tuple(replace(f, system=one, cpu_model=two, kernel=three, python=four) for f in found.log.survey.facts)
    failures = (Failure(host="far0", stage="survey", message=one, hint=three),)
    seen = tuple(
        replace(
            trial,
            jobs=tuple(replace(job, tasks=tuple(_renamed(task) for task in job.tasks)) for job in trial.jobs),
        )
        for trial in found.log.observations
    )
    survey = replace(found.log.survey, facts=facts, failures=failures)
    log = replace(found.log, survey=survey, observations=seen)
    analysis = found.report.analysis
    verdict = replace(
        analysis.verdict,
        label=one,
        bottleneck=replace(analysis.verdict.bottleneck, text=three, evidence=HOSTILE),
        needs=HOSTILE,
    )
    options = tuple(replace(option, label=text) for option, text in zip(analysis.options, HOSTILE, strict=False))
    analysis = replace(analysis, verdict=verdict, options=options, caveats=HOSTILE)
    return replace(found, report=replace(found.report, inventory=four, analysis=analysis), log=log)


def _renamed(task: TaskRecord) -> TaskRecord:
    """The task under a hostile name."""
    return replace(
        task, id=HOSTILE[0] + task.id, prerequisites=tuple(HOSTILE[0] + before for before in task.prerequisites)
    )


def large(jobs: int = 60, samples: int = 40_000) -> RunLog:
    """The campaign with so many jobs in every trial, and as many samples of each device in those that are drawn."""
    log = dossier().log
    drawn = {log.plan.current, log.observations[-1].trial.layout}
    return replace(
        log,
        observations=tuple(
            replace(
                trial,
                jobs=tuple(
                    replace(job, id=f"{job.id}-{number}", tasks=tuple(_later(t, number * 100.0) for t in job.tasks))
                    for number in range(jobs)
                    for job in trial.jobs
                ),
                telemetry=replace(
                    trial.telemetry,
                    samples=tuple(
                        DeviceSample(host=host, device=device, time=trial.started + at, emulated=True, busy=at % 7 / 7)
                        for host, device in trial.trial.layout.devices
                        for at in range(samples if trial.trial.layout in drawn else samples // 100)
                    ),
                ),
            )
            for trial in log.observations
        ),
    )


def _later(task: TaskRecord, seconds: float) -> TaskRecord:
    return replace(
        task,
        created=task.created + seconds,
        started=None if task.started is None else task.started + seconds,
        updated=None if task.updated is None else task.updated + seconds,
    )
