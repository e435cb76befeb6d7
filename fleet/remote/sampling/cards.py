"""What a GPU tells at each tick, and the sample that two readings make."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from fleet.model.samples import DeviceSample
from fleet.remote.sampling.card import Card
from fleet.remote.sampling.cardcalls import Counts, Questions, Way, Words
from fleet.remote.sampling.hostfiles import SLOW_SECONDS

_MHZ = 1e6
_MILLI = 1e-3
_PERCENT = 0.01
_NANO = 1e-9
_KIB = 1024
_NARROW_BITS = 32
_ALL_LINKS = 0xFFFFFFFF
"""The scope of a field value that is the sum over a card's NVLinks."""

_POLICIES = {"power": 0, "thermal": 1, "sync": 2, "board": 3, "reliability": 5}
"""nvmlPerfPolicyType_t."""
_VIOLATIONS = tuple(f"violation_{name}" for name in _POLICIES)
_NOTHING: Mapping[str, float] = {}
_UNKNOWN: Words = (None, None)
_LARGEST = 2**63 - 1
_NO_UTILISATION = 0xFFFFFFFF

_LANE = {1: 250e6, 2: 500e6, 3: 985e6, 4: 1969e6, 5: 3938e6, 6: 7563e6}
"""Bytes per second of one lane by generation, after its encoding (PCI Express base specification)."""
_FASTEST_LANE = max(_LANE.values())
_WIDEST = 16

_FIELDS: Mapping[str, int | tuple[int, int]] = {
    "ecc_corrected": 3,
    "ecc_uncorrected": 4,
    "memory_temperature": 82,
    "pcie_replays": 94,
    "sent": 197,
    "received": 198,
    "nvlink_sent": (138, _ALL_LINKS),
    "nvlink_received": (139, _ALL_LINKS),
}
"""NVML's field ids: NVML_FI_DEV_ECC_SBE_VOL_TOTAL, …_DBE_VOL_TOTAL, …_MEMORY_TEMP, …_PCIE_REPLAY_COUNTER,
…_PCIE_COUNT_TX_BYTES, …_RX_BYTES, …_NVLINK_THROUGHPUT_DATA_TX, …_RX (KiB)."""

_SLOW: Questions = {
    "power_limit": (Way("nvmlDeviceGetEnforcedPowerLimit", (), "=I"),),
    "memory_clock": (Way("nvmlDeviceGetClockInfo", (2,), "=I"),),
    "pcie_generation": (Way("nvmlDeviceGetCurrPcieLinkGeneration", (), "=I"),),
    "pcie_width": (Way("nvmlDeviceGetCurrPcieLinkWidth", (), "=I"),),
    **{
        f"violation_{name}": (Way("nvmlDeviceGetViolationStatus", (number,), "=8xQ"),)
        for name, number in _POLICIES.items()
    },
}
"""Power limit in milliwatts, clock in MHz; of a violation its nanoseconds, past the reference time."""
_FAST: Questions = {
    "busy": (Way("nvmlDeviceGetUtilizationRates", (), "=II"),),
    "memory_used": (
        Way("nvmlDeviceGetMemoryInfo_v2", (), "=24x8xQ", version=0x02000028),
        Way("nvmlDeviceGetMemoryInfo", (), "=16xQ"),
    ),
    "power": (Way("nvmlDeviceGetPowerUsage", (), "=I"),),
    "temperature": (
        Way("nvmlDeviceGetTemperatureV", (), "=8xi", version=0x0100000C),
        Way("nvmlDeviceGetTemperature", (0,), "=i"),
    ),
    "sm_clock": (Way("nvmlDeviceGetClockInfo", (1,), "=I"),),
    "throttle": (
        Way("nvmlDeviceGetCurrentClocksEventReasons", (), "=Q"),
        Way("nvmlDeviceGetCurrentClocksThrottleReasons", (), "=Q"),
    ),
}
"""nvmlUtilization_t (GPU, memory, in percent), nvmlMemory_v2_t and nvmlMemory_t up to `used` (bytes), milliwatts,
nvmlTemperature_v1_t (°C, of the sensor numbered 0), MHz, bits."""


class Slow(NamedTuple):
    """What changes slowly, read at `at` (monotonic seconds). `violations` in nanoseconds, by the samples' names.

    `ceiling`: bytes per second that the card's bus can carry at most, one way.
    """

    at: float
    power_limit: float | None
    memory_clock: float | None
    pcie_generation: int | None
    pcie_width: int | None
    ceiling: float
    violations: Mapping[str, int]


class CardReading(NamedTuple):
    """All that a card told at one time (`at`, monotonic seconds): `told` as the driver has it, `counts` by name.

    `throughput`: bytes per second received and sent over 20 ms each, where the card was asked and has no counters.
    """

    at: float
    told: Mapping[str, Words]
    counts: Counts
    slow: Slow
    throughput: tuple[float | None, float | None] = (None, None)


def read_card(card: Card, last: CardReading | None = None, *, snapshot: bool = False) -> CardReading:
    """Ask a card everything; what changes slowly only where `last`, the reading before, is not young enough.

    `snapshot`: it may take 40 ms more to look at the bus of a card without byte counters.
    """
    now = time.monotonic()
    told, counts = card.answers(_FAST), card.values(_FIELDS)
    slow = last.slow if last is not None and now - last.slow.at < SLOW_SECONDS else _read_slow(card, now)
    looked = _throughput(card) if snapshot and "received" not in counts.values else (None, None)
    return CardReading(now, told, counts, slow, looked)


def _read_slow(card: Card, now: float) -> Slow:
    told = card.answers(_SLOW)
    generation, width = _whole(told.get("pcie_generation")), _whole(told.get("pcie_width"))
    return Slow(
        at=now,
        power_limit=_scaled(told.get("power_limit"), _MILLI),
        memory_clock=_scaled(told.get("memory_clock"), _MHZ),
        pcie_generation=generation,
        pcie_width=width,
        ceiling=_LANE.get(generation or 0, _FASTEST_LANE) * (width or _WIDEST),
        violations={name: told[name][0] for name in _VIOLATIONS if name in told},
    )


def card_sample(
    host: str, device: str, now: float, before: CardReading, after: CardReading, xids: tuple[int, ...] | None
) -> DeviceSample:
    """What happened on a card between two readings; `now` in Unix seconds."""
    told, slow, old, new = after.told, after.slow, before.counts, after.counts
    seconds = after.at - before.at
    most = slow.ceiling * seconds
    busy, memory_busy = told.get("busy", _UNKNOWN)
    received, sent = _rate(grown(old, new, "received", most), seconds), _rate(grown(old, new, "sent", most), seconds)
    temperature = new.values.get("memory_temperature")
    down = _violations(before.slow, slow)
    return DeviceSample(
        host=host,
        device=device,
        time=now,
        emulated=False,
        busy=_share(busy),
        memory_busy=_share(memory_busy),
        memory_used=_whole(told.get("memory_used")),
        power=_scaled(told.get("power"), _MILLI),
        power_limit=slow.power_limit,
        temperature=_scaled(told.get("temperature"), 1),
        memory_temperature=float(temperature) if temperature else None,
        sm_clock=_scaled(told.get("sm_clock"), _MHZ),
        memory_clock=slow.memory_clock,
        throttle=_whole(told.get("throttle")),
        violation_power=down.get("violation_power"),
        violation_thermal=down.get("violation_thermal"),
        violation_board=down.get("violation_board"),
        violation_reliability=down.get("violation_reliability"),
        violation_sync=down.get("violation_sync"),
        pcie_generation=slow.pcie_generation,
        pcie_width=slow.pcie_width,
        received=after.throughput[0] if received is None else received,
        sent=after.throughput[1] if sent is None else sent,
        pcie_replays=grown(old, new, "pcie_replays"),
        nvlink_received=_rate(grown(old, new, "nvlink_received"), seconds, _KIB),
        nvlink_sent=_rate(grown(old, new, "nvlink_sent"), seconds, _KIB),
        ecc_corrected=grown(old, new, "ecc_corrected"),
        ecc_uncorrected=grown(old, new, "ecc_uncorrected"),
        xids=xids,
    )


def _rate(count: int | None, seconds: float, unit: int = 1) -> float | None:
    return None if count is None or seconds <= 0 else count * unit / seconds


def _violations(before: Slow, after: Slow) -> Mapping[str, float]:
    """The share of the time between two readings that each violation counter grew by; none in a tick without them."""
    passed = after.at - before.at
    if passed <= 0:
        return _NOTHING
    grew = ((name, before.violations.get(name), new) for name, new in after.violations.items())
    return {name: min(1.0, (new - old) * _NANO / passed) for name, old, new in grew if old is not None and new >= old}


def grown(before: Counts, after: Counts, name: str, most: float = 0.0) -> int | None:
    """By how much a counter has grown, once round allowed. None where it may have gone round twice, or was reset.

    `most`: the most that it can have grown meanwhile.
    """
    old, new = before.values.get(name), after.values.get(name)
    if old is None or new is None:
        return None
    bits = after.bits[name]
    if before.bits is not after.bits and bits != before.bits[name]:
        return None
    if new >= old and bits > _NARROW_BITS:
        return new - old
    if bits > _NARROW_BITS or most >= 1 << bits:
        return None
    return (new - old) % (1 << bits)


def _throughput(card: Card) -> tuple[float | None, float | None]:
    """Received and sent, each watched for 20 ms (nvmlPcieUtilCounter_t: 1 received, 0 sent; KiB per second)."""
    received = card.ask("received", ("nvmlDeviceGetPcieThroughput", 1))
    sent = card.ask("sent", ("nvmlDeviceGetPcieThroughput", 0))
    return _scaled(None if received is None else (received,), _KIB), _scaled(None if sent is None else (sent,), _KIB)


def _scaled(words: Words | None, factor: float) -> float | None:
    return None if words is None else float(words[0] * factor)


def _whole(words: Words | None) -> int | None:
    """A number of 64 bits; some drivers answer all ones for what they do not know."""
    return None if words is None or words[0] > _LARGEST else int(words[0])


def _share(percent: int | None) -> float | None:
    """A percentage as a share; some drivers answer all ones for what they do not know."""
    return None if percent is None or percent == _NO_UTILISATION else min(1.0, percent * _PERCENT)
