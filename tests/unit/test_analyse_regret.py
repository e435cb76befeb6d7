"""How good an answer is: what it forgoes, when it is as good as the best, and what no gain can exceed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted_fleets import campaign, guide_box, mistuned_box, starved_box
from planted_machine import Truth

from fleet.analyse.causes.bounds import bounded, bus_bound, executor_bound
from fleet.analyse.decide.options import Candidate, candidates_of
from fleet.analyse.decide.reasons import reasons
from fleet.analyse.decide.regret import expected_losses, good_enough, unrivalled
from fleet.analyse.decide.rules import CERTAIN, Case, decide
from fleet.analyse.decide.settle import standing
from fleet.analyse.evidence.findings import findings
from fleet.analyse.stats import DRAWS, Spread
from fleet.analyse.wording import chance
from fleet.model.inventory import Per, Price
from fleet.model.record import Observation, TaskRecord
from fleet.model.verdict import Choice, Evidence
from fleet.report.wording import probability

CHOICES = (Choice.TUNE, Choice.ADD_GPU, Choice.ADD_REMOTE_WORKER)
CALM = Truth(trial_noise=0.005, task_noise=0.01)


def options(tune: float, gpu: float, worker: float, price: float = 1000.0) -> tuple[Candidate, ...]:
    """Options whose gains are known exactly; a GPU costs 1,000."""
    costs = (0.0, 1000.0, price)
    return tuple(
        Candidate(
            choice=choice,
            label=choice.value,
            evidence=Evidence.MEASURED,
            gains=np.full(DRAWS, gain),
            value=gain,
            cost=Price(amount=cost, per=Per.ONCE),
        )
        for choice, gain, cost in zip(CHOICES, (tune, gpu, worker), costs, strict=True)
    )


@pytest.mark.parametrize(
    ("tune", "gpu", "worker", "fine"),
    [
        (0.20, 0.50, 0.10, {Choice.TUNE}),
        (-0.1, 0.50, 0.10, {Choice.ADD_GPU}),
        (-0.1, 0.50, 0.49, {Choice.ADD_GPU, Choice.ADD_REMOTE_WORKER}),
        (-0.1, 0.00, 0.01, {Choice.HOLD}),
        (0.05, 0.30, 0.10, {Choice.TUNE, Choice.ADD_GPU}),
        (0.02, 0.30, 0.10, {Choice.ADD_GPU}),
    ],
    ids=["settings first", "the most per cost", "as good as equal", "nothing pays", "at the threshold", "below it"],
)
def test_an_answer_is_as_good_as_the_best_where_it_forgoes_next_to_nothing(
    tune: float, gpu: float, worker: float, fine: set[Choice]
) -> None:
    """By decision.md's order, with a threshold of 5 % that is soft by 2 %."""
    assert {choice for choice, chance in good_enough(options(tune, gpu, worker)).items() if chance == 1.0} == fine


@pytest.mark.parametrize(
    ("rival", "least", "most"), [(-0.2, 0.99, 1.0), (-0.01, 0.5, 0.95)], ids=["far behind", "close behind"]
)
def test_which_settings_are_the_best_is_part_of_how_sure_an_answer_is(rival: float, least: float, most: float) -> None:
    """That tuning pays is certain either way; that a close rival may give 2 % more is said beside it."""
    log = campaign(mistuned_box(), CALM)
    found = findings(log)
    best = max(found.arms, key=lambda arm: arm.hz)
    others = [arm for arm in found.on_devices(best.layout) if arm.hz < best.hz]
    second = max(others, key=lambda arm: arm.hz)
    pace = (1 + rival) * best.hz / second.hz
    close = replace(second, trials=tuple(_paced(one, pace) for one in second.trials[:1]))
    noisy = Spread(variance=0.02**2, freedom=8)
    found = replace(found, arms=tuple(close if arm is second else arm for arm in found.arms), spread=noisy)
    base = found.base
    assert base is not None
    decision = decide(Case(found=found, base=base, candidates=candidates_of(found, base)))
    about = decision.about
    assert decision.choice is Choice.TUNE
    assert about is not None
    assert about.probability() > 0.99
    assert decision.confidence > 0.99
    assert about.rivals is not None
    assert decision.unrivalled == pytest.approx(min(unrivalled(about.rivals), CERTAIN))
    assert least < decision.unrivalled < most


def test_where_no_other_settings_were_measured_nothing_is_said_of_rivals() -> None:
    """The one that was measured is not called the best of several; and what is named is not called hardly worth it."""
    log = campaign(mistuned_box(), CALM)
    found = findings(log)
    base = found.base
    assert base is not None
    best = max(found.on_devices(base.layout), key=lambda arm: arm.hz)
    found = replace(found, arms=(base, best))
    case = Case(found=found, base=base, candidates=candidates_of(found, base))
    decision = decide(case)
    assert (decision.choice, decision.unrivalled) == (Choice.TUNE, 1.0)
    assert reasons(case, decision)[0].text.endswith("and costs nothing; no other settings were measured")
    likely = replace(decision, code="little_to_lose", confidence=0.6)
    assert "tune_no_gain" not in {reason.code for reason in reasons(case, likely)}


def test_a_probability_is_told_the_same_wherever_it_is_told() -> None:
    """The reason beside the verdict says no other figure than the verdict itself."""
    for value in (0.0, 0.009, 0.01, 0.5, 0.99, 0.9935, 1.0):
        assert chance(value).replace("more than", ">").replace("less than", "<") == probability(value)


def _paced(seen: Observation, pace: float) -> Observation:
    """The trial at so many times its pace."""

    def scaled(task: TaskRecord) -> TaskRecord:
        assert task.started is not None
        assert task.updated is not None
        return replace(task, created=task.created / pace, started=task.started / pace, updated=task.updated / pace)

    return replace(seen, jobs=tuple(replace(job, tasks=tuple(map(scaled, job.tasks))) for job in seen.jobs))


def test_a_loss_is_what_the_same_money_would_have_given() -> None:
    """A worker of 2,000 that gains 30 % where a GPU of 1,000 gains it too: half of the gain per cost is forgone."""
    assert expected_losses(options(0.0, 0.3, 0.3, 2000.0))[Choice.ADD_REMOTE_WORKER] == pytest.approx(0.15 / 1.3)


def test_no_gain_exceeds_what_a_busy_station_allows() -> None:
    """The executor at work all the time, or a full bus, stays as it is whatever is added."""
    starved, full = (findings(campaign(fleet(), CALM)) for fleet in (starved_box, guide_box))
    assert starved.base is not None
    assert full.base is not None
    assert executor_bound(starved.base) == pytest.approx(0.0, abs=0.03)
    bound = bus_bound(full.base, "box")
    assert bound is not None
    assert 0.0 < bound < 0.5  # less than a third card in proportion
    assert bounded(np.array([0.1, 0.9]), [None, 0.5]).tolist() == [0.1, 0.5]


def test_nothing_is_contested_when_the_decision_stands() -> None:
    """After a campaign on a calm machine the verdict is sure and no trial is asked for."""
    log = campaign(guide_box(), CALM)
    now = standing(log.plan, log.inventory, log.observations)
    assert now.contested == ()
    assert now.answer is not None
