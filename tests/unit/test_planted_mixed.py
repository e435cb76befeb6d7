"""A box with cards of two models: each has service times of its own, and a slow card is not taken for a crowded one."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import pytest
from planted_fleets import GIB, ROOMY_CARD, campaign, card, fleet_of, host, layout, start
from planted_machine import Truth, observe

from fleet.analyse import analyse
from fleet.analyse.causes.crowding import crowding
from fleet.analyse.evidence.findings import findings
from fleet.analyse.evidence.pools import alike, one_more, pools_of
from fleet.analyse.foretell.whatif import predicted_hz
from fleet.model.inventory import Emulation, Inventory
from fleet.model.rates import effective_hz
from fleet.model.trial import Experiment, Load, Trial
from fleet.model.verdict import Choice, Evidence

CALM = Truth(trial_noise=0.005, task_noise=0.01, dispatch=0.08)
SLOW_CARD = Emulation(cycles_per_second=0.45e6, overhead=0.6, join=1.7, traffic=100.0)
"""The roomy card at less than half its pace."""


def mixed_box(*emulations: Emulation) -> Inventory:
    """A box with these cards on a bus that is nearly idle, and nobody to be added but a card."""
    names = {ROOMY_CARD: "fast", SLOW_CARD: "slow"}
    cards = [card(n, names[emulation], 24 * GIB, emulation) for n, emulation in enumerate(emulations)]
    inventory = fleet_of(host("box", *cards, head=True, slots=2), po2=21)
    return replace(inventory, workload=replace(inventory.workload, iterations=16384))


def true_gain(inventory: Inventory, more: Emulation, name: str) -> float:
    """What one more card of that model really gives."""
    box = inventory.hosts[0]
    count = len(box.devices)
    larger = replace(inventory, hosts=(replace(box, devices=(*box.devices, card(count, name, 24 * GIB, more))),))
    load, quiet = Load(iterations=inventory.workload.iterations), replace(CALM, trial_noise=0.0)

    def rate(cards: int) -> float:
        trials = [
            Trial(experiment=Experiment.GPUS, layout=layout(21, box=cards), load=load, repeat=repeat, seed=0)
            for repeat in range(5)
        ]
        return fmean(effective_hz(observe(larger, quiet, trial).jobs) for trial in trials)

    return rate(count + 1) / rate(count) - 1


@pytest.mark.parametrize(
    "emulations", [(ROOMY_CARD, SLOW_CARD), (SLOW_CARD, ROOMY_CARD), (ROOMY_CARD,) * 2 + (SLOW_CARD,)]
)
def test_one_more_card_in_a_mixed_box_gives_what_its_model_gives(emulations: tuple[Emulation, ...]) -> None:
    """The predicted interval holds the truth, and the slow card's times are not read as a crowded bus."""
    inventory = mixed_box(*emulations)
    log = campaign(inventory, CALM)
    option = next(o for o in analyse(log).options if o.choice is Choice.ADD_GPU)
    usual, name = (ROOMY_CARD, "fast") if emulations[0] == ROOMY_CARD else (SLOW_CARD, "slow")
    truth = true_gain(inventory, usual, name)
    assert option.gain is not None
    assert option.gain.low <= truth <= option.gain.high
    assert option.gain.value == pytest.approx(truth, abs=0.08)
    found = findings(log)
    assert found.base is not None
    seen = crowding(found, found.base)
    assert seen is not None
    assert seen.stretch.value == pytest.approx(1.0, abs=0.03)


def test_an_unseen_worker_of_a_known_model_is_not_strange() -> None:
    """Nobody lends a worker: it is taken for a card like the usual of the box, at best as good, not for any other."""
    analysis = analyse(campaign(mixed_box(ROOMY_CARD, SLOW_CARD), CALM))
    option = next(o for o in analysis.options if o.choice is Choice.ADD_REMOTE_WORKER)
    assert option.evidence is Evidence.PREDICTED
    assert option.gain is not None
    assert option.gain.high < 0.8


def test_a_box_of_one_model_has_one_pool() -> None:
    """Pools are by model only where there are several."""
    both, one = mixed_box(ROOMY_CARD, SLOW_CARD).hosts[0], mixed_box(ROOMY_CARD, ROOMY_CARD).hosts[0]
    assert pools_of(one) == ("box",)
    assert pools_of(both) == ("box/fast", "box/slow")
    assert one_more(one, "new").pool == "box"
    assert one_more(both, "new").pool == "box/fast"
    assert alike(both, "gpu1") == ("gpu1",)


def test_a_mixed_worker_is_foretold_from_its_card_alone() -> None:
    """A far host lends one of its two models: its times have a pool by that model, as the box's have by theirs."""
    names = {ROOMY_CARD: "fast", SLOW_CARD: "slow"}
    cards = [card(n, names[emulation], 24 * GIB, emulation) for n, emulation in enumerate((SLOW_CARD, ROOMY_CARD))]
    box = host("box", *cards, head=True, slots=2)
    fleet = fleet_of(box, host("far0", *cards, candidate=True), po2=21)
    inventory = replace(fleet, workload=replace(fleet.workload, iterations=16384))
    load = Load(iterations=inventory.workload.iterations)
    layouts = {"base": layout(21, box=2), "lone": layout(21, far0=1), "both": layout(21, box=2, far0=1)}
    seen = [
        observe(inventory, CALM, Trial(experiment=Experiment.GPUS, layout=where, load=load, repeat=repeat, seed=0))
        for where in layouts.values()
        for repeat in range(3)
    ]
    found = findings(replace(start(inventory), observations=tuple(seen)))
    arms = {name: next(arm for arm in found.arms if arm.layout == where) for name, where in layouts.items()}
    foretold = predicted_hz(found, arms["base"], arms["both"])
    assert foretold == pytest.approx(arms["both"].hz, rel=0.03)
