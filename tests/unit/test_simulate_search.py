"""The search over everything that is feasible: the planted answers come out, and chances are chances."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from planted_questions import PREMISES, run_of

from fleet.analyse.foretell.simulate import simulate
from fleet.model.inventory import Prices
from fleet.model.record import RunLog
from fleet.model.simulation import Alternative, Change, Simulation


@cache
def searched(fleet: str) -> Simulation:
    return simulate(run_of(fleet), Change(), PREMISES, search=True)


def with_slots(log: RunLog, slots: int) -> RunLog:
    """The run, had its box so many free slots."""
    box, *others = log.inventory.hosts
    return replace(log, inventory=replace(log.inventory, hosts=(replace(box, free_slots=slots), *others)))


def dearest_gain(found: Simulation) -> Alternative:
    return max(found.ranking, key=lambda one: one.value)


def test_the_most_gain_per_cost_in_a_bus_bound_box_is_a_remote_worker() -> None:
    """A third card in the guide's box gains a fifth, a worker nearly a half for little more money."""
    best = dearest_gain(searched("guide"))
    assert best.change.remotes >= 1
    assert best.change.gpus == 0


def test_the_most_gain_per_cost_in_a_roomy_box_is_a_gpu() -> None:
    """Cards do not notice each other and cost less than a worker."""
    best = dearest_gain(searched("roomy"))
    assert best.change.gpus >= 1
    assert best.change.remotes == 0


def test_the_best_settings_of_a_mistuned_box_are_found() -> None:
    """Whatever hardware is added, it is with segments of 2^21 and one agent, as measured."""
    found = simulate(with_slots(run_of("mistuned"), 1), Change(), PREMISES, search=True)
    assert {one.change.gpus for one in found.ranking} == {0, 1}
    best = max(found.ranking, key=lambda one: one.best)
    assert (best.prediction.layout.po2, best.prediction.layout.agents_per_device) == (21, 1)
    free = [one for one in found.ranking if one.monthly == 0]
    assert max(free, key=lambda one: one.prediction.hz.value).prediction.layout.po2 == 21


@pytest.mark.parametrize("fleet", ["guide", "roomy"])
def test_chances_add_up_and_the_ranking_falls(fleet: str) -> None:
    """Each draw has one best; the ranking is by Hz and holds the layout in service."""
    found = searched(fleet)
    assert sum(one.best for one in found.ranking) == pytest.approx(1.0)
    assert sum(one.value for one in found.ranking) <= 1.0 + 1e-9
    rates = [one.prediction.hz.value for one in found.ranking]
    assert rates == sorted(rates, reverse=True)
    assert found.current in [one.prediction.layout for one in found.ranking]
    assert found.searched >= len(found.ranking)


@cache
def searched_without() -> Simulation:
    """What is found where the box has no free slot and nothing has a price."""
    log = with_slots(run_of("roomy"), 0)
    return simulate(
        replace(log, inventory=replace(log.inventory, prices=Prices())), Change(poll=0.0), PREMISES, search=True
    )


def test_no_slot_no_gpu() -> None:
    """A box without a free slot is offered none."""
    assert all(one.change.gpus == 0 for one in searched_without().ranking)


def test_without_prices_there_is_no_gain_per_cost() -> None:
    """What has no price is ranked by Hz only."""
    ranking = searched_without().ranking
    assert all(one.value == 0.0 for one in ranking)
    assert any(one.monthly is None for one in ranking)


def test_a_search_says_what_it_does_not_change() -> None:
    """Asked with another control plane, the search still is about the one that was measured."""
    assert any("as they were measured" in note for note in searched_without().notes)
