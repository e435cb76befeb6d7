"""What telemetry says of one host during an arm's trials: pressure, links, power. None = nothing was recorded.

An emulated device's host is this machine, whose own figures say nothing about the machine that is emulated: what hosts
tell counts only in trials that are not emulated, what devices tell of themselves always does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from statistics import fmean

from fleet.analyse.evidence.arms import Arm
from fleet.model.samples import DeviceSample, HostSample

LANE = {1: 0.25e9, 2: 0.5e9, 3: 0.985e9, 4: 1.969e9, 5: 3.938e9, 6: 7.563e9}
"""Bytes per second of one PCIe lane in one direction, by generation, after line coding (PCI-SIG)."""

FRAMES = 0.85
"""The share of a lane that is left for payload (decision.md, step 5)."""

_HostReader = Callable[[HostSample], float | None]
_DeviceReader = Callable[[DeviceSample], float | None]


def of_host(arm: Arm | None, host: str, read: _HostReader) -> float | None:
    """The mean of a figure of the host over the arm's trials."""
    samples = (s for s in _samples(arm, host) if isinstance(s, HostSample))
    return _mean(read(sample) for sample in samples)


def of_devices(arm: Arm | None, host: str, read: _DeviceReader) -> float | None:
    """The mean of a figure of the host's devices that the arm uses, over its trials."""
    used = set(arm.layout.devices) if arm else set()
    samples = (s for s in _samples(arm, host) if isinstance(s, DeviceSample) and (s.host, s.device) in used)
    return _mean(read(sample) for sample in samples)


def all_share(arm: Arm, host: str) -> bool | None:
    """Whether agents of a device run side by side by MPS on every card of the host that the arm uses."""
    used = set(arm.layout.devices)
    told = [
        card.mps
        for trial in arm.trials
        for card in trial.telemetry.after
        if card.host == host and (card.host, card.device) in used and card.mps is not None
    ]
    return all(told) if told else None


def link_load(sample: DeviceSample) -> float | None:
    """Bytes over the link in its busier direction ÷ what its lanes carry as they are now."""
    rates = [rate for rate in (sample.received, sample.sent) if rate is not None]
    lane = LANE.get(sample.pcie_generation or 0)
    if not rates or lane is None or not sample.pcie_width:
        return None
    return max(rates) / (lane * sample.pcie_width * FRAMES)


def _samples(arm: Arm | None, host: str) -> Iterator[HostSample | DeviceSample]:
    for trial in arm.trials if arm else ():
        for sample in trial.telemetry.samples:
            if isinstance(sample, HostSample) and sample.host == host and not trial.emulated:
                yield sample
            if isinstance(sample, DeviceSample) and sample.host == host:
                yield sample


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
