"""What a GPU tells at each tick, and the sample that two readings make."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from fleet.model.samples import DeviceSample
from fleet.remote.sampling.card import Card
from fleet.remote.sampling.cardcalls import NO_COUNTS, Counts, Fields, Questions, Way, Words
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
_NO_GROWTH: Mapping[str, int] = {}
_UNKNOWN: Words = (None, None)
_LARGEST = 2**63 - 1
_NO_UTILISATION = 0xFFFFFFFF

_LANE = {1: 250e6, 2: 500e6, 3: 985e6, 4: 1969e6, 5: 3938e6, 6: 7563e6}
"""Bytes per second of one lane by generation, after its encoding (PCI Express base specification)."""
_FASTEST_LANE = max(_LANE.values())
_WIDEST = 16

_FIELDS: Fields = {
    "sent": 197,
    "received": 198,
    "nvlink_sent": (138, _ALL_LINKS),
    "nvlink_received": (139, _ALL_LINKS),
}
"""NVML's field ids: NVML_FI_DEV_PCIE_COUNT_TX_BYTES, …_RX_BYTES, …_NVLINK_THROUGHPUT_DATA_TX, …_RX (KiB)."""
_BUS = frozenset({"sent", "received"})
_UNITS = {"sent": 1, "received": 1, "nvlink_sent": _KIB, "nvlink_received": _KIB}

_SLOW_FIELDS: Fields = {"ecc_corrected": 3, "ecc_uncorrected": 4, "memory_temperature": 82, "pcie_replays": 94}
"""NVML_FI_DEV_ECC_SBE_VOL_TOTAL, …_DBE_VOL_TOTAL, …_MEMORY_TEMP, …_PCIE_REPLAY_COUNTER."""

_SLOW: Questions = {
    "power_limit": (Way("nvmlDeviceGetEnforcedPowerLimit", (), "=I"),),
    "memory_clock": (Way("nvmlDeviceGetClockInfo", (2,), "=I"),),
    "temperature": (
        Way("nvmlDeviceGetTemperatureV", (), "=8xi", version=0x0100000C),
        Way("nvmlDeviceGetTemperature", (0,), "=i"),
    ),
    "pcie_generation": (Way("nvmlDeviceGetCurrPcieLinkGeneration", (), "=I"),),
    "pcie_width": (Way("nvmlDeviceGetCurrPcieLinkWidth", (), "=I"),),
    **{
        f"violation_{name}": (Way("nvmlDeviceGetViolationStatus", (number,), "=8xQ"),)
        for name, number in _POLICIES.items()
    },
}
"""Power limit in milliwatts, clock in MHz, nvmlTemperature_v1_t (°C, of the sensor numbered 0); of a violation its
nanoseconds, past the reference time."""
_FAST: Questions = {
    "busy": (Way("nvmlDeviceGetUtilizationRates", (), "=II"),),
    "memory_used": (
        Way("nvmlDeviceGetMemoryInfo_v2", (), "=24x8xQ", version=0x02000028),
        Way("nvmlDeviceGetMemoryInfo", (), "=16xQ"),
    ),
    "power": (Way("nvmlDeviceGetPowerUsage", (), "=I"),),
    "sm_clock": (Way("nvmlDeviceGetClockInfo", (1,), "=I"),),
    "throttle": (
        Way("nvmlDeviceGetCurrentClocksEventReasons", (), "=Q"),
        Way("nvmlDeviceGetCurrentClocksThrottleReasons", (), "=Q"),
    ),
}
"""nvmlUtilization_t (GPU, memory, in percent), nvmlMemory_v2_t and nvmlMemory_t up to `used` (bytes), milliwatts,
MHz, bits."""

Xids = tuple[int, ...] | None
"""The driver's error numbers between two readings; None = nobody listened."""


class Slow(NamedTuple):
    """What changes slowly, read at `at` (monotonic seconds). `violations` in nanoseconds, by the samples' names.

    `ceiling`: bytes per second that the card's bus can carry at most, one way. `counts`: what seldom happens.
    """

    at: float
    power_limit: float | None = None
    memory_clock: float | None = None
    temperature: float | None = None
    memory_temperature: float | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    ceiling: float = _FASTEST_LANE * _WIDEST
    violations: Mapping[str, int] = _NO_GROWTH
    counts: Counts = NO_COUNTS


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
    told, counts = card.answers(_SLOW), card.values(_SLOW_FIELDS)
    generation, width = _whole(told.get("pcie_generation")), _whole(told.get("pcie_width"))
    memory_temperature = counts.values.get("memory_temperature")
    return Slow(
        at=now,
        power_limit=_scaled(told.get("power_limit"), _MILLI),
        memory_clock=_scaled(told.get("memory_clock"), _MHZ),
        temperature=_scaled(told.get("temperature"), 1),
        memory_temperature=float(memory_temperature) if memory_temperature else None,
        pcie_generation=generation,
        pcie_width=width,
        ceiling=_LANE.get(generation or 0, _FASTEST_LANE) * (width or _WIDEST),
        violations={name: told[name][0] for name in _VIOLATIONS if name in told},
        counts=counts,
    )


def card_sample(
    host: str, device: str, now: float, before: CardReading, after: CardReading, xids: Xids
) -> DeviceSample:
    """What happened on a card between two readings; `now` in Unix seconds."""
    told, slow = after.told, after.slow
    busy, memory_busy = told.get("busy", _UNKNOWN)
    traffic, seldom, held = _traffic(before, after), _seldom(before.slow, slow), _violations(before.slow, slow)
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
        temperature=slow.temperature,
        memory_temperature=slow.memory_temperature,
        sm_clock=_scaled(told.get("sm_clock"), _MHZ),
        memory_clock=slow.memory_clock,
        throttle=_whole(told.get("throttle")),
        violation_power=held.get("violation_power"),
        violation_thermal=held.get("violation_thermal"),
        violation_board=held.get("violation_board"),
        violation_reliability=held.get("violation_reliability"),
        violation_sync=held.get("violation_sync"),
        pcie_generation=slow.pcie_generation,
        pcie_width=slow.pcie_width,
        received=traffic.get("received", after.throughput[0]),
        sent=traffic.get("sent", after.throughput[1]),
        pcie_replays=seldom.get("pcie_replays"),
        nvlink_received=traffic.get("nvlink_received"),
        nvlink_sent=traffic.get("nvlink_sent"),
        ecc_corrected=seldom.get("ecc_corrected"),
        ecc_uncorrected=seldom.get("ecc_uncorrected"),
        xids=xids,
    )


def _traffic(before: CardReading, after: CardReading) -> Mapping[str, float]:
    """Bytes per second over bus and NVLinks, by the samples' names."""
    seconds = after.at - before.at
    if seconds <= 0:
        return _NO_GROWTH
    grew = growth(before.counts, after.counts, after.slow.ceiling * seconds)
    return {name: count * _UNITS[name] / seconds for name, count in grew.items()}


def _seldom(before: Slow, after: Slow) -> Mapping[str, int]:
    """How often between two readings what seldom happens did; nothing in a tick that did not ask."""
    return growth(before.counts, after.counts) if after.at > before.at else _NO_GROWTH


def _violations(before: Slow, after: Slow) -> Mapping[str, float]:
    """The share of the time between two readings that each violation counter grew by; none in a tick without them."""
    passed = after.at - before.at
    if passed <= 0:
        return _NO_GROWTH
    grew = ((name, before.violations.get(name), new) for name, new in after.violations.items())
    return {name: min(1.0, (new - old) * _NANO / passed) for name, old, new in grew if old is not None and new >= old}


def growth(before: Counts, after: Counts, most: float = 0.0) -> Mapping[str, int]:
    """By how much each counter has grown, once round allowed; `most`: bytes that the bus can have carried meanwhile.

    Left out: what may have gone round twice, was reset, or is of another width than before.
    """
    found = {}
    for name, new in after.values.items():
        old, bits = before.values.get(name), after.bits[name]
        if old is None or bits != before.bits[name]:
            continue
        if bits > _NARROW_BITS:
            if new >= old:
                found[name] = new - old
        elif name not in _BUS or most < 1 << bits:
            found[name] = (new - old) % (1 << bits)
    return found


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
