"""The validity gate: each rule refuses what breaks it, says what was seen and what cures it; the rest passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted_fleets import guide_box, layout
from planted_machine import Truth, observe

from fleet.analyse.gate import RULES, refusal
from fleet.model.rates import flaw
from fleet.model.record import DeviceSample, Observation, Outcome, TaskRecord, Telemetry
from fleet.model.trial import Experiment, Load, Trial


def good() -> Observation:
    """A trial that counts."""
    trial = Trial(experiment=Experiment.BASELINE, layout=layout(20, box=2), load=Load(iterations=512), repeat=0, seed=1)
    return observe(guide_box(), Truth(), trial)


def changed(observation: Observation, number: int, task: TaskRecord) -> Observation:
    """The observation with one task replaced."""
    job = observation.jobs[0]
    tasks = (*job.tasks[:number], task, *job.tasks[number + 1 :])
    return replace(observation, jobs=(replace(job, tasks=tasks),))


def sample(throttle: int | None) -> Telemetry:
    return Telemetry(samples=(DeviceSample(host="box", device="gpu0", time=0.0, emulated=True, throttle=throttle),))


def test_a_good_trial_passes() -> None:
    """Nothing is refused without a reason."""
    assert refusal(good()) is None


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.OK])
def test_every_outcome_but_ok_is_refused_with_its_cause(outcome: Outcome) -> None:
    """What the shell saw is what is shown; the code is the outcome's."""
    refused = refusal(replace(good(), outcome=outcome, jobs=(), cause="saw it happen"))
    assert refused is not None
    assert (refused.code, refused.seen) == (outcome.value, "saw it happen")
    assert refused.cure


def test_a_retried_task_spoils_the_trial() -> None:
    """A retry overwrites when the task started, so the figure would be a wrong one."""
    observation = good()
    refused = refusal(changed(observation, 3, replace(observation.jobs[0].tasks[3], retries=1)))
    assert refused is not None
    assert refused.code == "retried"
    assert "1 tasks" in refused.seen


@pytest.mark.parametrize(
    "times", [{"started": None}, {"updated": None}, {"started": 9.0, "updated": 8.0}, {"updated": float("nan")}]
)
def test_times_that_cannot_be_are_refused(times: dict[str, float | None]) -> None:
    """Missing, backwards or not a number: no rate comes of it."""
    observation = good()
    task = observation.jobs[0].tasks[3]
    broken = replace(task, started=times.get("started", task.started), updated=times.get("updated", task.updated))
    assert flaw(changed(observation, 3, broken)) == "bad_times"


def test_a_host_that_was_lost_spoils_even_a_finished_job() -> None:
    """The job may end on the others, but it is not the layout that was asked for."""
    assert flaw(replace(good(), lost=("far0",))) == "host_lost"


@pytest.mark.parametrize(
    ("bits", "code"), [(None, None), (0x0, None), (0x1, None), (0x4, None), (0x5, None), (0x8, "throttled")]
)
def test_throttling_is_refused_but_idle_and_the_power_cap(bits: int | None, code: str | None) -> None:
    """Not available is never taken for throttled; the software power cap is a setting, a hardware slowdown is not."""
    assert flaw(replace(good(), telemetry=sample(bits))) == code


@pytest.mark.parametrize("bit", [0x2, 0x8, 0x10, 0x20, 0x40, 0x80, 0x100])
def test_every_other_bit_is_refused_and_shown(bit: int) -> None:
    """With the bits in hexadecimal, as the driver's manual lists them."""
    refused = refusal(replace(good(), telemetry=sample(bit | 0x4)))
    assert refused is not None
    assert f"{bit:#x}" in refused.seen


def test_rules_have_one_code_each_and_a_cure() -> None:
    """The gate is data: codes are unique, and nobody is left without advice."""
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert all(rule.cure for rule in RULES)
