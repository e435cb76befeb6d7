"""What a run says nothing about is listed, and what was measured is not."""

from __future__ import annotations

from dataclasses import replace

from planted_campaigns import blind, faulty, without

from fleet.analyse import analyse
from fleet.model.inventory import DeviceKind
from fleet.model.record import Observation, RunLog
from fleet.model.samples import CardProcess, CardState, DeviceSample, HostSample
from fleet.model.trial import Experiment

OF_CARDS = ("link", "clocks", "XID", "ECC", "somebody else")


def gaps(log: RunLog) -> str:
    return "\n".join(analyse(log).not_measured)


def real(log: RunLog) -> RunLog:
    """The run as one of real cards."""
    hosts = tuple(
        replace(host, devices=tuple(replace(device, kind=DeviceKind.CUDA) for device in host.devices))
        for host in log.inventory.hosts
    )
    return replace(log, inventory=replace(log.inventory, hosts=hosts))


def told(seen: Observation) -> Observation:
    """The trial with everything told that a card and a host can tell."""
    samples = tuple(
        replace(
            sample,
            power=200.0,
            throttle=0,
            pcie_generation=4,
            sm_clock=1.8e9,
            violation_power=0.0,
            xids=(),
            ecc_uncorrected=0,
        )
        if isinstance(sample, DeviceSample)
        else replace(sample, cpu_busy=0.3, cpu_pressure=0.0)
        if isinstance(sample, HostSample)
        else sample
        for sample in seen.telemetry.samples
    )
    processes = (CardProcess(pid=1, name="agent", ours=True),)
    cards = tuple(
        CardState(host=host, device=device, time=0.0, processes=processes) for host, device in seen.trial.layout.devices
    )
    return replace(seen, telemetry=replace(seen.telemetry, samples=samples, after=cards))


def test_emulated_cards_are_not_missed_for_what_only_real_ones_tell() -> None:
    """One line says that no real device was measured; links and memory errors of emulated ones do not exist."""
    lines = gaps(faulty("bus"))
    assert "any real device" in lines
    assert not any(word in lines for word in OF_CARDS)


def test_real_cards_that_told_nothing_are_missed_in_everything() -> None:
    """Each thing that was not told is a line of its own."""
    lines = gaps(real(blind(faulty("bus"))))
    assert "any real device" not in lines
    assert all(word in lines for word in (*OF_CARDS, "power drawn", "throttling", "buses", "CPU pressure"))


def test_what_was_told_is_not_missed() -> None:
    """With full telemetry only what no trial tells is left, and the candidate that nobody tried."""
    log = real(faulty("bus"))
    lines = analyse(replace(log, observations=tuple(map(told, log.observations)))).not_measured
    assert [line.partition(":")[0] for line in lines] == [
        "far1",
        "round-trip time and bandwidth between the hosts",
    ]


def test_a_measure_that_was_not_taken_and_a_cause_not_shown_are_missed() -> None:
    """Without the trials that explain, both are among the gaps; with them, neither is."""
    assert "several jobs at once" not in gaps(faulty("bus"))
    assert "why tasks take longer" not in gaps(faulty("bus"))
    bare = gaps(without(faulty("bus"), Experiment.MEASURES, Experiment.CAUSE))
    assert "several jobs at once" in bare
    assert "why tasks take longer" in bare
