"""The validity gate: each rule refuses what breaks it, says what was seen and what cures it; the rest passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted_fleets import guide_box, layout
from planted_machine import Truth, observe

from fleet.analyse.evidence.gate import RULES, refusal
from fleet.model.rates import FLAWS, flaw
from fleet.model.record import Observation, Outcome, TaskRecord
from fleet.model.samples import CardProcess, CardState, DeviceSample, Telemetry
from fleet.model.trial import Experiment, Load, Trial


def good() -> Observation:
    """A trial that counts."""
    trial = Trial(experiment=Experiment.BASELINE, layout=layout(20, box=2), load=Load(iterations=512), repeat=0, seed=1)
    return observe(guide_box(), Truth(), trial)


def changed(observation: Observation, number: int, task: TaskRecord) -> Observation:
    """The observation with one task replaced."""
    job = observation.jobs[0]
    tasks = (*job.tasks[:number], task, *job.tasks[number + 1 :])
    return replace(observation, jobs=(replace(job, tasks=tasks),))


def sample(throttle: int | None) -> Telemetry:
    return Telemetry(samples=(DeviceSample(host="box", device="gpu0", time=0.0, emulated=True, throttle=throttle),))


def test_a_good_trial_passes() -> None:
    """Nothing is refused without a reason."""
    assert refusal(good()) is None


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.OK])
def test_every_outcome_but_ok_is_refused_with_its_cause(outcome: Outcome) -> None:
    """What the shell saw is what is shown; the code is the outcome's."""
    refused = refusal(replace(good(), outcome=outcome, jobs=(), cause="saw it happen"))
    assert refused is not None
    assert (refused.code, refused.seen) == (outcome.value, "saw it happen")
    assert refused.cure


def test_a_retried_task_spoils_the_trial() -> None:
    """A retry overwrites when the task started, so the figure would be a wrong one."""
    observation = good()
    refused = refusal(changed(observation, 3, replace(observation.jobs[0].tasks[3], retries=1)))
    assert refused is not None
    assert refused.code == "retried"
    assert "1 tasks" in refused.seen


@pytest.mark.parametrize(
    "times", [{"started": None}, {"updated": None}, {"started": 9.0, "updated": 8.0}, {"updated": float("nan")}]
)
def test_times_that_cannot_be_are_refused(times: dict[str, float | None]) -> None:
    """Missing, backwards or not a number: no rate comes of it."""
    observation = good()
    task = observation.jobs[0].tasks[3]
    broken = replace(task, started=times.get("started", task.started), updated=times.get("updated", task.updated))
    assert flaw(changed(observation, 3, broken)) == "bad_times"


def test_a_host_that_was_lost_spoils_even_a_finished_job() -> None:
    """The job may end on the others, but it is not the layout that was asked for."""
    assert flaw(replace(good(), lost=("far0",))) == "host_lost"


@pytest.mark.parametrize(
    ("bits", "code"), [(None, None), (0x0, None), (0x1, None), (0x4, None), (0x5, None), (0x8, "throttled")]
)
def test_throttling_is_refused_but_idle_and_the_power_cap(bits: int | None, code: str | None) -> None:
    """Not available is never taken for throttled; the software power cap is a setting, a hardware slowdown is not."""
    assert flaw(replace(good(), telemetry=sample(bits))) == code


@pytest.mark.parametrize("bit", [0x2, 0x8, 0x10, 0x20, 0x40, 0x80, 0x100])
def test_every_other_bit_is_refused_and_shown(bit: int) -> None:
    """With the bits in hexadecimal, as the driver's manual lists them."""
    refused = refusal(replace(good(), telemetry=sample(bit | 0x4)))
    assert refused is not None
    assert f"{bit:#x}" in refused.seen


def test_rules_have_one_code_each_and_a_cure() -> None:
    """The gate is data: codes are unique, and nobody is left without advice."""
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert all(rule.cure for rule in RULES)


def card(**known: object) -> CardState:
    return replace(CardState(host="box", device="gpu0", time=0.0), **known)  # type: ignore[arg-type]


def seen(busy: float | None = 0.9, **known: object) -> DeviceSample:
    plain = DeviceSample(host="box", device="gpu0", time=0.0, emulated=False, busy=busy)
    return replace(plain, **known)  # type: ignore[arg-type]


GEN4 = card(pcie_generation_max=4, pcie_width_max=16)
FAST = card(sm_clock_max=2.1e9)
MINER = CardProcess(pid=4711, name="miner", ours=False, memory=2**30)
DESKTOP = CardProcess(pid=12, name="Xorg", ours=False, graphics=True)
MPS_SERVER = CardProcess(pid=33, name="/usr/bin/nvidia-cuda-mps-server", ours=False, memory=2**25)
AGENT = CardProcess(pid=99, name="agent", ours=True)

BROKEN: dict[str, tuple[Telemetry, str]] = {
    "card_lost": (Telemetry(after=(card(lost=True),)), "box/gpu0"),
    "driver_error": (Telemetry(samples=(seen(xids=(79,)),)), "XID 79"),
    "memory_errors": (Telemetry(samples=(seen(ecc_uncorrected=1), seen(ecc_uncorrected=2))), "box/gpu0: 3"),
    "foreign_process": (Telemetry(before=(card(processes=(AGENT, MINER)),)), "miner (4711)"),
    "throttled": (Telemetry(samples=(seen(throttle=0x40),)), "hardware thermal slowdown"),
    "card_divided": (Telemetry(before=(card(mig=True),)), "box/gpu0"),
    "narrow_link": (Telemetry(samples=(seen(pcie_generation=4, pcie_width=8),), after=(GEN4,)), "width 8 of 16"),
    "slow_clock": (
        Telemetry(samples=(seen(sm_clock=6e8),), after=(replace(FAST, clocks_locked=True),)),
        "600 of 2100 MHz, where they are locked",
    ),
}
"""For each rule about telemetry a telemetry that trips it, and what the refusal must show."""

HARMLESS = {
    "MPS's server computes nothing of its own": Telemetry(after=(card(processes=(AGENT, MPS_SERVER)),)),
    "an idle link may sleep": Telemetry(samples=(seen(busy=0.0, pcie_generation=1),), after=(GEN4,)),
    "a link is at its best once": Telemetry(
        samples=(seen(pcie_generation=1, pcie_width=16), seen(pcie_generation=4, pcie_width=16)), after=(GEN4,)
    ),
    "a slot's limit is no fault": Telemetry(samples=(seen(pcie_generation=3),), after=(card(pcie_generation_max=3),)),
    "a power cap explains clocks": Telemetry(samples=(seen(sm_clock=6e8, throttle=0x4),), after=(FAST,)),
    "idle clocks are low": Telemetry(samples=(seen(busy=0.01, sm_clock=2e8),), after=(FAST,)),
    "a desktop and our own agents": Telemetry(after=(card(processes=(DESKTOP, AGENT)),)),
    "old memory errors": Telemetry(before=(card(ecc_uncorrected=7),), after=(card(ecc_uncorrected=7),)),
    "nothing was told": Telemetry(samples=(seen(busy=None),), before=(card(),), after=(card(),)),
    "a card that nobody used": Telemetry(
        samples=(replace(seen(throttle=0x40, xids=(79,)), device="gpu7"),),
        after=(replace(card(processes=(MINER,)), device="gpu7"),),
    ),
}


@pytest.mark.parametrize("code", BROKEN)
def test_what_telemetry_tells_trips_exactly_its_rule(code: str) -> None:
    """One sample, one code: what was seen names the device, and there is a cure."""
    telemetry, shown = BROKEN[code]
    refused = refusal(replace(good(), telemetry=telemetry))
    assert refused is not None
    assert refused.code == code
    assert shown in refused.seen
    assert refused.cure


@pytest.mark.parametrize("what", HARMLESS)
def test_what_is_no_fault_or_not_known_is_let_pass(what: str) -> None:
    """Sleeping links, other people's cards, and whatever was not recorded speak against nothing."""
    assert flaw(replace(good(), telemetry=HARMLESS[what])) is None


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("agent_restarted", {"restarted": ("box/gpu0#0",)}),
        ("not_warm", {"cold": ("box/gpu1#0",)}),
        ("still_running", {"running": ("broker", "miner")}),
        ("clock_unknown", {"unclocked": ("far0",)}),
    ],
)
def test_what_the_shell_noted_spoils_a_trial(code: str, told: dict[str, tuple[str, ...]]) -> None:
    """Names that the shell noted are shown in the refusal."""
    refused = refusal(replace(good(), **told))  # type: ignore[arg-type]
    assert refused is not None
    assert refused.code == code
    assert all(name in refused.seen for names in told.values() for name in names)


def test_a_job_too_few_is_no_measure_of_three() -> None:
    """Three jobs were submitted together; the time of one of them says nothing of three."""
    observation = good()
    trial = replace(observation.trial, load=Load(iterations=512, jobs=3))
    refused = refusal(replace(observation, trial=trial))
    assert refused is not None
    assert (refused.code, refused.seen) == ("jobs_missing", "1 of 3 jobs were recorded")


def test_uncorrected_errors_are_seen_in_the_counter_too() -> None:
    """Where no sample told of them, the card's count before and after does."""
    telemetry = Telemetry(before=(card(ecc_uncorrected=1),), after=(card(ecc_uncorrected=3),))
    refused = refusal(replace(good(), telemetry=telemetry))
    assert refused is not None
    assert refused.code == "memory_errors"
    assert "2 uncorrected" in refused.seen


def test_every_flaw_has_a_rule_that_speaks() -> None:
    """No code that the gate gives is without words, and the two lists name the same codes."""
    outcomes = {outcome.value for outcome in Outcome if outcome is not Outcome.OK}
    assert {rule.code for rule in RULES} == outcomes | {code for code, _ in FLAWS}
