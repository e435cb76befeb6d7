"""The verdict: the guide's two runs, the order of observations, prices, slots, missing pieces."""

from __future__ import annotations

import random
import re
from contextvars import copy_context
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_fleets import campaign, fleet_of, guide_box, guide_job, host, layout, roomy_box, start
from planted_machine import Truth

from fleet.analyse import analyse
from fleet.model.inventory import Device, DeviceKind, Inventory, Per, Price, Prices
from fleet.model.record import Observation, Outcome, RunLog
from fleet.model.samples import DeviceSample, Telemetry
from fleet.model.trial import Budget, Experiment, Layout, Load, Trial
from fleet.model.verdict import Choice, Evidence, Reason, Verdict
from fleet.units import Idiom, speak

CALM = Truth(trial_noise=0.01, task_noise=0.01, dispatch=0.08)
GUIDE_LOG = campaign(guide_box(), CALM)
ANALYSIS = analyse(GUIDE_LOG)


def codes(verdict: Verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def reason_of(verdict: Verdict, code: str) -> Reason:
    return next(reason for reason in verdict.reasons if reason.code == code)


def observed(where: Layout, cycles: int, seconds: float, segments: int, repeat: int = 0) -> Observation:
    """A trial of the guide: nothing is known but what its task table held."""
    trial = Trial(experiment=Experiment.BASELINE, layout=where, load=Load(iterations=4096), repeat=repeat, seed=1)
    job = guide_job(cycles, seconds, segments)
    return Observation(trial=trial, outcome=Outcome.OK, started=0.0, elapsed=seconds, emulated=False, jobs=(job,))


def guides_fleet() -> Inventory:
    """A box with two 16 GB cards of which nothing else is known; two agents each at po2 19 in service."""
    cards = [Device(name=f"gpu{n}", kind=DeviceKind.CUDA, model="guide", memory=16 * 10**9) for n in range(2)]
    bare = replace(host("box", *cards, head=True), bus=None, free_slots=None, spare_power=None)
    return fleet_of(bare, po2=19, agents=2, gpu=None, worker=None)


ONE = layout(20, 1, box=1)
TWO = layout(19, 2, box=2)


def guides_runs(current: Layout = TWO) -> RunLog:
    log = start(guides_fleet())
    runs = (observed(ONE, 34_603_008, 130.630590, 33), observed(TWO, 35_127_296, 81.430957, 67))
    return replace(log, plan=replace(log.plan, current=current), observations=runs)


@pytest.mark.parametrize("current", [ONE, TWO], ids=["one in service", "two in service"])
def test_the_guides_two_runs_are_inconclusive(current: Layout) -> None:
    """Agents, segment size and cards changed at once: that is the reason, and the bridge between them is the need."""
    analysis = analyse(guides_runs(current))
    verdict = analysis.verdict
    assert verdict.choice is Choice.INCONCLUSIVE
    assert verdict.reasons[0].code == "confounded"
    assert "at once" in verdict.reasons[0].text
    other = TWO if current is ONE else ONE
    assert f"measure {other.where} with" in verdict.needs[0]
    assert f"po2 {current.po2}" in verdict.needs[0]
    assert [t.hz.value for t in analysis.throughputs] == pytest.approx([264_892.0747, 431_375.2078], abs=1e-4)
    assert analysis.scalings == ()


def test_the_bridge_lifts_the_confounding() -> None:
    """Two cards with the settings of one: now the devices' part can be told, and it is."""
    log = guides_runs(ONE)
    bridge = observed(layout(20, 1, box=2), 34_603_008, 78.0, 33)
    analysis = analyse(replace(log, observations=(*log.observations, bridge)))
    assert "confounded" not in codes(analysis.verdict)
    assert any(s.layout == bridge.trial.layout and s.base == ONE for s in analysis.scalings)


def test_without_a_baseline_nothing_is_decided() -> None:
    """The layout in service ran out of memory: inconclusive, and the need is the cure of what was refused."""
    log = start(guide_box())
    trial = Trial(experiment=Experiment.BASELINE, layout=log.plan.current, load=log.plan.load, repeat=0, seed=1)
    oom = Observation(trial=trial, outcome=Outcome.OUT_OF_MEMORY, started=0.0, elapsed=1.0, emulated=True)
    verdict = analyse(replace(log, observations=(oom,))).verdict
    assert verdict.choice is Choice.INCONCLUSIVE
    assert verdict.reasons[0].code == "no_baseline"
    assert "smaller po2" in verdict.needs[0]


def test_a_run_that_did_not_reach_its_end_says_so() -> None:
    """Interrupted after half of its trials: the answer stands, with the way to go on beside it."""
    half = replace(GUIDE_LOG, observations=GUIDE_LOG.observations[:6], finished=False)
    assert any("--resume planted" in caveat for caveat in analyse(half).caveats)
    assert not any("--resume" in caveat for caveat in ANALYSIS.caveats)


def test_what_cannot_be_weighed_has_no_options() -> None:
    """Confounded, or a job too small: no option's figure is shown beside an answer that does not trust them."""
    assert analyse(guides_runs()).options == ()


def test_an_empty_run_is_an_answer_too() -> None:
    """Nothing was measured at all: inconclusive, no traceback."""
    analysis = analyse(start(guide_box()))
    assert analysis.verdict.choice is Choice.INCONCLUSIVE
    assert analysis.throughputs == ()
    assert not any("price" in caveat for caveat in analysis.caveats)


def test_only_a_baseline_has_nothing_to_compare_with() -> None:
    """A budget that ends after the baseline: inconclusive, and a larger budget is the need."""
    log = campaign(guide_box(), CALM, budget=Budget(trials=3))
    verdict = analyse(log).verdict
    assert verdict.choice is Choice.INCONCLUSIVE
    assert verdict.reasons[0].code == "nothing_compared"
    assert any("budget" in need for need in verdict.needs)


def test_what_a_larger_budget_measures_nobody_need_borrow() -> None:
    """A budget that ends before one device alone had its turn: that comes first, no GPU is to be borrowed."""
    needs = analyse(campaign(guide_box(), CALM, budget=Budget(trials=6))).verdict.needs
    assert not any(need.startswith("borrow one more") for need in needs)
    assert any("one device of box alone" in need for need in needs)


@pytest.mark.parametrize(("iterations", "segments"), [(1, 1), (64, 1), (512, 5)])
def test_a_load_that_is_too_small_decides_nothing(iterations: int, segments: int) -> None:
    """A job of few segments is all start and tail: inconclusive, with the iterations that would do."""
    inventory = guide_box()
    small = replace(inventory, workload=replace(inventory.workload, iterations=iterations))
    verdict = analyse(campaign(small, CALM)).verdict
    assert verdict.choice is Choice.INCONCLUSIVE
    assert verdict.reasons[0].code == "load_too_small"
    assert f"{segments} segments" in verdict.reasons[0].text
    assert f"to {iterations * -(-8 // segments)} or more" in verdict.needs[0]


def test_records_without_hosts_say_as_much_as_they_can() -> None:
    """A task table that names no agent: the third card's gain is still bounded by what two did to each other."""
    gain = next(o for o in analyse(anonymous(GUIDE_LOG)).options if o.choice is Choice.ADD_GPU).gain
    assert gain is not None
    assert gain.high < 0.3


def anonymous(log: RunLog) -> RunLog:
    """The run as a source would tell it that knows neither agents nor hosts nor transfers."""

    def stripped(observation: Observation) -> Observation:
        jobs = [
            replace(job, tasks=tuple(replace(t, agent=None, host=None, transfer=None) for t in job.tasks))
            for job in observation.jobs
        ]
        return replace(observation, jobs=tuple(jobs))

    return replace(log, observations=tuple(stripped(o) for o in log.observations))


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_any_part_of_a_run_is_analysed(data: st.DataObject) -> None:
    """Whatever was measured before a crash: an analysis comes out, never a traceback, and refusals stay visible."""
    kept = data.draw(st.lists(st.sampled_from(GUIDE_LOG.observations), unique_by=lambda o: o.trial.id))
    log = replace(GUIDE_LOG, observations=tuple(kept))
    analysis = analyse(log if data.draw(st.booleans()) else anonymous(log))
    assert len(analysis.refused) == sum(o.outcome is not Outcome.OK for o in kept)
    assert 0 <= analysis.verdict.confidence <= 1
    assert analysis.verdict.reasons


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_of_observations_does_not_matter(seed: int) -> None:
    """Shuffled observations give the same analysis, to the last digit."""
    shuffled = list(GUIDE_LOG.observations)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 (a shuffle for a test)
    assert analyse(replace(GUIDE_LOG, observations=tuple(shuffled))) == ANALYSIS


def test_the_probabilities_of_the_options_add_up_to_one() -> None:
    """One of them is the best thing to do; doing nothing is among them."""
    assert sum(option.best for option in ANALYSIS.options) == pytest.approx(1.0)
    assert {option.choice for option in ANALYSIS.options} == {
        Choice.TUNE,
        Choice.ADD_GPU,
        Choice.ADD_REMOTE_WORKER,
        Choice.HOLD,
    }


def test_every_estimate_lies_in_its_interval() -> None:
    """low ≤ value ≤ high everywhere."""
    gains = [option.gain for option in ANALYSIS.options if option.gain]
    for estimate in (*gains, *(t.hz for t in ANALYSIS.throughputs), *(s.speedup for s in ANALYSIS.scalings)):
        assert estimate.low <= estimate.value <= estimate.high


def test_scaling_is_judged_against_the_task_graph() -> None:
    """Two cards cannot be twice as fast on this graph: the ideal is below 2, the efficiency is of that."""
    scaling = next(s for s in ANALYSIS.scalings if s.layout == layout(20, box=2))
    assert 1.8 < scaling.ideal < 2.0
    assert scaling.efficiency == pytest.approx(scaling.speedup.value / scaling.ideal)
    assert scaling.inflation is not None
    assert scaling.inflation > 1.2
    assert scaling.karp_flatt == pytest.approx((1 / scaling.speedup.value - 1 / 2) / (1 - 1 / 2))


def test_predicted_and_measured_stand_side_by_side() -> None:
    """The layout with a candidate is predicted from other trials within 5 % of what was measured."""
    line = reason_of(ANALYSIS.verdict, "confirmed").evidence[0]
    assert abs(float(line.rsplit("(", 1)[1].split(" ")[0])) < 5


def repriced(prices: Prices) -> Verdict:
    return analyse(replace(GUIDE_LOG, inventory=replace(GUIDE_LOG.inventory, prices=prices))).verdict


def test_a_price_can_flip_the_verdict_and_the_break_even_says_where() -> None:
    """At ten times a card's price a worker no longer pays, though it still gains more."""
    dear = Prices(gpu=Price(amount=1000.0, per=Per.ONCE), worker=Price(amount=10_000.0, per=Per.ONCE))
    verdict = repriced(dear)
    assert verdict.choice is Choice.ADD_GPU
    assert "times a GPU" in reason_of(verdict, "break_even").text
    assert any("USD 10,000 once" in line for line in reason_of(verdict, "break_even").evidence)


@pytest.mark.parametrize(
    ("prices", "need"),
    [
        (Prices(), "state the price of a gpu"),
        (Prices(gpu=Price(amount=1.0, per=Per.ONCE)), "state the price of a worker"),
        (Prices(gpu=Price(amount=1.0, per=Per.ONCE), worker=Price(amount=9.0, per=Per.HOUR)), "both prices per hour"),
    ],
)
def test_prices_that_cannot_be_compared_are_said_and_asked_for(prices: Prices, need: str) -> None:
    """Without comparable prices equal costs are assumed, never silently."""
    log = replace(GUIDE_LOG, inventory=replace(GUIDE_LOG.inventory, prices=prices))
    analysis = analyse(log)
    assert any(need in line for line in analysis.verdict.needs)
    assert any("price" in line for line in analysis.caveats)
    assert analysis.verdict.choice is Choice.ADD_REMOTE_WORKER


@pytest.mark.parametrize(("slots", "power", "words"), [(0, 400.0, "no free slot"), (2, 0.0, "no power")])
def test_a_gpu_needs_a_slot_and_power(slots: int, power: float, words: str) -> None:
    """Where a GPU is the better buy but does not fit, the worker is named, and why."""
    log = campaign(roomy_box(), CALM)
    box = replace(log.inventory.hosts[0], free_slots=slots, spare_power=power)
    full = replace(log, inventory=replace(log.inventory, hosts=(box, *log.inventory.hosts[1:])))
    analysis = analyse(full)
    assert analysis.verdict.choice is Choice.ADD_REMOTE_WORKER
    assert words in reason_of(analysis.verdict, "blocked").text
    assert next(o for o in analysis.options if o.choice is Choice.ADD_GPU).blocked is not None


def test_a_gpu_needs_as_much_power_as_those_there_draw() -> None:
    """300 W each: 250 W to spare are not enough for another, 310 W are."""
    log = campaign(roomy_box(), CALM)
    drawing = tuple(replace(seen, telemetry=_told(seen.telemetry, power=300.0)) for seen in log.observations)
    for watts, blocked in ((250.0, True), (310.0, False)):
        box = replace(log.inventory.hosts[0], spare_power=watts)
        fleet = replace(log.inventory, hosts=(box, *log.inventory.hosts[1:]))
        options = analyse(replace(log, inventory=fleet, observations=drawing)).options
        said = next(o for o in options if o.choice is Choice.ADD_GPU).blocked
        assert said == (f"{box.name} has 250 W to spare, and a device there drew up to 300 W" if blocked else None)


def test_a_gpu_needs_the_lanes_that_those_there_have() -> None:
    """A GPU is the answer and the cards there tell their links: an empty slot tells nothing, so the operator looks."""
    log = campaign(roomy_box(), CALM)
    linked = tuple(replace(seen, telemetry=_told(seen.telemetry, width=8)) for seen in log.observations)
    needs = [analyse(replace(log, observations=seen)).verdict.needs for seen in (log.observations, linked)]
    assert [any("has 8 lanes" in need for need in said) for said in needs] == [False, True]


def _told(told: Telemetry, power: float | None = None, width: int | None = None) -> Telemetry:
    samples = (replace(s, power=power, pcie_width=width) if isinstance(s, DeviceSample) else s for s in told.samples)
    return replace(told, samples=tuple(samples))


def test_slots_that_are_not_stated_are_asked_for() -> None:
    """None is not zero: the GPU stays an option, and the need says what to state."""
    log = campaign(roomy_box(), CALM)
    box = replace(log.inventory.hosts[0], free_slots=None, spare_power=None)
    verdict = analyse(replace(log, inventory=replace(log.inventory, hosts=(box, *log.inventory.hosts[1:])))).verdict
    assert verdict.choice is Choice.ADD_GPU
    assert any("free_slots" in need for need in verdict.needs)
    assert any("spare_power" in need for need in verdict.needs)


def test_one_card_in_the_box_is_a_prior_with_a_need() -> None:
    """What a second card would do was never seen: a wide prediction, and the experiment that would narrow it."""
    wide = analyse(campaign(one_card(), CALM))
    narrow = analyse(campaign(roomy_box(), CALM))
    gpu, measured = (next(o for o in a.options if o.choice is Choice.ADD_GPU) for a in (wide, narrow))
    assert gpu.evidence is Evidence.PREDICTED
    assert gpu.gain is not None
    assert measured.gain is not None
    assert gpu.gain.high - gpu.gain.low > 1.5 * (measured.gain.high - measured.gain.low)
    assert any("a second GPU in box" in need for need in wide.verdict.needs)


def test_a_fleet_of_cores_reads_nothing_of_gpus() -> None:
    """Options, reasons, needs and gaps are said in the words of the fleet that they are about."""

    def say() -> str:
        speak(Idiom(unit="MB/s", settings=tuple(f"block {4**at}" for at in range(30)), runs=True, device="core"))
        found = analyse(campaign(one_card(), CALM))
        verdict = found.verdict
        reasons = [text for reason in verdict.reasons for text in (reason.text, *reason.evidence)]
        labels = [option.label for option in found.options]
        return "\n".join((verdict.label, *reasons, *verdict.needs, *labels, *found.caveats, *found.not_measured))

    said = copy_context().run(say)
    assert "a core in box" in said
    assert not re.search(r"GPU|po2|\bprove|\bHz", said), said


def one_card() -> Inventory:
    inventory = roomy_box()
    box = replace(inventory.hosts[0], devices=inventory.hosts[0].devices[:1])
    return replace(inventory, hosts=(box, *inventory.hosts[1:]))


def test_what_was_not_measured_is_said() -> None:
    """Statements that follow from the log: no power, no several jobs, no real device."""
    lines = " ".join(ANALYSIS.not_measured)
    for words in ("several jobs at once", "power drawn", "any real device", "round-trip time"):
        assert words in lines
    assert any("emulated" in caveat for caveat in ANALYSIS.caveats)
