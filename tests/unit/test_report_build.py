"""Building a report, and the words that all renderings share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kept_runs import planted_run
from report_samples import BOX, FAR, GAIN, GUIDE, ONE, failed, observation

from fleet.analyse import analyse
from fleet.model.estimate import Estimate
from fleet.model.facts import Facts, Failure, Survey
from fleet.model.inventory import (
    Current,
    Device,
    DeviceKind,
    Host,
    Inventory,
    Login,
    Per,
    Ports,
    Price,
    Prices,
    Role,
    SyntheticSettings,
)
from fleet.model.record import Outcome, RunLog
from fleet.model.trial import Budget, Load, Plan
from fleet.model.verdict import Choice
from fleet.report import wording
from fleet.report.build import build
from fleet.report.figures import by_load, chosen, ranked

HOST = Host(
    name="box",
    role=Role.HEAD,
    login=Login(address="10.0.0.1"),
    node_address="10.0.0.1",
    devices=(Device(name="gpu0", kind=DeviceKind.CPU, model="core"),),
    ports=Ports(first=20000, last=20100),
    python="python3",
    work_dir="fleet",
)
LOG = RunLog(
    id="run-1",
    created=1_785_492_900.0,
    version="0.1.0",
    inventory=Inventory(
        name="lab",
        path="lab.yaml",
        hosts=(HOST,),
        current=Current(),
        prices=Prices(currency="EUR"),
        workload=SyntheticSettings(),
        time_scale=20.0,
    ),
    survey=Survey(
        facts=(
            Facts(
                host="box",
                system="Linux",
                kernel="6.8",
                cpu_model=None,
                cores=2,
                memory=2**33,
                disk_free=None,
                python="3.11",
                ray="2.60.0",
                fleet="0.1.0",
            ),
        ),
        failures=(Failure(host="far", stage="survey", message="connection refused", hint="start sshd there"),),
    ),
    plan=Plan(run="run-1", current=BOX, load=Load(iterations=4096), budget=Budget(), seed=7, hosts=("box",)),
    observations=(observation(BOX, 4e5, emulated=False), failed(ONE, Outcome.OUT_OF_MEMORY)),
)


def test_a_report_places_its_analysis() -> None:
    report = build(LOG, GUIDE.analysis)
    assert report.analysis is GUIDE.analysis
    assert (report.run, report.inventory, report.currency, report.seed) == ("run-1", "lab", "EUR", 7)
    assert (report.trials, report.seconds, report.time_scale) == (2, 8.5, 20.0)
    assert report.current == BOX
    assert report.hosts == ("box",)
    assert report.failures == ("far (survey): connection refused; start sshd there",)


def test_one_emulated_observation_makes_the_report_emulated() -> None:
    assert build(LOG, GUIDE.analysis).emulated
    assert not build(replace(LOG, observations=LOG.observations[:1]), GUIDE.analysis).emulated


def test_one_emulated_device_makes_the_report_emulated() -> None:
    emulated = replace(HOST, devices=(Device(name="gpu0", kind=DeviceKind.EMULATED, model="16 GB card"),))
    log = replace(LOG, inventory=replace(LOG.inventory, hosts=(emulated,)), observations=())
    assert build(log, GUIDE.analysis).emulated


def test_throughputs_are_compared_under_one_load_only() -> None:
    one_job, three_jobs = by_load(GUIDE)
    assert [found.throughput.layout for found in one_job][:2] == [FAR, ONE]
    assert one_job[2].current
    assert one_job[3].gain == pytest.approx(690 / 431.4 - 1)
    assert one_job[2].bound == pytest.approx(264.9e3 * 1.9)
    assert three_jobs[0].gain == 0
    assert three_jobs[0].bound is None


def test_options_are_ranked_with_the_chosen_first_and_the_blocked_last() -> None:
    assert [option.choice for option in ranked(GUIDE.analysis)] == [
        Choice.ADD_REMOTE_WORKER,
        Choice.TUNE,
        Choice.ADD_GPU,
    ]


def test_a_verdict_that_decides_nothing_has_no_option() -> None:
    undecided = replace(GUIDE.analysis.verdict, choice=Choice.INCONCLUSIVE)
    assert chosen(replace(GUIDE.analysis, verdict=undecided)) is None


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "< 1 %"), (0.01, "1 %"), (0.5, "50 %"), (0.99, "99 %"), (0.991, "> 99 %"), (1, "> 99 %")]
)
def test_a_probability_is_never_certain(value: float, shown: str) -> None:
    assert wording.probability(value) == shown


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        (Price(amount=2600, per=Per.ONCE), "USD 2,600 once"),
        (Price(amount=0.85, per=Per.HOUR), "USD 0.85 an hour"),
        (Price(amount=1999.99, per=Per.ONCE), "USD 1,999.99 once"),
    ],
)
def test_money_names_its_currency_and_what_it_is_paid_for(price: Price, shown: str) -> None:
    assert wording.money(price, "USD") == shown


def test_gain_per_cost_needs_both() -> None:
    price = Price(amount=2600, per=Per.ONCE)
    assert wording.gain_per_cost(GAIN, price, "EUR") == "+23.1 % per EUR 1,000"
    assert wording.gain_per_cost(None, price, "EUR") == "–"
    assert wording.gain_per_cost(GAIN, None, "EUR") == "–"
    assert wording.gain_per_cost(GAIN, Price(amount=0, per=Per.ONCE), "EUR") == "–"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (264_892.07, "264.9 kHz [251.6, 278.1]"),
        (1_207_000.0, "1,207.0 kHz [1,146.7, 1,267.4]"),
        (24_000_000.0, "24.0 MHz [22.8, 25.2]"),
        (820.0, "820 Hz [779.0, 861.0]"),
    ],
)
def test_an_interval_is_in_the_unit_of_its_value(value: float, shown: str) -> None:
    estimate = Estimate(value=value, low=value * 0.95, high=value * 1.05, n=3, unit="Hz")
    assert wording.hertz(estimate) == shown


@pytest.mark.parametrize(
    ("running", "said"),
    [(True, "the run is still under way: this is what it says so far"), (False, "--resume r1` goes on with it")],
)
def test_a_run_without_an_end_says_whether_it_goes_on(running: bool, said: str) -> None:  # noqa: FBT001 (a case)
    """Only one that was interrupted is offered to be gone on with."""
    log = replace(planted_run(1), id="r1", finished=False, running=running)
    (caveat,) = (text for text in build(log, analyse(log)).analysis.caveats if "the run" in text)
    assert said in caveat
