"""What is measured once the decision stands: one change at a time, and the other measure of what matters."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted_campaigns import WATCHED, faulty, plain_box, whole_campaign
from planted_fleets import card, fleet_of, guide_box, host, layout, survey_of

from fleet.model.inventory import Emulation, Inventory
from fleet.model.record import Outcome
from fleet.model.trial import JOBS_AT_ONCE, Budget, Experiment, Goal, Layout, Load
from fleet.plan.trials.afterwards import apart, load_for, one_agent_each, other_load
from fleet.plan.trials.context import Context
from fleet.plan.trials.experiments import propose, remaining
from fleet.plan.trials.make import make_plan

CARD = Emulation(cycles_per_second=1e6)


def context_of(inventory: Inventory) -> Context:
    """Nothing measured yet, everybody alive."""
    plan = make_plan(inventory, survey_of(inventory), run="r", seed=1, budget=Budget())
    return Context(plan=plan, inventory=inventory, history=(), hosts=frozenset(plan.hosts))


def fleet(*models: str, candidates: tuple[str, ...] = ()) -> Inventory:
    """A box of cards of these models, and a candidate with one card of each of those."""
    cards = [card(n, model, 16e9, CARD) for n, model in enumerate(models)]
    far = [host(f"far{n}", card(0, model, 16e9, CARD), candidate=True) for n, model in enumerate(candidates)]
    return fleet_of(host("box", *cards, head=True), *far, po2=20)


@pytest.mark.parametrize(
    ("inventory", "expected"),
    [
        (fleet("a", "a", candidates=("a", "a")), layout(20, box=1, far0=1)),
        (fleet("a", "a", "a", candidates=("a", "a")), layout(20, box=1, far0=1, far1=1)),
        (fleet("a", "a", candidates=("b", "a")), layout(20, box=1, far1=1)),
        (fleet("a", "a", candidates=("b",)), None),
        (fleet("a", "a"), None),
        (fleet("a", candidates=("a",)), None),
    ],
)
def test_apart_changes_the_boxes_and_nothing_else(inventory: Inventory, expected: Layout | None) -> None:
    """As many devices of the same model, one to a box; None where that cannot be made."""
    assert apart(context_of(inventory)) == expected


def test_one_agent_each_is_a_change_only_where_there_are_several() -> None:
    """It keeps devices and segment size."""
    assert one_agent_each(layout(20, 2, box=2)) == layout(20, box=2)
    assert one_agent_each(layout(20, box=2)) is None


def test_each_measure_is_the_others_other() -> None:
    """One job and three, of as many iterations each."""
    one, many = load_for(Goal.LATENCY, 4096), load_for(Goal.CAPACITY, 4096)
    assert (one, many) == (Load(iterations=4096), Load(iterations=4096, jobs=JOBS_AT_ONCE))
    assert (other_load(one), other_load(many)) == (many, one)


def test_a_cause_is_looked_for_once_and_only_where_something_is_inflated() -> None:
    """One trial with each change; a fleet without inflation spends none."""
    assert [o.trial.experiment for o in faulty("bus").observations].count(Experiment.CAUSE) == 1
    calm = whole_campaign(plain_box(), WATCHED)
    assert Experiment.CAUSE not in {o.trial.experiment for o in calm.observations}


def test_what_fails_is_given_up_and_the_campaign_ends() -> None:
    """Three jobs at once that never end are tried once; nothing loops."""
    log = faulty("bus")
    history = [o for o in log.observations if o.trial.experiment is not Experiment.MEASURES]
    plan, inventory = log.plan, log.inventory
    asked = []
    while (trial := propose(plan, inventory, history, frozenset(plan.hosts))) is not None:
        asked.append(trial)
        history.append(
            replace(history[0], trial=trial, outcome=Outcome.TIMEOUT, jobs=(), cause="it was not done", elapsed=1.0)
        )
    assert [trial.experiment for trial in asked] == [Experiment.MEASURES] * 2
    assert len({trial.layout for trial in asked}) == 2


def test_what_is_left_counts_the_other_measure() -> None:
    """The last trial says that it is the last."""
    log = faulty("bus")
    plan, inventory, alive = log.plan, log.inventory, frozenset(log.plan.hosts)
    last = list(log.observations[:-1])
    several = other_load(plan.load)
    assert remaining(plan, inventory, last, alive) == (several,)
    assert remaining(plan, inventory, last[:-1], alive) == (several, several)
    assert remaining(plan, inventory, list(log.observations), alive) == ()


def test_a_plan_for_the_decision_alone_ends_with_it() -> None:
    """Without the experiments that explain, none of them is proposed."""
    inventory = guide_box()
    plan = make_plan(inventory, survey_of(inventory), run="r", seed=1, budget=Budget())
    assert not {Experiment.CAUSE, Experiment.MEASURES} & set(plan.experiments)
