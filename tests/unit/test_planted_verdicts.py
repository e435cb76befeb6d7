"""Machines whose truth is known drive propose and analyse to the end: the planted answer must come out."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from planted_fleets import campaign, guide_box, layout, mistuned_box, roomy_box, starved_box
from planted_machine import Truth, observe

from fleet.analyse import analyse
from fleet.model.inventory import Inventory
from fleet.model.rates import effective_hz
from fleet.model.record import Outcome
from fleet.model.samples import Telemetry
from fleet.model.trial import Experiment, Load, Trial
from fleet.model.verdict import Analysis, Choice, Evidence

SEEDS = (1, 2, 3)
CALM = Truth(trial_noise=0.01, task_noise=0.01, dispatch=0.08)
ROUGH = Truth(trial_noise=0.02, task_noise=0.03, dispatch=0.15)


FLEETS = {"guide": guide_box, "roomy": roomy_box, "mistuned": mistuned_box}
WEATHER = pytest.mark.parametrize(("truth", "seed"), [(CALM, 1), (CALM, 2), (ROUGH, 3), (ROUGH, 4)])


@cache
def answer(fleet: str, seed: int = 1, *, rough: bool = False) -> Analysis:
    """What fleet says of a planted fleet; asked once, as several tests look at it."""
    return analyse(campaign(FLEETS[fleet](), ROUGH if rough else CALM, seed))


def rate(inventory: Inventory, truth: Truth, **devices: int) -> float:
    """The true Hz of a layout at po2 20, one agent each."""
    trial = Trial(
        experiment=Experiment.BASELINE, layout=layout(20, **devices), load=Load(iterations=4096), repeat=0, seed=0
    )
    return effective_hz(observe(inventory, truth, trial).jobs)


def test_the_guides_box_is_planted_as_the_guide_has_it() -> None:
    """One card gives 264.9 kHz, two give about 1.64 of it, and a worker more gives half of that again."""
    quiet = Truth(trial_noise=0.0, task_noise=0.0, dispatch=0.08)
    one, two = (rate(guide_box(), quiet, box=count) for count in (1, 2))
    three = rate(guide_box(), quiet, box=2, far0=1)
    assert one == pytest.approx(264_892, rel=0.01)
    assert two / one == pytest.approx(1.64, abs=0.03)
    assert three / two > 1.4


@WEATHER
def test_a_bus_bound_box_gets_a_remote_worker(truth: Truth, seed: int) -> None:
    """Two cards fight for the bus, a worker has its own: add a remote worker, and the bus is named with evidence."""
    verdict = answer("guide", seed, rough=truth is ROUGH).verdict
    assert verdict.choice is Choice.ADD_REMOTE_WORKER, verdict.reasons
    assert verdict.bottleneck.code == "bus"
    assert verdict.gain is not None
    assert verdict.gain.low > 0.3
    assert verdict.gain.n >= 2
    assert verdict.confidence > 0.8


@WEATHER
def test_a_roomy_box_gets_a_gpu(truth: Truth, seed: int) -> None:
    """Cards do not notice each other, a slot is free and a card is cheaper than a worker: add a GPU."""
    verdict = answer("roomy", seed, rough=truth is ROUGH).verdict
    assert verdict.choice is Choice.ADD_GPU, verdict.reasons
    assert verdict.confidence > 0.9
    assert verdict.gain is not None
    assert verdict.gain.n == 0


def test_the_predicted_gain_of_a_gpu_is_the_true_one() -> None:
    """The machine has the third card that the operator lacks: what it gives lies in the predicted interval."""
    option = next(o for o in answer("roomy").options if o.choice is Choice.ADD_GPU)
    assert option.evidence is Evidence.PREDICTED
    assert option.gain is not None
    truth = true_gain_of_a_third_card(roomy_box())
    assert option.gain.low <= truth <= option.gain.high
    assert option.gain.value == pytest.approx(truth, abs=0.06)


def test_the_predicted_gain_of_a_gpu_on_a_full_bus_is_the_true_one() -> None:
    """The same where the bus binds: the third card gives a fifth, not a half."""
    option = next(o for o in answer("guide").options if o.choice is Choice.ADD_GPU)
    assert option.gain is not None
    truth = true_gain_of_a_third_card(guide_box())
    assert truth < 0.25
    assert option.gain.value == pytest.approx(truth, abs=0.05)


def true_gain_of_a_third_card(inventory: Inventory) -> float:
    """What the planted machine gives with a third card in the box, relative to two."""
    box = inventory.hosts[0]
    larger = replace(inventory, hosts=(replace(box, devices=(*box.devices, replace(box.devices[0], name="gpu2"))),))
    po2 = inventory.current.po2 or 0
    rates = []
    for count in (2, 3):
        trials = [
            Trial(
                experiment=Experiment.GPUS,
                layout=layout(po2, box=count),
                load=Load(iterations=4096),
                repeat=repeat,
                seed=0,
            )
            for repeat in range(5)
        ]
        seen = [effective_hz(observe(larger, CALM, trial).jobs) for trial in trials]
        rates.append(sum(seen) / len(seen))
    return rates[1] / rates[0] - 1


@WEATHER
def test_wrong_settings_are_tuned_before_anything_is_bought(truth: Truth, seed: int) -> None:
    """Segments of 2^18 where 2^21 fits: tune, and say which knob to what value."""
    verdict = answer("mistuned", seed, rough=truth is ROUGH).verdict
    assert verdict.choice is Choice.TUNE, verdict.reasons
    assert "po2 18 → 21" in verdict.label
    assert verdict.gain is not None
    assert verdict.gain.low > 0.25
    assert verdict.cost is not None
    assert verdict.cost.amount == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_bought_where_nothing_helps(seed: int) -> None:
    """The executor is slower than one card: hold, and the executor is what binds."""
    verdict = analyse(campaign(starved_box(), Truth(trial_noise=0.005, task_noise=0.01), seed)).verdict
    assert verdict.choice is Choice.HOLD, verdict.reasons
    assert verdict.bottleneck.code == "executor"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_full_box_without_candidates_is_told_to_lend_one(seed: int) -> None:
    """No free slot and no worker to measure: what is likely best is named as a need, never as a verdict."""
    verdict = analyse(campaign(guide_box(candidates=0, slots=0), CALM, seed)).verdict
    assert verdict.choice is Choice.INCONCLUSIVE
    assert verdict.reasons[0].code == "remote_not_measured"
    assert any("candidate: true" in need for need in verdict.needs)
    assert any(reason.code == "blocked" for reason in verdict.reasons)


def test_a_slow_link_is_named_and_its_gain_has_it_inside() -> None:
    """A worker at 0.4 s more a task has η far below 0.9: it is said with what to do, and the gain is smaller for it."""
    near = answer("guide").verdict
    far = analyse(campaign(guide_box(), Truth(rtt={"far0": 0.4, "far1": 0.4}, dispatch=0.08))).verdict
    assert any(reason.code == "remote_efficiency_low" for reason in far.reasons)
    assert any("what slows the remote worker" in need for need in far.needs)
    assert near.gain is not None
    assert far.gain is not None
    assert far.gain.value < near.gain.value - 0.02
    assert any("η" in need for need in far.needs)


def test_a_worker_that_dies_is_replaced_by_the_next() -> None:
    """The first candidate dies in its first large trial: HOST_LOST is refused, and the second one is measured."""
    log = campaign(guide_box(), Truth(dies={"far0": 3}, dispatch=0.08))
    analysis = analyse(log)
    assert any(r.code == "host_lost" for r in analysis.refused)
    assert any("far1" in t.layout.label and "box" in t.layout.label for t in analysis.throughputs)
    assert not any("far0" in t.layout.label for t in analysis.throughputs)
    assert analysis.verdict.choice is Choice.ADD_REMOTE_WORKER


def test_the_bus_is_not_named_without_evidence() -> None:
    """The same box whose records know no transfers and whose telemetry is gone: inflation is seen, its cause is not."""
    log = campaign(guide_box(), Truth(transfers_known=False, dispatch=0.08))
    blind = replace(log, observations=tuple(replace(o, telemetry=Telemetry()) for o in log.observations))
    verdict = analyse(blind).verdict
    assert verdict.bottleneck.code == "unknown"
    assert any("times as long" in line for line in verdict.bottleneck.evidence)


def test_a_campaign_on_a_planted_lab_is_short() -> None:
    """At most 18 trials, and under 150 s of real time at the time scale of the labs."""
    for inventory in (guide_box(), roomy_box(), mistuned_box()):
        log = campaign(inventory, ROUGH)
        assert len(log.observations) <= 18
        assert sum(o.elapsed for o in log.observations) < 150


def test_what_the_ceiling_probes_ran_into_is_refused_and_not_an_error() -> None:
    """po2 21 does not fit a 16 GB card: that is the ceiling, shown with its reason."""
    analysis = answer("guide")
    assert analysis.ceilings == (("guide", 20),)
    assert [r.code for r in analysis.refused] == [Outcome.OUT_OF_MEMORY.value]
