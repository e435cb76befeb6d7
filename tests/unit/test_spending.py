"""What measuring costs: rented hosts by the hour, what is paid once not at all; the budget that ends first is named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted_fleets import campaign, guide_box, start
from planted_machine import Truth

from fleet.analyse import analyse
from fleet.model.inventory import Inventory, Per, Price, Prices
from fleet.model.record import Observation, Outcome
from fleet.model.spending import exhausted, hourly, limits, spent
from fleet.model.trial import Budget, Experiment, Trial

RENTED = Prices(gpu=Price(amount=0.5, per=Per.HOUR), worker=Price(amount=2.0, per=Per.HOUR))
BOUGHT = Prices(gpu=Price(amount=900.0, per=Per.ONCE), worker=Price(amount=2600.0, per=Per.ONCE))


def fleet(prices: Prices) -> Inventory:
    """A box of two cards and two candidates."""
    return replace(guide_box(), prices=prices)


def took(inventory: Inventory, seconds: float) -> Observation:
    plan = start(inventory).plan
    trial = Trial(experiment=Experiment.BASELINE, layout=plan.current, load=plan.load, repeat=0, seed=1)
    return Observation(trial=trial, outcome=Outcome.TIMEOUT, started=0.0, elapsed=seconds, emulated=True)


def test_what_is_rented_costs_by_the_hour_and_what_is_bought_nothing() -> None:
    """Two cards at 0.50 and two workers at 2.00 an hour; a host's own price comes before both; a lost host is free."""
    rented, bought = fleet(RENTED), fleet(BOUGHT)
    everybody = start(rented).plan.hosts
    assert hourly(rented, everybody) == pytest.approx(2 * 0.5 + 2 * 2.0)
    assert hourly(rented, ["box"]) == pytest.approx(1.0)
    assert hourly(bought, everybody) == 0
    own = replace(rented.hosts[1], cost=Price(amount=7.0, per=Per.HOUR))
    assert hourly(replace(rented, hosts=(rented.hosts[0], own, rented.hosts[2])), everybody) == pytest.approx(10.0)
    half_an_hour = spent(start(rented).plan, rented, [took(rented, 600.0)] * 3)
    assert half_an_hour.money == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(trials=2), "2 of 2 trials"),
        (Budget(seconds=7200.0), "of 2 h 00 min"),
        (Budget(seconds=1e9, money=9.0), "10.00 of 9.00 USD"),
        (Budget(seconds=1e9, money=11.0), None),
    ],
)
def test_the_part_of_the_budget_that_ended_it_is_named(budget: Budget, words: str | None) -> None:
    """Two trials of an hour at 5.00 an hour."""
    inventory = fleet(RENTED)
    over = exhausted(start(inventory, budget=budget).plan, inventory, [took(inventory, 3600.0)] * 2)
    assert (words is None and over is None) or (words is not None and over is not None and words in over)


def test_a_campaign_stops_when_its_money_is_spent_and_the_report_says_so() -> None:
    """Half of what a whole campaign costs: it ends within a trial of it, and the caveat says that it was the money."""
    inventory = fleet(RENTED)
    whole = campaign(inventory, Truth())
    cost = spent(whole.plan, inventory, whole.observations).money
    cut = campaign(inventory, Truth(), budget=Budget(money=cost / 2))
    used = spent(cut.plan, inventory, cut.observations).money
    without_last = spent(cut.plan, inventory, cut.observations[:-1]).money
    assert without_last < cost / 2 <= used
    assert len(cut.observations) < len(whole.observations)
    assert any("USD were spent on rented hosts" in line for line in analyse(cut).caveats)
    assert not any("budget was spent" in line for line in analyse(whole).caveats)


def test_bought_hardware_never_ends_a_campaign() -> None:
    """What is paid once costs nothing to measure, however long it takes."""
    inventory = fleet(BOUGHT)
    plan = start(inventory, budget=Budget(seconds=1e9, money=0.01)).plan
    assert exhausted(plan, inventory, [took(inventory, 3600.0)] * 9) is None


def test_the_limits_are_shown() -> None:
    """Money only where it is limited."""
    assert limits(Budget(), "USD") == "at most 32 trials, at most 30 min 00 s"
    assert limits(Budget(money=2.0), "EUR").endswith(", at most 2.00 EUR")
