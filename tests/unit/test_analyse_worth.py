"""What measuring a layout again is worth: the trial that could change the answer comes first, minutes count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from planted_fleets import campaign, guide_box
from planted_machine import Truth

from fleet.analyse.decide.options import candidates_of
from fleet.analyse.decide.regret import expected_losses
from fleet.analyse.decide.worth import NOTHING, Worth, worths
from fleet.analyse.evidence.findings import findings
from fleet.model.inventory import Per, Price, Prices
from fleet.model.record import RunLog
from fleet.model.trial import Budget
from fleet.model.verdict import Choice


def undecided() -> RunLog:
    """The layouts with hardware measured once or twice, and a worker priced at what is its break-even then."""
    log = campaign(guide_box(), Truth(trial_noise=0.02, dispatch=0.08), budget=Budget(trials=11))
    found = findings(log)
    assert found.base is not None
    gains = {c.choice: c.value or 0.0 for c in candidates_of(found, found.base)}
    even = 1000.0 * gains[Choice.ADD_REMOTE_WORKER] / gains[Choice.ADD_GPU]
    prices = Prices(gpu=Price(amount=1000.0, per=Per.ONCE), worker=Price(amount=even, per=Per.ONCE))
    return replace(log, inventory=replace(log.inventory, prices=prices))


def worth_of(log: RunLog) -> tuple[Worth, ...]:
    """All worths, best first."""
    found = findings(log)
    assert found.base is not None
    return worths(found, found.base, candidates_of(found, found.base))


def test_the_layouts_that_the_answer_hangs_on_come_before_those_that_cannot_change_it() -> None:
    """Settings that are clearly slower are worth nothing; the worker, whose price is near break-even, is."""
    log = undecided()
    found = worth_of(log)
    best = found[0]
    assert best.forgone >= NOTHING
    assert best.layout.po2 == log.plan.current.po2
    slower = [one for one in found if one.layout.po2 != log.plan.current.po2]
    assert all(one.forgone < best.forgone / 2 for one in slower)


def test_no_trial_is_worth_more_than_what_is_forgone() -> None:
    """Perfect knowledge could at most bring the expected loss of the best answer to nothing."""
    log = undecided()
    found = findings(log)
    assert found.base is not None
    least = min(expected_losses(candidates_of(found, found.base)).values())
    assert all(0 <= one.forgone <= least + 1e-3 for one in worth_of(log))


def test_a_trial_that_takes_longer_is_worth_less_per_minute() -> None:
    """The same trials, ten times as long on one layout: its worth stays, its rate falls to a tenth."""
    log = undecided()
    first = worth_of(log)[0]
    slow = tuple(replace(o, elapsed=10 * o.elapsed) if o.trial.layout == first.layout else o for o in log.observations)
    again = next(one for one in worth_of(replace(log, observations=slow)) if one.layout == first.layout)
    assert again.forgone == first.forgone
    assert np.isclose(again.rate, first.rate / 10)
