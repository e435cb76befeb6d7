"""What a control plane lets through: the measured gain of agents that were added says what becomes of others'."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from planted_fleets import GIB, ROOMY_CARD, campaign, card, fleet_of, host, layout
from planted_machine import Truth, observe

from fleet.analyse.evidence.findings import Findings, findings
from fleet.analyse.foretell import whatif
from fleet.analyse.foretell.holdup import let_through
from fleet.analyse.foretell.whatif import gpu_forecast
from fleet.analyse.stats import DRAWS
from fleet.model.inventory import Inventory
from fleet.model.rates import effective_hz
from fleet.model.record import Observation
from fleet.model.trial import Experiment, Layout, Load, Trial

SERVED, MORE = layout(20, 1, box=4), layout(20, 1, box=4, far=1)
PUSHED = Truth(trial_noise=0.005, task_noise=0.01, dispatch=0.05)
POLLED = replace(PUSHED, poll=0.5, refresh=2.5)


def fleet() -> Inventory:
    """Four cards that do not notice each other, and a worker with one more."""
    cards = [card(n, "roomy", 24 * GIB, ROOMY_CARD) for n in range(4)]
    far = host("far", card(0, "roomy", 24 * GIB, ROOMY_CARD), candidate=True)
    return fleet_of(host("box", *cards, head=True, slots=1), far, po2=20)


def observed(truth: Truth, *layouts: Layout) -> Findings:
    """What two trials of each of these layouts show."""
    inventory = fleet()
    load = Load(iterations=inventory.workload.iterations)
    trials = [
        Trial(experiment=Experiment.REMOTE, layout=where, load=load, repeat=repeat, seed=0)
        for where in layouts
        for repeat in range(3)
    ]
    seen = tuple(observe(inventory, truth, trial) for trial in trials)
    log = replace(campaign(inventory, PUSHED), observations=seen)
    return findings(replace(log, plan=replace(log.plan, current=SERVED)))


def test_where_work_is_pushed_a_replayed_gain_is_what_comes_of_it() -> None:
    """One more agent gives what the replay says, so all is let through."""
    found = observed(PUSHED, SERVED, MORE)
    assert found.base is not None
    through = let_through(found, found.base)
    assert through is not None
    assert fmean(through) > 0.8


def test_where_agents_poll_less_of_it_comes_and_the_truth_of_a_card_is_held() -> None:
    """A worker that was added shows that polling lets less through than pushing; the fifth card's truth is inside."""
    pushed, polled = observed(PUSHED, SERVED, MORE), observed(POLLED, SERVED, MORE)
    assert pushed.base is not None
    assert polled.base is not None
    all_, some = let_through(pushed, pushed.base), let_through(polled, polled.base)
    assert all_ is not None
    assert some is not None
    assert np.median(some) < np.median(all_)
    truth = fmean(effective_hz(o.jobs) for o in _trials(5)) / fmean(effective_hz(o.jobs) for o in _trials(4)) - 1
    low, high = np.percentile(gpu_forecast(polled, polled.base).gains, (2.5, 97.5))
    assert low <= truth <= high


def test_what_is_let_through_bounds_the_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing of another addition came, little is expected of a card; where all of it came, more than usual."""
    found = observed(POLLED, SERVED)
    base = found.base
    assert base is not None
    assert let_through(found, base) is None
    usual = np.median(gpu_forecast(found, base).gains)
    middles = []
    for share in (0.0, 1.0):
        monkeypatch.setattr(whatif, "let_through", lambda *_, share=share: np.full(DRAWS, share))
        middles.append(np.median(gpu_forecast(found, base).gains))
    assert middles[0] < usual / 2
    assert middles[1] > usual


def _trials(cards: int) -> list[Observation]:
    return [
        observe(grown(cards), replace(POLLED, trial_noise=0.0), trial)
        for trial in (
            Trial(
                experiment=Experiment.GPUS,
                layout=layout(20, 1, box=cards),
                load=Load(iterations=fleet().workload.iterations),
                repeat=repeat,
                seed=0,
            )
            for repeat in range(12)
        )
    ]


def grown(cards: int) -> Inventory:
    """The fleet with so many cards in its box."""
    inventory = fleet()
    box = replace(inventory.hosts[0], devices=tuple(card(n, "roomy", 24 * GIB, ROOMY_CARD) for n in range(cards)))
    return replace(inventory, hosts=(box, *inventory.hosts[1:]))
