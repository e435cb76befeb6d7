"""Effective Hz: the guide's figures to the last digit, totals over totals, intervals that cover."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_fleets import done, guide_job, layout

from fleet.analyse.evidence.arms import Arm, arms_of, estimate, spread_of
from fleet.analyse.evidence.luck import task_luck
from fleet.analyse.stats import PRIOR_CV, Spread, pooled, robust_z, t_975, t_interval
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
    """400 tasks whose times vary by 30 %: their sum, and so the rate, may be off by 30 % ÷ √400.

    Tasks that take equally long have no such luck, and an odd one among them, a job's last segment, is none either.
    """
    times = np.random.default_rng(3).gamma(1 / 0.3**2, 0.3**2, 400).tolist()
    lucks = [luck_of(proved("box/gpu0/0", times[::step])) for step in (1, -1)]
    assert lucks == pytest.approx([0.3**2 / 400] * 2, rel=0.7)
    assert luck_of(proved("box/gpu0/0", [2.0] * 40)) == 0
    assert luck_of(proved("box/gpu0/0", [*[2.0] * 40, 9.0])) == 0


def test_what_one_tasks_length_takes_from_anothers_is_no_luck() -> None:
    """Two cards that take turns at a bus, one's 3 s beside the other's 1 s: together they never take longer.

    Were the tasks independent, the same times would leave the rate uncertain.
    """
    one, other = [1.0, 3.0] * 32, [3.0, 1.0] * 32
    chance = np.random.default_rng(4)
    turns = luck_of((*proved("box/gpu0/0", one), *proved("box/gpu1/0", other)))
    alone = luck_of((*proved("box/gpu0/0", chance.permutation(one)), *proved("box/gpu1/0", chance.permutation(other))))
    assert turns < 1e-12
    assert alone > 1e-4


def test_repeats_overrule_what_tasks_luck_lets_expect_by_degrees() -> None:
    """Before any repeat tasks' luck is what is known; four repeats that agree leave a third of it, not nothing.

    An arm whose tasks are luckier than the usual has as much more variance; one whose are not has no less.
    """
    groups, luck = [[0.0, 0.0], [0.0, 0.0, 0.0, 0.0]], 0.05**2
    assert pooled([], luck).variance == luck
    calm = pooled(groups, luck)
    assert calm.variance == pytest.approx(luck / 3)
    assert calm.with_luck(luck + 0.01).variance == pytest.approx(calm.variance + 0.01)
    assert calm.with_luck(0.0) == calm
    assert pooled(groups, 0.001**2).variance == pooled(groups).variance


def test_an_arms_own_repeats_overrule_its_tasks_luck() -> None:
    """Six trials that agree, of tasks that do not: nothing is put on top of what is left of the luck, 2 of 7 parts."""
    times = np.random.default_rng(5).gamma(1 / 0.5**2, 0.5**2, 64).tolist()
    job = replace(guide_job(1000, 10.0, 2), tasks=tuple(proved("box/gpu0/0", times)))
    (arm,) = arms_of([seen(job, repeat) for repeat in range(6)])
    result = estimate(arm, spread_of([arm]))
    assert arm.luck > PRIOR_CV**2
    assert math.log(result.high / result.value) == pytest.approx(t_975(7) * math.sqrt(arm.luck * 2 / 7 / 6))


def luck_of(tasks: Iterable[TaskRecord]) -> float:
    return task_luck([seen(replace(guide_job(1000, 10.0, 2), tasks=tuple(tasks)))])


def proved(agent: str, times: Iterable[float]) -> Iterator[TaskRecord]:
    """One agent's proves that took so long, one after the other."""
    began = 0.0
    for number, seconds in enumerate(times):
        yield replace(done(f"{agent} {number}", TaskKind.PROVE, began, began + seconds), agent=agent)
        began += seconds


def test_one_trial_has_the_interval_of_experience() -> None:
    """n = 1 says nothing of its own spread: the prior's 2 % with its two degrees of freedom."""
    (arm,) = arms_of([seen(guide_job(1000, 10.0, 2))])
    result = estimate(arm, pooled([arm.logs]))
    assert result.n == 1
    assert math.log(result.high / result.value) == pytest.approx(4.303 * PRIOR_CV, rel=1e-3)


def test_equal_repeats_do_not_make_the_interval_vanish() -> None:
    """Phase-locked timers can repeat a wrong mean exactly: the pooled spread keeps a width."""
    (arm,) = arms_of([seen(guide_job(1000, 10.0, 2), repeat) for repeat in range(3)])
    result = estimate(arm, pooled([arm.logs]))
    assert result.high / result.low > 1.01


def test_pooled_intervals_of_three_trials_cover() -> None:
    """Of 600 arms of three trials with a CV of 2 %, measured beside five others, 92 to 98.5 % cover the truth."""
    chance = np.random.default_rng(7)
    covered = 0
    for _ in range(600):
        arms = chance.normal(0.0, 0.02, size=(6, 3)).tolist()
        low, high = t_interval(math.exp(sum(arms[0]) / 3), arms[0], pooled(arms))
        covered += low <= 1.0 <= high
    assert 0.92 <= covered / 600 <= 0.985


def test_intervals_of_five_trials_alone_cover() -> None:
    """With nothing beside them: 92 to 98.5 % of 600 hold the truth."""
    chance = np.random.default_rng(8)
    covered = 0
    for _ in range(600):
        logs = chance.normal(0.0, 0.02, 5).tolist()
        low, high = t_interval(math.exp(sum(logs) / 5), logs, pooled([logs]))
        covered += low <= 1.0 <= high
    assert 0.92 <= covered / 600 <= 0.985


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
