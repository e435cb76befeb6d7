"""The soak: the settings at the edge of memory run for longer; what fails there is no answer, what drifts is said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted_fleets import guide_box, mistuned_box, survey_of
from planted_machine import Truth, observe

from fleet.analyse import analyse
from fleet.analyse.causes.soaks import drift_of
from fleet.model.inventory import Inventory
from fleet.model.record import JobRecord, Observation, Outcome, RunLog, TaskKind
from fleet.model.trial import DECIDING, Budget, Experiment, Trial
from fleet.model.verdict import Choice
from fleet.plan.trials.experiments import propose
from fleet.plan.trials.make import make_plan
from fleet.plan.trials.soak import LONGER

CALM = Truth(trial_noise=0.005, task_noise=0.01, dispatch=0.08)
LEAKING = 21
"""Segments from this size on run out of memory in a job as long as a soak."""


def soaked(inventory: Inventory, *, leaks: bool = False, budget: Budget | None = None) -> RunLog:
    """A campaign with its soak on a planted machine, which may leak at large segments."""
    survey = survey_of(inventory)
    plan = make_plan(
        inventory, survey, run="soak", seed=1, budget=budget or Budget(), experiments=(*DECIDING, Experiment.SOAK)
    )
    history: list[Observation] = []
    while (trial := propose(plan, inventory, history, frozenset(plan.hosts))) is not None:
        history.append(answer(inventory, trial, len(history), leaks=leaks))
        assert len(history) < 40
    return RunLog(
        id="soak", created=0.0, version="0", inventory=inventory, survey=survey, plan=plan,
        observations=tuple(history), finished=True,
    )  # fmt: skip


def answer(inventory: Inventory, trial: Trial, number: int, *, leaks: bool) -> Observation:
    """The planted machine's; a leak shows only in a soak."""
    if leaks and trial.experiment is Experiment.SOAK and trial.layout.po2 >= LEAKING:
        return Observation(trial=trial, outcome=Outcome.OUT_OF_MEMORY, started=0.0, elapsed=2.0, emulated=True)
    return observe(inventory, CALM, trial, number)


def soaks(log: RunLog) -> list[Trial]:
    return [o.trial for o in log.observations if o.trial.experiment is Experiment.SOAK]


def test_the_settings_that_the_verdict_names_are_soaked() -> None:
    """po2 21 on 24 GiB cards leaves no room for 22: once more, under a load several times as large, after the rest."""
    log = soaked(mistuned_box())
    assert [trial.layout.po2 for trial in soaks(log)] == [21]
    assert soaks(log)[0].load.iterations == LONGER * log.plan.load.iterations
    assert log.observations[-1].trial.experiment is Experiment.SOAK
    analysis = analyse(log)
    assert analysis.verdict.choice is Choice.TUNE
    assert "po2 18 → 21" in analysis.verdict.label
    assert not any("soak" in line for line in (*analysis.not_measured, *analysis.caveats))


def test_a_soak_that_runs_out_of_memory_lowers_the_ceiling_and_changes_the_answer() -> None:
    """po2 21 completes a job and fails a long one: the ceiling is 20, and 20 is what is named, and soaked in turn."""
    log = soaked(mistuned_box(), leaks=True)
    analysis = analyse(log)
    assert soaks(log)[0].layout.po2 == LEAKING
    assert dict(analysis.ceilings)["roomy"] == LEAKING - 1
    assert analysis.verdict.choice is Choice.TUNE
    assert "→ 21" not in analysis.verdict.label
    assert any("ran out of memory in the soak" in line for line in analysis.caveats)


def test_where_nothing_is_tuned_the_settings_in_service_are_soaked() -> None:
    """The guide's 16 GB card is full at po2 20, and what is to be bought runs at the same settings."""
    log = soaked(guide_box())
    assert [trial.layout for trial in soaks(log)] == [log.plan.current]


def test_a_soak_keeps_to_what_is_left_of_the_budget() -> None:
    """Time for less than two loads is no soak."""
    whole = soaked(guide_box())
    spent = sum(o.elapsed for o in whole.observations if o.trial.experiment is not Experiment.SOAK)
    assert soaks(soaked(guide_box(), budget=Budget(seconds=spent + 1.0))) == []


@pytest.mark.parametrize("growth", [0.0, 0.3])
def test_proves_that_take_longer_towards_the_end_are_said(growth: float) -> None:
    """A card that slows down as it warms: the caveat names by how much; a steady one is not mentioned."""
    log = soaked(guide_box())
    last = log.observations[-1]
    assert last.trial.experiment is Experiment.SOAK
    warming = replace(last, jobs=tuple(slowing(job, growth) for job in last.jobs))
    caveats = analyse(replace(log, observations=(*log.observations[:-1], warming))).caveats
    assert any("at the end of the soak" in line for line in caveats) is (growth > 0)
    assert drift_of(warming.jobs[0]) == pytest.approx(0.6 * growth, abs=0.05)


def slowing(job: JobRecord, growth: float) -> JobRecord:
    """The job with its proves longer by and by, by `growth` at its end."""
    end = max(task.updated or 0.0 for task in job.tasks)
    tasks = [
        replace(t, updated=t.started + (t.updated - t.started) * (1 + growth * t.started / end))
        if t.kind is TaskKind.PROVE and t.started is not None and t.updated is not None
        else t
        for t in job.tasks
    ]
    return replace(job, tasks=tuple(tasks))
