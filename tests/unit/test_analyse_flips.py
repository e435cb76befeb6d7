"""Break-even price and what would flip the verdict: right on planted machines, and true when put to the test."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import pytest
from planted_fleets import campaign, guide_box, layout, mistuned_box, roomy_box, starved_box
from planted_machine import Truth, observe

from fleet.analyse import analyse
from fleet.model.inventory import Inventory, Per, Price, Prices
from fleet.model.rates import effective_hz
from fleet.model.record import RunLog
from fleet.model.trial import Experiment, Load, Trial
from fleet.model.verdict import Choice, Reason, Verdict

CALM = Truth(trial_noise=0.005, task_noise=0.01, dispatch=0.08)
QUIET = replace(CALM, trial_noise=0.0)
GPU_PRICE = 1000.0
FLEETS = {"guide": guide_box, "roomy": roomy_box, "mistuned": mistuned_box, "starved": starved_box}


@cache
def log_of(fleet: str) -> RunLog:
    """A whole campaign on a planted fleet."""
    return campaign(FLEETS[fleet](), CALM)


def verdict_at(fleet: str, worker: float) -> Verdict:
    """The verdict where a GPU costs 1,000 and a worker so much."""
    log = log_of(fleet)
    prices = Prices(gpu=Price(amount=GPU_PRICE, per=Per.ONCE), worker=Price(amount=worker, per=Per.ONCE))
    return analyse(replace(log, inventory=replace(log.inventory, prices=prices))).verdict


def reason_of(verdict: Verdict, code: str) -> Reason:
    """The reason with that code."""
    return next(reason for reason in verdict.reasons if reason.code == code)


def amounts(line: str) -> list[float]:
    """The prices in a line."""
    return [float(text.replace(",", "")) for text in re.findall(r"USD ([\d,.]+)", line)]


def true_gains(inventory: Inventory, po2: int) -> tuple[float, float]:
    """What a third card and a worker really give, over two cards in the box."""
    box = inventory.hosts[0]
    larger = replace(inventory, hosts=(replace(box, devices=(*box.devices, replace(box.devices[0], name="gpu2"))),))

    def rate(where: Inventory, **devices: int) -> float:
        load = Load(iterations=where.workload.iterations)
        trials = [
            Trial(experiment=Experiment.GPUS, layout=layout(po2, **devices), load=load, repeat=repeat, seed=0)
            for repeat in range(4)
        ]
        return sum(effective_hz(observe(where, QUIET, trial).jobs) for trial in trials)

    base = rate(inventory, box=2)
    return rate(larger, box=3) / base - 1, rate(inventory, box=2, far0=1) / base - 1


@pytest.mark.parametrize(("fleet", "po2"), [("guide", 20), ("roomy", 21)])
def test_the_break_even_price_is_the_true_one(fleet: str, po2: int) -> None:
    """Gains per cost are equal where a worker costs as many GPUs as its true gain is of a GPU's true gain."""
    gpu, worker = true_gains(FLEETS[fleet](), po2)
    text = reason_of(verdict_at(fleet, 2000.0), "break_even").text
    ratio = float(re.findall(r"([\d.]+) times a GPU's price", text)[0])
    assert ratio == pytest.approx(worker / gpu, rel=0.15)


@pytest.mark.parametrize("fleet", ["guide", "roomy"])
def test_the_verdict_flips_where_the_report_says(fleet: str) -> None:
    """Beside the prices that are said the verdict is the one, none, and the other, whichever it is told from.

    They are said to two digits, which is off by 5 % at most.
    """
    said = verdict_at(fleet, 1.0)
    assert said.choice is Choice.ADD_REMOTE_WORKER
    unsure, turned = prices_of(said, "for more than about")
    assert verdict_at(fleet, unsure / 1.06).choice is Choice.ADD_REMOTE_WORKER
    assert verdict_at(fleet, unsure * 1.06).choice is not Choice.ADD_REMOTE_WORKER
    assert verdict_at(fleet, turned / 1.06).choice is not Choice.ADD_GPU
    flipped = verdict_at(fleet, turned * 1.06)
    assert flipped.choice is Choice.ADD_GPU
    assert prices_of(flipped, "for less than about") == pytest.approx((turned, unsure), rel=0.06)


def prices_of(verdict: Verdict, words: str) -> tuple[float, float]:
    """The prices of a worker at which the verdict is none any more, and at which it is another."""
    lines = reason_of(verdict, "flips").evidence
    line = next(text for text in lines if text.startswith("a remote worker") and words in text)
    assert line.endswith("would be better")
    unsure, _now, *turned = amounts(line)
    return unsure, turned[0] if turned else unsure


def test_tuning_flips_where_it_does_not_pay() -> None:
    """What is free needs only its gain: below 5 % it would not be worth it."""
    verdict = analyse(log_of("mistuned")).verdict
    assert verdict.choice is Choice.TUNE
    assert [line for line in reason_of(verdict, "flips").evidence if "below +5.0 %" in line]


def test_holding_flips_where_something_pays() -> None:
    """Nothing helps: any true gain of 5 % would flip it, and every option's gain as it stands is said."""
    verdict = analyse(log_of("starved")).verdict
    assert verdict.choice is Choice.HOLD
    lines = reason_of(verdict, "flips").evidence
    assert len(lines) >= 2
    assert all("of 5% or more" in line for line in lines)


def test_what_is_not_decided_cannot_flip() -> None:
    """INCONCLUSIVE has no price at which it would be another answer; the next trial is named instead."""
    log = log_of("guide")
    cut = replace(log, observations=log.observations[:3])
    assert not any(reason.code == "flips" for reason in analyse(cut).verdict.reasons)


def test_the_next_trial_is_named_with_what_it_is_worth() -> None:
    """A decision that stands: no trial of what was measured is worth its time, and the best of them shows why."""
    reason = reason_of(analyse(log_of("guide")).verdict, "next_trial")
    assert "no further trial" in reason.text
    assert len(reason.evidence) == 1
    assert reason.evidence[0].endswith("by less than 0.1 % of the throughput")
