"""One worker's marginal gain on planted machines: the order of trials, their end, and whether the truth is inside."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_fleets import guide_box, layout, roomy_box
from planted_machine import Truth, observe

from fleet.analyse.foretell.marginal import counted, expectation, marginal, paired_gain, precise, shares
from fleet.cli.premises import planning
from fleet.model.facts import Survey
from fleet.model.inventory import Inventory
from fleet.model.rates import effective_hz
from fleet.model.record import Observation, Outcome, RunLog
from fleet.model.trial import Budget, Experiment, Load, Plan, Trial
from fleet.plan.trials.pairs import ORDER, Pairs, next_trial

CALM = Truth(trial_noise=0.01, task_noise=0.01, dispatch=0.08)
WITHOUT, TOGETHER = layout(20, box=2), layout(20, box=2, far0=1)


def plan() -> Plan:
    return Plan(
        run="r", current=WITHOUT, load=Load(iterations=4096), budget=Budget(trials=20), seed=7, hosts=("box", "far0")
    )


def campaign(inventory: Inventory, truth: Truth, *, wanted: float = 0.04, most: int = 6) -> list[Observation]:
    pairs = Pairs(plan=plan(), together=TOGETHER, wanted=wanted, most=most)
    seen: list[Observation] = []
    while (trial := next_trial(pairs, seen)) is not None:
        seen.append(observe(inventory, truth, trial))
        assert len(seen) <= 2 * most + 2, "it does not end"
    return seen


def log_of(inventory: Inventory, seen: list[Observation]) -> RunLog:
    return RunLog(
        id="r",
        created=0.0,
        version="0",
        inventory=inventory,
        survey=Survey(facts=()),
        plan=plan(),
        observations=tuple(seen),
    )


def test_a_warm_up_comes_first_and_counts_for_nothing_then_pairs_in_the_order_abba() -> None:
    seen = campaign(guide_box(), CALM, wanted=0.0001, most=4)
    assert seen[0].trial.experiment is Experiment.WARMUP
    sides = ["B" if o.trial.layout == TOGETHER else "A" for o in seen[1:]]
    assert "".join(sides) == "ABBAABBA"
    assert len({o.trial.id for o in seen}) == len(seen)


def test_it_ends_by_the_width_of_the_interval_and_no_sooner_than_after_two_pairs() -> None:
    quiet = campaign(guide_box(), Truth(trial_noise=0.0, task_noise=0.0), wanted=0.04)
    assert len(quiet) == 1 + 2 * 3
    assert len(campaign(guide_box(), Truth(trial_noise=0.0, task_noise=0.0), wanted=0.5)) == 1 + 2 * 2
    assert len(campaign(guide_box(), Truth(trial_noise=0.2, task_noise=0.0), wanted=0.01, most=5)) == 1 + 2 * 5


@pytest.mark.parametrize("bad", [WITHOUT, TOGETHER])
def test_a_side_that_always_fails_ends_it(bad: object) -> None:
    pairs = Pairs(plan=plan(), together=TOGETHER, wanted=0.04, most=6)
    seen: list[Observation] = []
    while (trial := next_trial(pairs, seen)) is not None:
        seen.append(
            Observation(trial=trial, outcome=Outcome.FAILED, started=0.0, elapsed=0.0, emulated=True)
            if trial.layout == bad
            else observe(guide_box(), CALM, trial)
        )
        assert len(seen) < 12, "it does not end"
    assert sum(o.trial.layout == bad for o in seen) >= 3
    with pytest.raises(ValueError, match="no pair"):
        marginal(log_of(guide_box(), seen), "far0", TOGETHER, None, 0.04)


def test_what_was_cut_off_goes_on_where_it_stopped() -> None:
    whole = campaign(guide_box(), CALM)
    pairs = Pairs(plan=plan(), together=TOGETHER, wanted=0.04, most=6)
    for count in range(len(whole)):
        assert next_trial(pairs, whole[:count]) == whole[count].trial
        if 0 < count < len(whole) - 1:
            warming = next_trial(pairs, whole[:count], fresh=True)
            assert warming is not None
            assert warming.experiment is Experiment.WARMUP
            assert warming.id not in {o.trial.id for o in whole}
    assert next_trial(pairs, whole, fresh=True) is None
    aborted = replace(whole[3], outcome=Outcome.ABORTED, jobs=())
    assert next_trial(pairs, [*whole[:3], aborted]) == whole[3].trial


def test_the_measured_gain_and_the_twins_hold_the_planted_truth() -> None:
    for inventory in (guide_box(), roomy_box()):
        quiet = Truth(trial_noise=0.0, task_noise=0.0, dispatch=0.08)
        rates = []
        for one in (WITHOUT, TOGETHER):
            trial = Trial(experiment=Experiment.BASELINE, layout=one, load=plan().load, repeat=0, seed=0)
            rates.append(effective_hz(observe(inventory, quiet, trial).jobs))
        truth = rates[1] / rates[0] - 1
        seen = campaign(inventory, CALM)
        log = log_of(inventory, seen)
        before = [o for o in seen if o.trial.layout == WITHOUT][:1]
        expected = expectation(log_of(inventory, before), inventory, WITHOUT, TOGETHER, planning())
        found = marginal(log, "far0", TOGETHER, expected, 0.04)
        assert found.gain.low <= truth <= found.gain.high
        assert found.predicted is not None
        assert found.predicted.low <= truth <= found.predicted.high
        assert found.as_predicted is True
        assert found.pairs == min(len(counted(seen, side, plan().load)) for side in (WITHOUT, TOGETHER))
        assert found.precise


def test_nothing_is_expected_of_a_run_without_the_layout_in_service() -> None:
    assert expectation(log_of(guide_box(), []), guide_box(), WITHOUT, TOGETHER, planning()) is None


def test_the_interval_holds_the_truth_as_often_as_it_says_however_the_machine_drifts() -> None:
    chance = random.Random(4)  # noqa: S311 (a planted machine, no secret)
    held = 0
    for _ in range(400):
        drift, rates = 1.0, []
        for side in ORDER + ORDER[:2]:
            drift *= 0.99
            rates.append((side, drift * (1.3 if side == "B" else 1.0) * math.exp(chance.gauss(0, 0.02))))
        gain = paired_gain([r for s, r in rates if s == "A"], [r for s, r in rates if s == "B"])
        held += gain.low <= 0.3 <= gain.high
    assert 0.93 * 400 <= held <= 400


@settings(deadline=None)
@given(st.lists(st.floats(1.0, 1e9), min_size=1, max_size=8), st.lists(st.floats(1.0, 1e9), min_size=1, max_size=8))
def test_a_gain_lies_in_its_interval_and_two_pairs_are_the_fewest(a: list[float], b: list[float]) -> None:
    gain = paired_gain(a, b)
    assert -1 < gain.low <= gain.value <= gain.high
    assert gain.n == min(len(a), len(b))
    assert not (gain.n < 2 and precise(gain, 1e9))


def test_shares_are_those_of_the_last_trial_with_the_host() -> None:
    found = shares(log_of(guide_box(), campaign(guide_box(), CALM)))
    assert set(found) == {"box", "far0"}
    assert 0.25 < found["far0"] < 0.5
