"""Effective Hz: the guide's figures to the last digit, totals over totals, intervals that cover."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_fleets import done, guide_job, layout

from fleet.analyse.evidence.arms import Arm, arms_of, estimate, task_luck
from fleet.analyse.stats import PRIOR_CV, Spread, bootstrap_interval, generator_for, pooled, robust_z, t_975, t_interval
from fleet.model.rates import effective_hz, job_seconds
from fleet.model.record import JobRecord, Observation, Outcome, TaskKind, TaskRecord
from fleet.model.trial import Experiment, Load, Trial


def seen(job: JobRecord, repeat: int = 0, experiment: Experiment = Experiment.BASELINE) -> Observation:
    trial = Trial(experiment=experiment, layout=layout(20, box=1), load=Load(iterations=4096), repeat=repeat, seed=1)
    return Observation(trial=trial, outcome=Outcome.OK, started=0.0, elapsed=1.0, emulated=False, jobs=(job,))


@pytest.mark.parametrize(
    ("cycles", "seconds", "segments", "hertz"),
    [
        (8_650_752, "21.660150", 9, "399385.5998"),
        (34_603_008, "130.630590", 33, "264892.0747"),
        (35_127_296, "81.430957", 67, "431375.2078"),
    ],
)
def test_the_guides_figures_come_out_to_the_last_digit(cycles: int, seconds: str, segments: int, hertz: str) -> None:
    """The three worked figures of the domain, by the guide's definition of effective Hz."""
    job = guide_job(cycles, float(seconds), segments)
    assert f"{effective_hz([job]):.4f}" == hertz
    assert len(job.tasks) == 1 + segments + (segments - 1) + 1


def test_the_clock_starts_with_the_first_task_and_ends_with_the_last() -> None:
    """Whatever the order of the records, and wherever on the clock the job lies."""
    job = guide_job(8_650_752, 21.660150, 9, start=1000.0)
    shuffled = replace(job, tasks=tuple(reversed(job.tasks)))
    assert job_seconds([shuffled]) == pytest.approx(21.660150)


def test_rates_are_totals_over_totals() -> None:
    """A slow trial weighs by its seconds: 2 jobs in 10 s and 30 s are 2·C/40, not the mean of two rates."""
    trials = [seen(guide_job(1000, 10.0, 2), 0), seen(guide_job(1000, 30.0, 2), 1)]
    (arm,) = arms_of(trials)
    assert arm.hz == pytest.approx(2000 / 40)


def test_warm_up_and_ceiling_probes_are_no_figures() -> None:
    """What they measure counts for nothing, also where it went well."""
    probes = [
        seen(guide_job(1000, 10.0, 2), experiment=experiment) for experiment in (Experiment.WARMUP, Experiment.CEILING)
    ]
    assert arms_of(probes) == ()


def test_tasks_whose_times_vary_make_even_one_trial_uncertain() -> None:
    """Four tasks of 1 to 4 s on one agent: their scatter alone leaves their sum, and so the rate, uncertain by 30 %.

    Tasks that take equally long have no such luck, and an odd one among them, a job's last segment, is none either.
    Repeats that happen to agree better than the tasks' luck allows are not believed.
    """
    even = [proved(k, 2.0) for k in range(5)]
    uneven = [proved(k, seconds) for k, seconds in enumerate((1.0, 2.0, 3.0, 4.0))]
    job = guide_job(1000, 10.0, 2)
    assert task_luck([seen(replace(job, tasks=tuple(even)))]) == 0
    assert task_luck([seen(replace(job, tasks=(*even, proved(9, 20.0))))]) == 0
    luck = task_luck([seen(replace(job, tasks=tuple(uneven)))])
    assert luck == pytest.approx(4 * 1.4826**2 / 10**2)
    calm = pooled([[0.0, 0.001], [0.0, -0.001]])
    assert calm.at_least(luck).variance == luck > calm.variance == calm.at_least(0.0).variance


def proved(number: int, seconds: float) -> TaskRecord:
    return replace(done(str(number), TaskKind.PROVE, 0.0, seconds), agent="box/gpu0/0")


def test_one_trial_has_the_interval_of_experience() -> None:
    """n = 1 says nothing of its own spread: the prior's 2 % with its two degrees of freedom."""
    (arm,) = arms_of([seen(guide_job(1000, 10.0, 2))])
    result = estimate(arm, pooled([arm.logs]), seed=1)
    assert result.n == 1
    assert math.log(result.high / result.value) == pytest.approx(4.303 * PRIOR_CV, rel=1e-3)


def test_equal_repeats_do_not_make_the_interval_vanish() -> None:
    """Phase-locked timers can repeat a wrong mean exactly: the pooled spread keeps a width."""
    (arm,) = arms_of([seen(guide_job(1000, 10.0, 2), repeat) for repeat in range(3)])
    result = estimate(arm, pooled([arm.logs]), seed=1)
    assert result.high / result.low > 1.01


def test_many_trials_are_bootstrapped() -> None:
    """From five trials on the interval comes from resampling whole trials, and is the same for the same seed."""
    (arm,) = arms_of([seen(guide_job(1000, 10.0 + repeat / 10, 2), repeat) for repeat in range(8)])
    spread = pooled([arm.logs])
    first, second = (estimate(arm, spread, seed=5) for _ in range(2))
    assert first == second
    assert first.low < first.value < first.high
    assert (first.low, first.high) != pytest.approx(t_interval(arm.hz, arm.logs, spread), rel=1e-6)


def test_pooled_intervals_of_three_trials_cover() -> None:
    """Of 600 arms of three trials with a CV of 2 %, measured beside five others, 92 to 98.5 % cover the truth."""
    chance = np.random.default_rng(7)
    covered = 0
    for _ in range(600):
        arms = chance.normal(0.0, 0.02, size=(6, 3)).tolist()
        low, high = t_interval(math.exp(sum(arms[0]) / 3), arms[0], pooled(arms))
        covered += low <= 1.0 <= high
    assert 0.92 <= covered / 600 <= 0.985


def test_bootstrap_intervals_of_eight_trials_cover() -> None:
    """Bootstrap of few trials is known to be a little narrow: at least 87 % of 300 cover."""
    chance = np.random.default_rng(8)
    covered = 0
    for number in range(300):
        seconds = (10 * np.exp(chance.normal(0.0, 0.02, 8))).tolist()
        low, high = bootstrap_interval([1000.0] * 8, seconds, generator_for(1, str(number)))
        covered += low <= 100 <= high
    assert covered / 300 >= 0.87


@given(st.integers(1, 200))
def test_the_quantile_never_grows_with_knowledge(freedom: int) -> None:
    """More degrees of freedom never widen an interval, and never beat the normal's 1.96."""
    assert t_975(freedom) >= t_975(freedom + 1) > 1.96


def test_the_larger_of_own_and_pooled_spread_counts() -> None:
    """An arm that is wilder than the others keeps its own width."""
    spread = Spread(variance=0.0001, freedom=10)
    assert spread.of_mean([0.0, 0.2]) == pytest.approx(math.sqrt(0.02 / 2))
    assert spread.of_mean([0.0, 0.001]) == pytest.approx(math.sqrt(0.0001 / 2))


def test_robust_z_flags_the_one_that_is_off() -> None:
    """Five near 1 and one at 2: only the last is beyond 3.5."""
    flags = [abs(z) > 3.5 for z in robust_z([1.0, 1.01, 0.99, 1.02, 0.98, 2.0])]
    assert flags == [False] * 5 + [True]
    assert robust_z([1.0, 1.0, 1.0]) == (0.0, 0.0, 0.0)


def test_an_arm_is_a_layout_under_one_load() -> None:
    """Another number of iterations is another arm: their rates are never mixed."""
    short = seen(guide_job(1000, 10.0, 2))
    long = replace(short, trial=replace(short.trial, load=Load(iterations=8192)))
    arms: tuple[Arm, ...] = arms_of([short, long])
    assert [arm.load.iterations for arm in arms] == [4096, 8192]
