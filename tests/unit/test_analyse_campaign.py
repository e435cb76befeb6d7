"""The campaign told: every trial in its order, why it was chosen, what came of it; and what conditions a worker."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted_campaigns import faulty, plain_box, whole_campaign
from planted_machine import Truth

from fleet.analyse import analyse
from fleet.analyse.causes.campaign import campaign
from fleet.analyse.decide.needs import needs
from fleet.analyse.decide.options import candidates_of
from fleet.analyse.decide.rules import Case, Decision
from fleet.analyse.decide.worth import Worth
from fleet.analyse.evidence.findings import findings
from fleet.model.record import Outcome, RunLog
from fleet.model.trial import Experiment
from fleet.model.verdict import Choice, Claim, Reason

ORDERED = (Experiment.REMOTE, Experiment.BASELINE)


def reason_of(log: RunLog, code: str) -> Reason | None:
    return next((reason for reason in analyse(log).verdict.reasons if reason.code == code), None)


def test_every_trial_is_told_once_in_its_order() -> None:
    """Whatever the order in which the store gives them."""
    log = faulty("bus")
    told = campaign(replace(log, observations=log.observations[::-1]))
    assert [one.number for one in told] == list(range(1, len(log.observations) + 1))
    assert [one.trial for one in told] == [seen.trial.id for seen in log.observations]
    assert all(one.why for one in told)


def test_a_layout_is_measured_first_for_its_experiment_then_for_what_hung_on_it() -> None:
    """A first trial asks what its experiment asks; the second of the layout in service shows the spread of repeats."""
    told = campaign(faulty("bus"))
    base = [one for one in told if one.experiment is Experiment.BASELINE]
    assert [one.why for one in base[:2]] == [
        "what everything else is compared with",
        "again, to see how far repeats spread",
    ]
    first = {one.layout: one for one in reversed(told) if one.experiment is Experiment.GPUS}
    assert all(one.why.startswith("one device alone") for one in first.values())
    confirmed = [one.why for one in told if one.experiment is Experiment.CONFIRM]
    assert all(why == "what the verdict names is measured twice" for why in confirmed)


def test_repeats_say_that_the_decision_hung_on_them() -> None:
    """A layout measured again once hardware was looked at; or before, while other settings were in question."""
    log = faulty("bus")
    tuned = next(seen for seen in log.observations if seen.trial.experiment is Experiment.PACKING)
    late = replace(tuned, trial=replace(tuned.trial, repeat=9), started=log.observations[-1].started + 1)
    assert campaign(replace(log, observations=(*log.observations, late)))[-1].why.startswith("again: the decision hung")
    early = replace(late, started=tuned.started + 0.5)
    told = {one.trial: one.why for one in campaign(replace(log, observations=(*log.observations, early)))}
    assert told[early.trial.id] == "again: whether other settings pay hung on it"


def test_a_refused_trial_is_told_without_a_figure_and_its_repeat_says_so() -> None:
    """Contaminated: no Hz, the gate's code; the next trial of that layout is run as the last did not count."""
    log = faulty("bus")
    at = next(n for n, seen in enumerate(log.observations) if seen.trial.experiment is Experiment.REMOTE)
    spoilt = replace(log.observations[at], outcome=Outcome.CONTAMINATED, cause="a resumed job")
    repeat = replace(log.observations[at], trial=replace(spoilt.trial, repeat=9), started=spoilt.started + 0.5)
    told = campaign(replace(log, observations=(*log.observations[:at], spoilt, repeat)))
    assert (told[at].refused, told[at].hz) == ("contaminated", None)
    assert told[at + 1].why.startswith("again, as the last did not count: ")
    assert told[at + 1].hz is not None


@pytest.mark.parametrize(("claim", "code"), [(0.0, "coordinator_free"), (0.9, "coordinator_busy")])
def test_a_workers_gain_comes_with_how_busy_the_coordinator_is(claim: float, code: str) -> None:
    """Step 7 wants it under 0.7: a measured gain has it inside, but the next worker would meet it."""
    truth = Truth(trial_noise=0.005, task_noise=0.01, dispatch=0.02, claim=claim, locked=claim > 0, watched=True)
    assert reason_of(whole_campaign(plain_box(), truth), code) is not None


def test_what_a_verdict_claims_follows_from_its_probability() -> None:
    """95 % is a claim, less is the likely answer, and an open decision claims nothing."""
    verdict = analyse(faulty("bus")).verdict
    assert replace(verdict, confidence=0.95).claim is Claim.SURE
    assert replace(verdict, confidence=0.94).claim is Claim.LIKELY
    assert replace(verdict, choice=Choice.INCONCLUSIVE, confidence=0.99).claim is Claim.OPEN


def asked(log: RunLog) -> tuple[str, ...]:
    """What is asked for where nothing leads clearly enough."""
    found = findings(log)
    assert found.base is not None
    case = Case(found=found, base=found.base, candidates=candidates_of(found, found.base))
    return needs(case, Decision(choice=Choice.INCONCLUSIVE, confidence=0.7, code="undecided"))


def test_what_settles_an_open_decision_comes_in_the_order_of_its_worth(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lowers the loss by a wrong answer most per minute first; what lowers it by nothing is not asked for."""
    log = faulty("bus")
    far, base = (next(o.trial.layout for o in log.observations if o.trial.experiment is e) for e in ORDERED)
    one = Worth(layout=base, forgone=0.0001, minutes=0.1)
    monkeypatch.setattr("fleet.analyse.decide.needs.worths", lambda *_: (replace(one, layout=far, forgone=0.02), one))
    found = [line for line in asked(log) if line.startswith("measure again")]
    assert len(found) == 1
    assert found[0].startswith(f"measure again {far.label}: as many trials again (6.0 s) lower")


def test_where_no_trial_of_what_is_there_helps_one_that_would_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gain of a GPU that is not there is a forecast: only a GPU narrows it, lent for a day."""
    monkeypatch.setattr("fleet.analyse.decide.needs.worths", lambda *_: ())
    first, *_ = asked(faulty("bus"))
    assert first.startswith("borrow one more GPU for box and run again")
