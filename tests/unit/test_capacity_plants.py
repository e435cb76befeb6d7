"""Capacity: what reaches a goal, what it costs, what is left without a host."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted_questions import PREMISES, run_of, true_hz

from fleet.analyse.decide.capacity import SHOWN, SURE, capacity
from fleet.analyse.foretell.costs import bill_of, monthly
from fleet.errors import ConfigurationError
from fleet.model.capacity import Capacity, Goal
from fleet.model.inventory import Per, Price, Prices
from fleet.model.rates import effective_hz
from fleet.model.record import RunLog


def wanted(hertz: float) -> Goal:
    return Goal(text="a target", hz=hertz)


def answer(fleet: str, goal: Goal, months: float = 24.0) -> Capacity:
    return capacity(run_of(fleet), goal, PREMISES, months)


def unpriced(log: RunLog) -> RunLog:
    return replace(log, inventory=replace(log.inventory, prices=Prices()))


@pytest.mark.parametrize(("fleet", "hertz"), [("guide", 0.7e6), ("guide", 1e6), ("roomy", 1.7e6), ("mistuned", 1.3e6)])
def test_the_recommended_layout_really_reaches_the_target(fleet: str, hertz: float) -> None:
    """The planted machine, built as recommended, gives at least what was asked for."""
    plant = answer(fleet, wanted(hertz)).recommended
    assert plant is not None
    truth = plant.replicas * true_hz(fleet, plant.unit)
    assert truth >= hertz
    assert plant.hz.low <= truth <= plant.hz.high


def test_the_cheapest_sure_layout_is_recommended_and_the_list_is_short() -> None:
    """Priced layouts by cost, then those without a price by hosts; each reaches it more likely than not."""
    found = answer("guide", wanted(1e6))
    assert len(found.plants) <= SHOWN
    keys = [(p.monthly is None, p.monthly or 0.0) for p in found.plants]
    assert keys == sorted(keys)
    assert all(p.reaches is not None and p.reaches >= 0.5 for p in found.plants)
    assert found.recommended == next(p for p in found.plants if (p.reaches or 0.0) >= SURE)


def test_today_is_what_was_measured() -> None:
    """The layout in service is no prediction: its figure is the measured one, with its number of trials."""
    now = answer("guide", wanted(1e6)).now
    assert now.current
    assert now.hz.n == 2
    assert now.hz.value == pytest.approx(434e3, rel=0.02)


def test_what_is_in_service_is_enough_for_less() -> None:
    """A target below today's rate costs nothing and needs nothing."""
    found = answer("guide", wanted(0.3e6))
    assert found.recommended is not None
    assert found.recommended.current
    assert found.recommended.monthly == 0
    assert found.peak_then is None


def test_separate_clusters_add_up_and_survive_a_head() -> None:
    """n clusters give n times one; without a head n − 1 are left, and a single cluster leaves nothing."""
    found = answer("guide", wanted(5e6))
    for plant in found.plants:
        one = plant.hz.value / plant.replicas
        assert plant.without_head == pytest.approx((plant.replicas - 1) * one, rel=0.01)
    assert found.now.without_head == 0
    assert any(plant.replicas > 1 for plant in found.plants)


def test_every_cluster_pays_for_its_own_hardware() -> None:
    """Ten boxes with a GPU more each need ten GPUs; a box itself has no price, and how to state one is said."""
    plant = next(p for p in answer("guide", wanted(5e6)).plants if len(p.unit.devices) == 3 and p.hosts == p.replicas)
    assert plant.bill.once == plant.replicas * 1600.0
    assert plant.bill.missing == ("a second cluster",)
    assert plant.monthly is None
    assert any("state `replica` under `prices`" in note for note in answer("guide", wanted(5e6)).notes)


def clustered(log: RunLog, amount: float) -> RunLog:
    """The run with a price for a second cluster."""
    prices = replace(log.inventory.prices, replica=Price(amount=amount, per=Per.ONCE))
    return replace(log, inventory=replace(log.inventory, prices=prices))


def test_clusters_with_a_price_are_paid_for_and_compared_by_money() -> None:
    """n clusters cost n − 1 times the price and n times what is added to each; nothing is without a price any more."""
    found = capacity(clustered(run_of("guide"), 1000.0), wanted(2e6), PREMISES)
    for plant in found.plants:
        gpus = sum(host == "box" for host, _ in plant.unit.devices) - 2
        workers = plant.hosts // plant.replicas - 1
        assert not plant.bill.missing
        each = gpus * 1600.0 + workers * 1900.0
        assert plant.bill.once == (plant.replicas - 1) * 1000.0 + plant.replicas * each
    assert found.recommended is not None
    assert found.recommended.replicas > 1
    dear = capacity(clustered(run_of("guide"), 1e6), wanted(0.7e6), PREMISES).recommended
    assert dear is not None
    assert dear.replicas == 1


def test_a_budget_buys_clusters_where_they_have_a_price() -> None:
    """5,000 once are five more clusters of 1,000, which give more than anything added to one."""
    found = capacity(clustered(run_of("guide"), 1000.0), Goal(text="a sum", once=5000.0), PREMISES)
    assert (found.plants[0].replicas, found.plants[0].bill.once) == (6, 5000.0)
    assert all(plant.bill.once <= 5000.0 for plant in found.plants)


def test_without_prices_layouts_are_listed_by_hosts() -> None:
    """No money, no order by money: the fewest hosts first, and the note names what has no price."""
    found = capacity(unpriced(run_of("guide")), wanted(1e6), PREMISES)
    hosts = [plant.hosts for plant in found.plants]
    assert hosts == sorted(hosts)
    assert any("no price is known for a GPU" in note or "a worker" in note for note in found.notes)


def test_a_budget_buys_the_strongest_that_it_pays_for() -> None:
    """Nothing dearer is listed, most Hz first; more months make the same hardware cheaper."""
    found = answer("guide", Goal(text="a budget", monthly=100.0))
    assert all((plant.monthly or 0.0) <= 100.0 for plant in found.plants)
    rates = [plant.hz.value for plant in found.plants]
    assert rates == sorted(rates, reverse=True)
    richer = answer("guide", Goal(text="a budget", monthly=100.0), months=48.0)
    assert richer.plants[0].hz.value > found.plants[0].hz.value


def test_money_paid_once_buys_what_is_paid_once() -> None:
    """1,700 buy a GPU of 1,600, not a worker of 1,900."""
    found = answer("guide", Goal(text="a sum", once=1700.0))
    assert [plant.bill.once for plant in found.plants] == [1600.0, 0.0]


def test_new_layouts_of_a_mistuned_fleet_are_tuned() -> None:
    """Nobody should buy what a free setting gives: what is added has the best measured settings, and it is said."""
    found = answer("mistuned", wanted(0.9e6))
    assert found.recommended is not None
    assert found.recommended.monthly == 0
    assert found.recommended.unit.po2 == 21
    assert any("po2 21" in note for note in found.notes)


def test_the_peak_is_three_quarters_of_the_worst() -> None:
    """The vendor's rule on today's trials; for what is recommended, on the low end of its interval."""
    log = run_of("guide")
    found = answer("guide", wanted(1e6))
    trials = [o for o in log.observations if o.trial.layout == log.plan.current and o.trial.load == log.plan.load]
    worst = min(effective_hz(o.jobs) for o in trials if o.jobs)
    assert found.peak_now.khz == int(0.75 * worst / 1e3)
    assert found.recommended is not None
    assert found.peak_then is not None
    assert found.peak_then.worst == pytest.approx(found.recommended.hz.low / found.recommended.replicas)


def test_a_target_out_of_reach_is_refused() -> None:
    """64 clusters are where imagination ends."""
    with pytest.raises(ConfigurationError, match="more than 64 clusters"):
        answer("guide", wanted(1e12))


def test_a_bill_adds_up_and_names_what_is_missing() -> None:
    """Once and hourly prices side by side; a month has 730 hours, prices paid once are spread."""
    prices = Prices(gpu=Price(amount=900, per=Per.ONCE), worker=Price(amount=0.5, per=Per.HOUR))
    bill = bill_of(prices, 2, 1)
    assert (bill.once, bill.hourly, bill.missing) == (1800, 0.5, ())
    assert monthly(bill, 24) == pytest.approx(1800 / 24 + 365)
    assert monthly(bill_of(prices, 0, 0, replicas=1), 24) is None
    assert bill_of(prices, -1, 0) == bill_of(prices, 0, 0)
