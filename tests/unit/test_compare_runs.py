"""Runs held against each other: what is refused, what is claimed and how often wrongly, and what had changed."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from statistics import NormalDist

import pytest
from kept_runs import DAY, digest, judged_run, planted_run
from model_values import layout
from planted_fleets import roomy_box

from fleet.analyse import analyse
from fleet.analyse.across.compare import Judged, Rules, compare
from fleet.analyse.across.digest import digest_of
from fleet.analyse.across.likeness import changed, circumstances, terms
from fleet.analyse.across.twosample import ALPHA, holm, mean_of, p_of, step, wander_of
from fleet.analyse.stats import Spread, t_975
from fleet.cli.stored.compare import require
from fleet.errors import ConfigurationError, RegressionError
from fleet.model.comparison import Changed, Comparison, Finding, Gate
from fleet.model.record import RunLog
from fleet.model.samples import CardState, DeviceSample, Telemetry
from fleet.model.trial import Goal
from fleet.report.screens.comparison import changes_told, comparison_lines
from fleet.report.structured.comparison import comparison_json


def against(*runs: Judged, rules: Rules | None = None) -> Comparison:
    return compare(runs, rules or Rules())


def test_students_p_is_that_of_the_table() -> None:
    """At the table's 97.5 % quantile the two-sided p is 5 %; with many degrees of freedom it is the normal one."""
    for freedom in (1, 2, 3, 7, 10, 30, 120):
        assert p_of(t_975(freedom), freedom) == pytest.approx(0.05, rel=2e-3)
    assert p_of(1.3, 1e6) == pytest.approx(2 * (1 - NormalDist().cdf(1.3)), rel=1e-3)
    assert p_of(0.0, 4) == 1.0
    assert 0 <= p_of(1e9, 4) < 1e-20


def test_holm_steps_down() -> None:
    """Holm's own example: each p times how many are left, never below one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == ()
    assert holm([0.9, 0.8]) == (1.0, 1.0)


def test_among_equal_runs_a_difference_is_seldom_claimed() -> None:
    """Six layouts, three trials each, nothing differs: in at most one comparison of twenty any is claimed (Holm)."""
    chance = random.Random(7)  # noqa: S311 (planted noise)
    wrong = 0
    for _ in range(600):
        groups = [[[chance.gauss(0, 0.02) for _ in range(3)] for _ in range(6)] for _ in range(2)]
        spread = [Spread(variance=sum(_own(g) for g in group) / 6, freedom=12) for group in groups]
        means = [[mean_of(1.0, logs, s) for logs in group] for group, s in zip(groups, spread, strict=True)]
        levels = [[sum(logs) / 3 for logs in group] for group in groups]
        steps = [replace(step(a, b), size=y - x) for a, b, x, y in zip(means[0], means[1], *levels, strict=True)]
        wrong += any(p < ALPHA for p in holm([one.beyond(0.0, 0.0) for one in steps]))
    assert wrong / 600 <= 0.05


def _own(logs: list[float]) -> float:
    mean = sum(logs) / len(logs)
    return sum((x - mean) ** 2 for x in logs) / (len(logs) - 1)


def test_equal_machines_are_told_no_difference() -> None:
    """Two campaigns on one machine: nothing is faster, slower, or failed, and the answer is the same."""
    found = against(judged_run(1), judged_run(2), rules=Rules(allowed=0.05))
    (contrast,) = found.contrasts
    assert len(contrast.rates) >= 3
    assert {rate.finding for rate in contrast.rates} <= {Finding.SAME, Finding.UNKNOWN}
    assert not any(rate.gate is Gate.FAILED for rate in contrast.rates)
    assert contrast.side.answer.choice is found.base.answer.choice
    require(found, strict=False)


def test_a_slower_machine_is_found_and_by_how_much() -> None:
    """All took 25 % longer: each rate is down by 20 %, each kind of task up by 25 %, and 5 % is more than allowed."""
    found = against(judged_run(1), judged_run(2), judged_run(3, slower=0.25), rules=Rules(allowed=0.05))
    same, slow = found.contrasts
    assert not any(rate.finding is Finding.DOWN for rate in same.rates)
    repeated = [rate for rate in slow.rates if rate.now.n > 1 and rate.then.n > 1]
    assert len(repeated) > 1
    assert all(rate.finding is Finding.DOWN and rate.gate is Gate.FAILED for rate in repeated)
    assert not any(rate.finding is Finding.SAME or rate.gate is Gate.PASSED for rate in slow.rates)
    for rate in slow.rates:
        assert rate.change.low < 1 / 1.25 - 1 < rate.change.high
    proves = [one for one in slow.services if one.what == "prove"]
    assert proves
    assert all(one.finding is not Finding.SAME and one.change.low < 0.25 < one.change.high for one in proves)
    assert any(one.finding is Finding.UP for one in proves)
    with pytest.raises(RegressionError, match="day-003 against day-001: fell by more than 5 %: box") as caught:
        require(found, strict=False)
    assert caught.value.exit_code == 7
    assert caught.value.hint == "see what has changed: fleet compare day-001 day-003"


def test_a_fall_that_cannot_be_told_fails_only_where_that_is_asked() -> None:
    """All took 5 % longer: whether a rate fell by more than 5 % cannot be told."""
    found = against(judged_run(1), judged_run(3, slower=0.05), rules=Rules(allowed=0.05))
    assert any(rate.gate is Gate.OPEN for rate in found.contrasts[0].rates)
    require(found, strict=False)
    with pytest.raises(RegressionError, match="may have fallen by more than 5 %"):
        require(found, strict=True)


def test_runs_that_wander_by_themselves_are_not_taken_for_slower() -> None:
    """Where such runs are known to differ by 10 % from one to the next, a fall of 13 % is no proof."""
    rules = Rules(allowed=0.05, wander=Spread(variance=0.1**2, freedom=9))
    (contrast,) = against(judged_run(1), judged_run(3, slower=0.15), rules=rules).contrasts
    assert {rate.finding for rate in contrast.rates} == {Finding.UNKNOWN}
    assert {rate.gate for rate in contrast.rates} == {Gate.OPEN}


def test_how_much_runs_wander_is_read_off_their_steps_and_a_change_does_not_count() -> None:
    """Rates that differ by 3 % from run to run, with one fall of 40 % amid them; five runs are the fewest."""
    chance = random.Random(3)  # noqa: S311 (planted noise)
    levels = [1e5 if day < 30 else 6e4 for day in range(60)]
    runs = [
        digest(f"r{day}", (layout(), (hz * (1 + chance.gauss(0, 0.03)),)), created=float(day))
        for day, hz in enumerate(levels)
    ]
    found = wander_of(runs)
    assert found is not None
    assert found.variance**0.5 == pytest.approx(0.03, rel=0.35)
    assert wander_of(runs[:4]) is None
    assert wander_of(runs[:5]) is not None


UNLIKE = {
    "devices of far1: gpu0 guide (emulated); –": lambda log: replace(
        log, inventory=replace(log.inventory, hosts=log.inventory.hosts[:-1])
    ),
    "devices of box: gpu0 guide (emulated), gpu1 guide (emulated); gpu0 roomy (emulated)": lambda log: replace(
        log, inventory=replace(log.inventory, hosts=(roomy_box().hosts[0], *log.inventory.hosts[1:]))
    ),
    "load: 4,096 iterations, 1 job; 4,096 iterations, 3 jobs at once": lambda log: replace(
        log, plan=replace(log.plan, load=replace(log.plan.load, jobs=3))
    ),
    "goal: latency; capacity": lambda log: replace(log, plan=replace(log.plan, goal=Goal.CAPACITY)),
    "workload: synthetic guest": lambda log: replace(
        log, inventory=replace(log.inventory, workload=replace(log.inventory.workload, executor_rate=1e6))
    ),
}


@pytest.mark.parametrize("reason", UNLIKE)
def test_only_like_is_compared_with_like(reason: str) -> None:
    """Other devices, another load, goal or workload: refused, with the one reason."""
    base = planted_run(1)
    other = replace(UNLIKE[reason](base), id="other")
    with pytest.raises(ConfigurationError) as caught:
        against(judged_run(1), Judged(log=other, verdict=judged_run(1).verdict))
    assert f"day-001 and other are not alike: {reason}" in str(caught.value)


def test_what_had_changed_is_named() -> None:
    """Kernel, Ray, driver, power limit, settings in service and prices; a clock only where it differs notably."""
    base = planted_run(1)
    kinds = {one.name for one in circumstances(base)}
    facts = tuple(replace(one, kernel="6.9", ray="3.0") if one.host == "box" else one for one in base.survey.facts)
    card = CardState(host="box", device="gpu0", time=0.0, driver="550.1", power_limit=300.0)
    other = _watched(
        replace(
            base,
            version="0.2.0",
            survey=replace(base.survey, facts=facts),
            plan=replace(base.plan, current=replace(base.plan.current, po2=21)),
        ),
        card,
        1.40e9,
    )
    base = _watched(base, replace(card, driver="535.0"), 1.41e9)
    told = {one.name: (one.then, one.now) for one in changed(circumstances(base), circumstances(other))}
    assert told == {
        "fleet": ("0", "0.2.0"),
        "in service": (base.plan.current.label, other.plan.current.label),
        "box kernel": ("6", "6.9"),
        "box Ray": ("2.60.0", "3.0"),
        "box/gpu0 driver": ("535.0", "550.1"),
    }
    slower = _watched(base, card, 1.2e9)
    assert ("1,410 MHz", "1,200 MHz") in {
        (one.then, one.now) for one in changed(circumstances(base), circumstances(slower))
    }
    assert {"price of a GPU", "box bus", "box/gpu0 emulation", "box fleet", "time scale"} <= kinds
    assert terms(base) == terms(other)


def test_what_had_changed_everywhere_is_said_once() -> None:
    """The same change of several hosts is one line; a change without a place keeps its name."""
    both = [Changed(name=f"{host} kernel", then="6.1", now="6.9") for host in ("box", "far0")]
    other = [Changed(name="far1 kernel", then="6.1", now="7"), Changed(name="fleet", then="1", now="2")]
    assert changes_told([*both, *other]) == ("box, far0 kernel: 6.1 → 6.9", "far1 kernel: 6.1 → 7", "fleet: 1 → 2")


def _watched(log: RunLog, card: CardState, clock: float) -> RunLog:
    first, *rest = log.observations
    sample = DeviceSample(host="box", device="gpu0", time=0.0, emulated=True, busy=1.0, sm_clock=clock)
    return replace(log, observations=(replace(first, telemetry=Telemetry(samples=(sample,), before=(card,))), *rest))


def test_a_digest_has_every_figure_of_its_run() -> None:
    """The same rates as the report's, layout by layout."""
    log = planted_run(1)
    analysis = analyse(log)
    digest_ = digest_of(log, analysis.verdict)
    assert digest_.answer.choice is analysis.verdict.choice
    told = {(one.layout, one.jobs): one.hz.value for one in analysis.throughputs}
    kept = {(one.layout, one.load.jobs): one.hz for one in digest_.figures}
    assert kept == pytest.approx(told)
    assert digest_.created == DAY


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_screen_fits_and_says_what_matters(width: int) -> None:
    """Emulated figures are marked, the answer stands first, nothing is wider than the screen."""
    found = against(judged_run(1), judged_run(3, slower=0.15), rules=Rules(allowed=0.05))
    lines = comparison_lines(found, width, whole=True)
    text = "\n".join(one.text for one in lines)
    assert max(one.width for one in lines) <= width
    assert lines[0].text.startswith(" EMULATED  Of ")
    assert "slower" in lines[0].text
    assert "WHAT ELSE HAD CHANGED" in text
    assert "nothing that fleet looks at" in text
    assert all(one.text.isascii() for one in comparison_lines(found, width, ascii_only=True))


def test_the_json_has_the_same_figures() -> None:
    """Every rate with its interval, p, finding and gate."""
    found = against(judged_run(1), judged_run(3, slower=0.15), rules=Rules(allowed=0.05))
    told = json.loads(comparison_json(found))
    assert told["runs"][0]["rates"][0]["change"]["value"] == found.contrasts[0].rates[0].change.value
    assert [rate["finding"] for rate in told["runs"][0]["rates"]] == [r.finding for r in found.contrasts[0].rates]
    assert told["runs"][0]["rates"][0]["regression"] == "failed"
    assert (told["base"]["run"], told["runs"][0]["run"]) == ("day-001", "day-003")
