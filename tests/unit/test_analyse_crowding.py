"""What devices of a box do to each other, and what one more would do: laws that the records do not refute."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted_fleets import campaign, guide_box, layout, roomy_box, start
from planted_machine import Truth

from fleet.analyse.causes.crowding import PRIOR_INFLATION, Crowding, crowding, next_inflations, worst_inflation
from fleet.analyse.evidence.findings import Findings, findings
from fleet.analyse.foretell.whatif import gpu_forecast
from fleet.model.estimate import Estimate
from fleet.model.inventory import Inventory
from fleet.model.trial import Experiment

CALM = Truth(trial_noise=0.01, task_noise=0.01, dispatch=0.08)
GUIDE = findings(campaign(guide_box(), CALM))


def seen(*, now: float, moved: float | None) -> Crowding:
    """Two devices; a prove takes 2 s alone and `now` with both (to 3 %), 1.5 s pass between proves."""
    ratio = now / 2.0
    stretch = Estimate(value=ratio, low=ratio * 0.97, high=ratio * 1.03, n=3, unit="×")
    return Crowding(alone=2.0, now=now, devices=2, moved=moved, between=1.5, stretch=stretch)


def test_the_contrast_is_read_from_the_records() -> None:
    """Alone 2.19 s of which 1.60 s on the bus; with both cards longer, by the bus, notably."""
    base = GUIDE.base
    assert base is not None
    contrast = crowding(GUIDE, base)
    assert contrast is not None
    assert contrast.alone == pytest.approx(2.19, rel=0.03)
    assert contrast.moved == pytest.approx(1.60, rel=0.03)
    assert contrast.now > 1.2 * contrast.alone
    assert contrast.by_bus
    assert contrast.stretch.low > 1.1


def test_a_bus_that_explains_what_is_seen_is_the_only_law() -> None:
    """1.6 s of bus give 2.73 s by queueing: what was seen fits, so the bus's own demand predicts the third card."""
    (law, ratio), *others = next_inflations(seen(now=2.70, moved=1.6))
    assert others == []
    assert "bus" in law
    assert ratio > 1.2


def test_an_inflation_that_the_bus_does_not_explain_is_bounded_by_two_laws() -> None:
    """0.1 s of bus cannot make 2 s into 2.7 s: something else is shared, and both laws are fitted to it."""
    laws = next_inflations(seen(now=2.70, moved=0.1))
    assert len(laws) == 2
    low, high = sorted(ratio for _, ratio in laws)
    assert 1.0 < low < high


def test_unknown_transfers_are_bounded_by_the_same_two_laws() -> None:
    """Records without transfers: the inflation seen is all there is."""
    assert next_inflations(seen(now=2.70, moved=None)) == next_inflations(seen(now=2.70, moved=0.1))


def test_no_inflation_is_extrapolated_from_noise() -> None:
    """One per cent within the noise is nothing, or a queue small enough to hide in it: no cliff where none was seen."""
    nothing, hidden = (ratio for _, ratio in next_inflations(seen(now=2.02, moved=None)))
    assert nothing == 1.0
    assert 1.0 < hidden < 1.15


def test_a_forecast_says_what_it_stands_on() -> None:
    """Contrast where the box was measured with one and with all of its cards, prior where not."""
    base = GUIDE.base
    assert base is not None
    assert gpu_forecast(GUIDE, base).contrast
    unseen = without_gpus_experiment()
    assert unseen.base is not None
    forecast = gpu_forecast(unseen, unseen.base)
    assert not forecast.contrast
    assert "never measured" in forecast.basis


def without_gpus_experiment() -> Findings:
    """The same run without the trials of one card alone."""
    log = start(guide_box())
    kept = tuple(o for o in GUIDE.log.observations if o.trial.experiment is not Experiment.GPUS)
    return findings(replace(log, observations=kept))


def test_the_worst_case_of_an_unseen_contrast() -> None:
    """Two cards whose contrast is unknown: the third may slow all by 3/2. One card: the prior, or its bus if worse."""
    unseen = without_gpus_experiment()
    assert unseen.base is not None
    assert worst_inflation(unseen, unseen.base) == pytest.approx(1.5)
    one = findings(campaign(one_card(), CALM))
    assert one.base is not None
    assert one.base.layout == layout(21, box=1)
    assert worst_inflation(one, one.base) == PRIOR_INFLATION


def one_card() -> Inventory:
    """The roomy box with one card, and nobody to lend."""
    inventory = roomy_box(candidates=0)
    box = inventory.hosts[0]
    return replace(inventory, hosts=(replace(box, devices=box.devices[:1]),))
