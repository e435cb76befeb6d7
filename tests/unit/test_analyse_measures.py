"""Both measures are taken and can disagree; the goal says which one decides; replicate is for capacity at its limit."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from planted_campaigns import PLAIN_CARD, WATCHED, faulty, plain_box, whole_campaign
from planted_fleets import GIB, card, fleet_of, guide_box, host, price
from planted_machine import Truth

from fleet.analyse import analyse
from fleet.analyse.causes.measures import disagreements
from fleet.analyse.decide.options import WORTH
from fleet.model.inventory import Inventory, SyntheticSettings
from fleet.model.record import Outcome, RunLog
from fleet.model.trial import DECIDING, JOBS_AT_ONCE, Budget, Experiment, Goal
from fleet.model.verdict import Choice, Evidence

CALM = Truth(trial_noise=0.01, task_noise=0.01, dispatch=0.08)
SLOW_COORDINATOR = replace(CALM, claim=0.36)
"""One task is handed out every 0.36 s, whoever asks."""


@cache
def asked(goal: Goal) -> RunLog:
    return whole_campaign(guide_box(), CALM, goal=goal)


def test_the_other_measure_comes_when_the_decision_stands() -> None:
    """The layout in service and the answer, once each, with three jobs at once, after everything that decides."""
    log = asked(Goal.LATENCY)
    experiments = [o.trial.experiment for o in log.observations]
    first = experiments.index(Experiment.MEASURES)
    assert set(experiments[:first]) <= {*DECIDING, Experiment.SOAK, Experiment.CAUSE}
    assert set(experiments[first:]) == {Experiment.MEASURES}
    seen = [(o.trial.layout, o.trial.load.jobs) for o in log.observations[first:]]
    assert seen[0] == (log.plan.current, JOBS_AT_ONCE)
    assert {host for host, _ in seen[1][0].devices} == {"box", "far0"}
    assert all(len(o.jobs) == o.trial.load.jobs for o in log.observations if o.outcome is Outcome.OK)


@pytest.mark.parametrize("goal", Goal)
def test_the_goal_decides_which_measure_is_which(goal: Goal) -> None:
    """The arms of the verdict are under the goal's load; the other one is shown beside it, with its gains."""
    log = asked(goal)
    found = analyse(log)
    assert found.goal is goal
    assert log.plan.load.jobs == (JOBS_AT_ONCE if goal is Goal.CAPACITY else 1)
    assert found.verdict.choice is Choice.ADD_REMOTE_WORKER
    assert found.verdict.bottleneck.code == "bus"
    both = {one.layout: one for one in found.measures}
    worker = next(layout for layout in both if layout != log.plan.current)
    gains = both[worker]
    assert gains.latency_gain is not None
    assert gains.capacity_gain is not None
    assert found.verdict.gain is not None
    of_goal = gains.capacity_gain if goal is Goal.CAPACITY else gains.latency_gain
    assert found.verdict.gain.value == pytest.approx(of_goal.value)
    # Three jobs leave no agent without work at the end of one, so a worker more is worth more to them.
    assert gains.capacity_gain.value > gains.latency_gain.value + 0.05


def short_jobs() -> Inventory:
    """Jobs behind an executor that is slower than one card: one job gains nothing from cards, several do."""
    fleet = plain_box()
    return replace(fleet, workload=SyntheticSettings(iterations=4096, executor_rate=0.6e6))


def test_the_two_can_disagree_and_it_is_said() -> None:
    """Each job has an executor of its own: what one job cannot use, three can. The verdict follows the goal."""
    for_one = analyse(whole_campaign(short_jobs(), CALM))
    for_many = analyse(whole_campaign(short_jobs(), CALM, goal=Goal.CAPACITY))
    assert for_one.verdict.choice is Choice.HOLD
    assert for_many.verdict.choice in (Choice.ADD_GPU, Choice.ADD_REMOTE_WORKER)
    assert disagreements(for_one.measures, WORTH)
    assert any("one job" in caveat and "at once" in caveat for caveat in for_one.caveats)


def crowd(cards: int = 4) -> Inventory:
    """A box of cards that a slow coordinator keeps waiting; a second cluster is priced like four cards and a box."""
    near = [card(n, "plain", 10 * GIB, PLAIN_CARD) for n in range(cards)]
    far = host("far0", card(0, "plain", 10 * GIB, PLAIN_CARD), candidate=True, slots=0)
    fleet = fleet_of(host("box", *near, head=True), far, po2=20, gpu=2000.0, worker=2600.0)
    return replace(fleet, po2_range=(20, 20), prices=replace(fleet.prices, replica=price(9000.0)))


def test_a_coordinator_at_its_limit_is_answered_by_a_second_cluster() -> None:
    """With capacity as the goal: the gain is twofold, the price is the stated one, the evidence names the limit."""
    found = analyse(whole_campaign(crowd(), SLOW_COORDINATOR, goal=Goal.CAPACITY))
    verdict = found.verdict
    assert verdict.choice is Choice.REPLICATE, verdict.reasons
    assert verdict.gain is not None
    assert verdict.gain.value == pytest.approx(1.0)
    assert 0.8 < verdict.gain.low < verdict.gain.high < 1.2
    assert verdict.cost == price(9000.0)
    assert verdict.bottleneck.code == "coordinator"
    option = next(o for o in found.options if o.choice is Choice.REPLICATE)
    assert option.evidence is Evidence.PREDICTED
    assert any("coordinator" in line for reason in verdict.reasons for line in reason.evidence)


def test_distance_that_eats_a_workers_gain_is_answered_by_a_second_cluster() -> None:
    """No slot in the box, a worker at 0.75 of a near one's pace: for the money a second cluster brings more."""
    fleet = crowd(2)
    box, *others = fleet.hosts
    fleet = replace(
        fleet,
        hosts=(replace(box, free_slots=0), *others),
        prices=replace(fleet.prices, worker=price(3000.0), replica=price(5000.0)),
    )
    found = analyse(whole_campaign(fleet, replace(CALM, rtt={"far0": 0.45}), goal=Goal.CAPACITY))
    (far,) = found.efficiencies
    assert far.efficiency.value == pytest.approx(1.35 / 1.80, abs=0.03)
    assert found.verdict.choice is Choice.REPLICATE, found.verdict.reasons
    assert any("far0" in line for reason in found.verdict.reasons for line in reason.evidence)


def test_one_job_gains_nothing_from_a_second_cluster() -> None:
    """For latency it is not even an option."""
    found = analyse(whole_campaign(crowd(), SLOW_COORDINATOR))
    assert not any(option.choice is Choice.REPLICATE for option in found.options)
    assert found.verdict.choice is not Choice.REPLICATE


def test_a_cluster_that_is_not_at_its_limit_is_not_replicated() -> None:
    """However cheap: more devices in it do the same for less trouble."""
    cheap = crowd(2)
    cheap = replace(cheap, prices=replace(cheap.prices, replica=price(100.0)))
    found = analyse(whole_campaign(cheap, CALM, goal=Goal.CAPACITY))
    option = next(o for o in found.options if o.choice is Choice.REPLICATE)
    assert option.blocked is not None
    assert "not at its limit" in option.blocked
    assert found.verdict.choice is not Choice.REPLICATE


def test_without_its_price_a_second_cluster_is_asked_for_not_assumed() -> None:
    """It is blocked with the reason, and stating the price is among the needs."""
    fleet = crowd()
    fleet = replace(fleet, prices=replace(fleet.prices, replica=None))
    found = analyse(whole_campaign(fleet, SLOW_COORDINATOR, goal=Goal.CAPACITY))
    option = next(o for o in found.options if o.choice is Choice.REPLICATE)
    assert option.blocked is not None
    assert "price" in option.blocked
    assert any("replica" in need for need in found.verdict.needs)


def test_a_small_budget_is_spent_on_the_decision_first() -> None:
    """Trials that explain come last; a budget that ends before them loses no part of the decision."""
    log = whole_campaign(guide_box(), WATCHED, budget=Budget(trials=5))
    assert len(log.observations) == 5
    assert {o.trial.experiment for o in log.observations} <= set(DECIDING)


def test_trials_with_several_jobs_count_all_of_them() -> None:
    """Cycles of three jobs over the time of three jobs: about the pace of one, not three times it."""
    found = analyse(faulty("power"))
    base = next(one for one in found.measures if one.latency_gain is None)
    assert 0.95 < base.capacity.value / base.latency.value < 1.3
