"""A planted cause is named and no other; without telemetry nothing is; a change that disagrees clears its suspects."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted_campaigns import FAULTS, WATCHED, blind, faulty, plain_box, whole_campaign, without
from planted_machine import Truth

from fleet.analyse import analyse
from fleet.analyse.causes.attribution import named
from fleet.model.inventory import DeviceKind
from fleet.model.record import Observation, RunLog
from fleet.model.samples import CardState, DeviceSample, HostSample, Telemetry
from fleet.model.trial import Experiment
from fleet.model.verdict import Standing, Suspect


def by_code(suspects: tuple[Suspect, ...]) -> dict[str, Standing]:
    return {suspect.code: suspect.standing for suspect in suspects}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_planted_cause_is_named_and_no_other(fault: str) -> None:
    """Seen where the inflation is, gone with the one change: it is the cause, and everybody else is cleared."""
    found = analyse(faulty(fault))
    standings = by_code(found.suspects)
    assert standings.pop(fault) is Standing.CAUSE
    assert set(standings.values()) <= {Standing.CLEARED}
    assert found.verdict.bottleneck.code == fault
    cause = named(found.suspects)
    assert cause is not None
    assert cause.result is not None
    assert cause.seen


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "time_slicing"])
def test_without_telemetry_nobody_is_named(fault: str) -> None:
    """The inflation is there, its cause is not told: the answer says so, and what would tell."""
    found = analyse(blind(faulty(fault)))
    assert set(by_code(found.suspects).values()) == {Standing.UNKNOWN}
    assert found.verdict.bottleneck.code == "unknown"
    assert "not attributed" in found.verdict.bottleneck.text
    assert all(suspect.seen and suspect.intervention for suspect in found.suspects)
    assert any("record" in need for need in found.verdict.needs)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "time_slicing"])
def test_without_the_one_change_it_is_a_suspicion(fault: str) -> None:
    """Correlation alone convicts nobody; the change that would is asked for."""
    found = analyse(without(faulty(fault), Experiment.CAUSE))
    assert by_code(found.suspects)[fault] is Standing.CORRELATED
    assert found.verdict.bottleneck.code == fault
    suspect = named(found.suspects)
    assert suspect is not None
    assert suspect.result is None
    assert any(suspect.intervention in need for need in found.verdict.needs)


def test_a_box_without_a_fault_has_no_suspects() -> None:
    """Where company does nothing, nobody is looked for, and no trial is spent on it."""
    log = whole_campaign(plain_box(), WATCHED)
    assert analyse(log).suspects == ()
    assert not any(o.trial.experiment is Experiment.CAUSE for o in log.observations)


def pressed(log: RunLog) -> RunLog:
    """The run with CPU pressure wherever two devices of the box were at work, on top of what was seen."""

    def more(seen: Observation) -> Observation:
        crowd = sum(host == "box" for host, _ in seen.trial.layout.devices) > 1
        samples = tuple(
            replace(sample, cpu_pressure=0.6 if crowd else 0.0) if isinstance(sample, HostSample) else sample
            for sample in seen.telemetry.samples
        )
        return replace(seen, telemetry=replace(seen.telemetry, samples=samples))

    return replace(log, observations=tuple(map(more, log.observations)))


def test_two_that_are_seen_share_the_suspicion() -> None:
    """A box of its own takes both away at once, so it convicts neither, and neither is called the bottleneck."""
    found = analyse(pressed(faulty("bus")))
    standings = by_code(found.suspects)
    assert standings["bus"] is standings["cpu"] is Standing.CORRELATED
    assert named(found.suspects) is None
    assert found.verdict.bottleneck.code == "unknown"


def test_a_change_that_changes_nothing_clears_what_is_in_the_box() -> None:
    """Where proves take as long in boxes of their own, the box's bus did not do it, however busy it was."""
    log = faulty("bus")
    crowded = {o.trial.layout: o for o in log.observations if len(o.trial.layout.devices) > 1}
    base = crowded[log.plan.current]

    def slow(seen: Observation) -> Observation:
        """The trial in two boxes, with the jobs of the one box."""
        if seen.trial.experiment is not Experiment.CAUSE:
            return seen
        return replace(seen, jobs=base.jobs)

    found = analyse(replace(log, observations=tuple(map(slow, log.observations))))
    assert by_code(found.suspects)["bus"] is Standing.CLEARED
    assert found.verdict.bottleneck.code != "bus"


def linked(log: RunLog, gigabytes: float) -> RunLog:
    """The run of real cards that tell nothing but their links: generation 3, 8 lanes, so many gigabytes a second."""

    def told(seen: Observation) -> Observation:
        samples = tuple(
            DeviceSample(
                host=host,
                device=device,
                time=seen.started,
                emulated=False,
                pcie_generation=3,
                pcie_width=8,
                received=gigabytes * 1e9,
            )
            for host, device in seen.trial.layout.devices
        )
        return replace(seen, telemetry=Telemetry(samples=samples))

    return replace(log, observations=tuple(map(told, blind(log).observations)))


@pytest.mark.parametrize(("gigabytes", "there"), [(6.0, True), (0.2, False)])
def test_byte_counters_are_held_against_what_the_lanes_carry(gigabytes: float, there: bool) -> None:  # noqa: FBT001 (a case's answer)
    """6 of 0.985 · 8 · 0.85 = 6.7 GB/s is a full link; 0.2 is none, and then "bus" is not said."""
    found = analyse(linked(faulty("bus"), gigabytes))
    assert (by_code(found.suspects)["bus"] is Standing.CAUSE) is there
    assert (found.verdict.bottleneck.code == "bus") is there


def test_agents_that_run_side_by_side_are_not_sliced() -> None:
    """With MPS the agents of a device share it in space, not in turns, whatever their proves take."""

    def shared(seen: Observation) -> Observation:
        cards = tuple(
            CardState(host=host, device=device, time=seen.started, mps=True)
            for host, device in seen.trial.layout.devices
        )
        return replace(seen, telemetry=replace(seen.telemetry, after=cards))

    log = faulty("time_slicing")
    found = analyse(replace(log, observations=tuple(map(shared, log.observations))))
    assert by_code(found.suspects)["time_slicing"] is Standing.CLEARED


def test_cpus_that_are_pressed_anyway_are_neither_guilty_nor_cleared() -> None:
    """Where some task waits for a core even with one device alone, company's part cannot be told."""

    def busy(seen: Observation) -> Observation:
        samples = tuple(
            replace(s, cpu_pressure=0.98) if isinstance(s, HostSample) else s for s in seen.telemetry.samples
        )
        return replace(seen, telemetry=replace(seen.telemetry, samples=samples))

    log = faulty("cpu")
    found = analyse(replace(log, observations=tuple(map(busy, log.observations))))
    assert by_code(found.suspects)["cpu"] is Standing.UNKNOWN


def test_cores_are_not_suspected_of_what_only_cards_have() -> None:
    """Cores of a host share no PCIe bus and no card's power limit; their CPUs and memory are all that is asked."""
    log = faulty("cpu")
    hosts = tuple(
        replace(host, devices=tuple(replace(device, kind=DeviceKind.CPU) for device in host.devices))
        for host in log.inventory.hosts
    )
    found = analyse(replace(log, inventory=replace(log.inventory, hosts=hosts)))
    assert by_code(found.suspects) == {"cpu": Standing.CAUSE, "dram": Standing.CLEARED}


def test_clocks_that_fell_without_a_sign_accuse_neither_power_nor_heat() -> None:
    """Both limits lower clocks: which of them it was is not told by the clock."""

    def only_clocks(seen: Observation) -> Observation:
        samples = tuple(
            replace(s, violation_power=None, violation_thermal=None) if isinstance(s, DeviceSample) else s
            for s in seen.telemetry.samples
        )
        return replace(seen, telemetry=replace(seen.telemetry, samples=samples))

    log = faulty("power")
    found = analyse(replace(log, observations=tuple(map(only_clocks, log.observations))))
    standings = by_code(found.suspects)
    assert standings["power"] is standings["thermal"] is Standing.UNKNOWN


def test_the_hosts_own_figures_say_nothing_of_an_emulated_machine() -> None:
    """This machine's CPU pressure is not that of the machine that is emulated."""
    emulated = Truth(trial_noise=0.01, task_noise=0.01, dispatch=0.08)
    log = pressed(whole_campaign(FAULTS["bus"][0], emulated))
    with_hosts = tuple(
        replace(
            o,
            telemetry=replace(
                o.telemetry,
                samples=(*o.telemetry.samples, HostSample(host="box", time=o.started, cpu_pressure=0.9)),
            ),
        )
        for o in log.observations
    )
    found = analyse(replace(log, observations=with_hosts))
    assert by_code(found.suspects)["cpu"] is Standing.UNKNOWN
