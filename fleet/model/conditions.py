"""What telemetry and the trial's own notes say against a trial: the part of the validity gate that is not in the tasks.

What was not recorded speaks against nothing: a device that does not tell its link is not taken for one with a bad link.
Link and clocks are judged under load only, as both go down at idle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import median

from fleet.model.record import Observation
from fleet.model.samples import CardProcess, CardState, DeviceSample
from fleet.units import format_share

HARMLESS_THROTTLE = 0x1 | 0x4
"""NVML throttle bits that do not spoil a trial: idle, and the software power cap (recorded, as it is a setting)."""

POWER_CAP = 0x4
"""The software power cap: clocks are low because the power limit wants them so."""

AT_WORK = 0.5
"""The busy share from which a sample of a device was taken under load."""

SLOW = 0.5
"""Under load no card runs below half of its highest clock unless something holds it there."""

LATE_LIMIT = 0.05
"""Of emulated agents' time, what real arithmetic may take beyond the declared times before a trial is no evidence."""

MPS_SERVER = "nvidia-cuda-mps-server"
"""NVIDIA's program that is on a card beside the clients of its Multi-Process Service, which the driver lists, too."""


def too_late(lateness: float) -> str | None:
    """What speaks against a trial whose emulated devices took this much longer than declared; None where nothing."""
    if lateness <= LATE_LIMIT:
        return None
    behind = f"late: emulated devices were {format_share(lateness)} behind their declared times"
    return f"{behind}; the machine is too busy for this time_scale"


def throttled(observation: Observation) -> int:
    """The harmful throttle bits seen on any of its devices, 0 for none."""
    return _bits(observation) & ~HARMLESS_THROTTLE


def power_capped(observation: Observation) -> bool:
    """Whether the software power cap was seen on any of its devices."""
    return bool(_bits(observation) & POWER_CAP)


def foreign(observation: Observation) -> tuple[str, ...]:
    """Programs of others that computed on its cards, as `box/gpu0: python3 (4711)`."""
    found = [
        f"{card.host}/{card.device}: {process.name or 'a process'} ({process.pid})"
        for card in _cards(observation)
        for process in card.processes or ()
        if intrudes(process)
    ]
    return tuple(dict.fromkeys(found))


def intrudes(process: CardProcess) -> bool:
    """Whether a process that is not ours computes on its card.

    A desktop draws on a card without computing on it; MPS's server only passes on what its clients compute.
    """
    return not process.ours and not process.graphics and (process.name or "").rpartition("/")[2] != MPS_SERVER


def divided(observation: Observation) -> tuple[str, ...]:
    """Cards in MIG mode: to CUDA each of their parts is a card, and the driver tells no card's busy share."""
    return tuple(dict.fromkeys(f"{card.host}/{card.device}" for card in _cards(observation) if card.mig))


def shared_by_mps(observation: Observation) -> Mapping[str, bool]:
    """Whether the agents of each card in use went through MPS, by `box/gpu0`, as the card was seen last."""
    return {f"{card.host}/{card.device}": card.mps for card in _latest(observation) if card.mps is not None}


def narrow_links(observation: Observation) -> tuple[str, ...]:
    """Devices whose link stayed below what card and slot can do while they worked, each with what was seen."""
    lines = []
    for card in _latest(observation):
        loaded = _under_load(observation, card)
        generation = max((s.pcie_generation for s in loaded if s.pcie_generation is not None), default=None)
        width = max((s.pcie_width for s in loaded if s.pcie_width is not None), default=None)
        lines += [
            f"{card.host}/{card.device}: {what} {now} of {most}"
            for what, now, most in (
                ("generation", generation, card.pcie_generation_max),
                ("width", width, card.pcie_width_max),
            )
            if now is not None and most is not None and now < most
        ]
    return tuple(lines)


def lost_cards(observation: Observation) -> tuple[str, ...]:
    """Devices that fell off the bus."""
    return tuple(f"{card.host}/{card.device}" for card in observation.telemetry.after if card.lost)


def driver_errors(observation: Observation) -> tuple[str, ...]:
    """XIDs that the driver reported, as `box/gpu0: XID 79`."""
    found = [f"{s.host}/{s.device}: XID {xid}" for s in _devices(observation) for xid in s.xids or ()]
    return tuple(dict.fromkeys(found))


def memory_errors(observation: Observation) -> tuple[str, ...]:
    """Devices with memory errors that ECC could not correct, counted by the samples or by before and after."""
    sampled: dict[str, int] = {}
    for sample in _devices(observation):
        if sample.ecc_uncorrected:
            name = f"{sample.host}/{sample.device}"
            sampled[name] = sampled.get(name, 0) + sample.ecc_uncorrected
    before = {(card.host, card.device): card.ecc_uncorrected for card in observation.telemetry.before}
    for card in observation.telemetry.after:
        earlier = before.get((card.host, card.device))
        if earlier is not None and card.ecc_uncorrected is not None:
            name = f"{card.host}/{card.device}"
            sampled[name] = max(sampled.get(name, 0), card.ecc_uncorrected - earlier)
    return tuple(f"{name}: {count} uncorrected" for name, count in sorted(sampled.items()) if count > 0)


def slow_clocks(observation: Observation) -> tuple[str, ...]:
    """Devices that worked at less than half of their highest clock although no power cap held them.

    Whether the operator has locked the clocks is said of each.
    """
    if power_capped(observation):
        return ()
    lines = []
    for card in _latest(observation):
        clocks = [s.sm_clock for s in _under_load(observation, card) if s.sm_clock is not None]
        if clocks and card.sm_clock_max and median(clocks) < SLOW * card.sm_clock_max:
            locked = ", where they are locked" if card.clocks_locked else ""
            rate = f"{median(clocks) / 1e6:.0f} of {card.sm_clock_max / 1e6:.0f} MHz"
            lines.append(f"{card.host}/{card.device}: {rate}{locked}")
    return tuple(lines)


def _bits(observation: Observation) -> int:
    bits = 0
    for sample in _devices(observation):
        bits |= sample.throttle or 0
    return bits


def _devices(observation: Observation) -> list[DeviceSample]:
    """The samples of the devices that the trial's layout uses; a long trial has hundreds of thousands."""
    used = set(observation.trial.layout.devices)
    return [s for s in observation.telemetry.samples if isinstance(s, DeviceSample) and (s.host, s.device) in used]


def _cards(observation: Observation) -> Iterator[CardState]:
    """The cards that the trial's layout uses, at its start and at its end."""
    used = set(observation.trial.layout.devices)
    both: Iterable[CardState] = (*observation.telemetry.before, *observation.telemetry.after)
    return (card for card in both if (card.host, card.device) in used)


def _latest(observation: Observation) -> tuple[CardState, ...]:
    """Each card in use once, as it was last seen."""
    return tuple({(card.host, card.device): card for card in _cards(observation)}.values())


def _under_load(observation: Observation, card: CardState) -> list[DeviceSample]:
    return [
        sample
        for sample in _devices(observation)
        if (sample.host, sample.device) == (card.host, card.device) and (sample.busy or 0.0) >= AT_WORK
    ]
