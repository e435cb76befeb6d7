"""What a GPU tells at each tick, and the sample that two readings make."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fleet.model.samples import DeviceSample
from fleet.remote.nvml import Call, Card, Count

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
_LARGEST = 2**63 - 1
_NO_UTILISATION = 0xFFFFFFFF

_LANE = {1: 250e6, 2: 500e6, 3: 985e6, 4: 1969e6, 5: 3938e6, 6: 7563e6}
"""Bytes per second of one lane by generation, after its encoding (PCI Express base specification)."""
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

SLOW_SECONDS = 0.95
"""What changes slowly, or only counts, is not asked more often than this, however often the rest is."""

_SLOW: Mapping[str, tuple[Call, ...]] = {
    "power_limit": (("nvmlDeviceGetEnforcedPowerLimit",),),
    "memory_clock": (("nvmlDeviceGetClockInfo", 2),),
    "pcie_generation": (("nvmlDeviceGetCurrPcieLinkGeneration",),),
    "pcie_width": (("nvmlDeviceGetCurrPcieLinkWidth",),),
    **{f"violation_{name}": (("nvmlDeviceGetViolationStatus", number),) for name, number in _POLICIES.items()},
}
_FAST: Mapping[str, tuple[Call, ...]] = {
    "busy": (("nvmlDeviceGetUtilizationRates",),),
    "memory_used": (("nvmlDeviceGetMemoryInfo", 0x02000028), ("nvmlDeviceGetMemoryInfo",)),
    "power": (("nvmlDeviceGetPowerUsage",),),
    "temperature": (("nvmlDeviceGetTemperatureV", 0), ("nvmlDeviceGetTemperature", 0)),
    "sm_clock": (("nvmlDeviceGetClockInfo", 1),),
    "throttle": (("nvmlDeviceGetCurrentClocksEventReasons",), ("nvmlDeviceGetCurrentClocksThrottleReasons",)),
}
"""The newest name of each call first, then what older drivers have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardReading:
    """All that a card told at one time (`at`, monotonic). `counts` by the samples' names; violations in nanoseconds.

    `throughput`: bytes per second received and sent over 20 ms each, where the card was asked and has no counters.
    `slow_at`: when what changes slowly was read (power limit, memory clock, link, violations).
    """

    at: float
    slow_at: float = 0.0
    busy: float | None = None
    memory_busy: float | None = None
    memory_used: int | None = None
    power: float | None = None
    power_limit: float | None = None
    temperature: float | None = None
    sm_clock: float | None = None
    memory_clock: float | None = None
    throttle: int | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    violations: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, Count] = field(default_factory=dict)
    throughput: tuple[float | None, float | None] = (None, None)


def read_card(card: Card, last: CardReading | None = None, *, snapshot: bool = False) -> CardReading:
    """Ask a card everything; what changes slowly only where `last`, the reading before, is not young enough.

    `snapshot`: it may take 40 ms more to look at the bus of a card without byte counters.
    """
    now = time.monotonic()
    told = {name: card.ask(name, *calls) for name, calls in _FAST.items()}
    rates, memory = told["busy"], told["memory_used"]
    counts = card.values(_FIELDS)
    slow = last if last is not None and now - last.slow_at < SLOW_SECONDS else _read_slow(card, now)
    return replace(
        slow,
        at=now,
        busy=_share(None if rates is None else rates.gpu),
        memory_busy=_share(None if rates is None else rates.memory),
        memory_used=_whole(None if memory is None else memory.used),
        power=_scaled(told["power"], _MILLI),
        temperature=_scaled(told["temperature"], 1),
        sm_clock=_scaled(told["sm_clock"], _MHZ),
        throttle=_whole(told["throttle"]),
        counts=counts,
        throughput=_throughput(card) if snapshot and "received" not in counts else (None, None),
    )


def _read_slow(card: Card, now: float) -> CardReading:
    told = {name: card.ask(name, *calls) for name, calls in _SLOW.items()}
    statuses = ((name, told[f"violation_{name}"]) for name in _POLICIES)
    return CardReading(
        at=now,
        slow_at=now,
        power_limit=_scaled(told["power_limit"], _MILLI),
        memory_clock=_scaled(told["memory_clock"], _MHZ),
        pcie_generation=told["pcie_generation"],
        pcie_width=told["pcie_width"],
        violations={name: int(status.violationTime) for name, status in statuses if status is not None},
    )


def card_sample(
    host: str, device: str, now: float, before: CardReading, after: CardReading, xids: tuple[int, ...] | None
) -> DeviceSample:
    """What happened on a card between two readings; `now` in Unix seconds."""
    seconds = after.at - before.at
    ceiling = _ceiling(after)

    def rate(name: str, unit: int = 1) -> float | None:
        count = grown(before.counts.get(name), after.counts.get(name), ceiling * seconds)
        return None if count is None or seconds <= 0 else count * unit / seconds

    def kept_down(name: str) -> float | None:
        old, new, passed = before.violations.get(name), after.violations.get(name), after.slow_at - before.slow_at
        if old is None or new is None or new < old or passed <= 0:
            return None
        return min(1.0, (new - old) * _NANO / passed)

    temperature = after.counts.get("memory_temperature")
    received, sent = rate("received"), rate("sent")
    return DeviceSample(
        host=host,
        device=device,
        time=now,
        emulated=False,
        busy=after.busy,
        memory_busy=after.memory_busy,
        memory_used=after.memory_used,
        power=after.power,
        power_limit=after.power_limit,
        temperature=after.temperature,
        memory_temperature=float(temperature.value) if temperature and temperature.value else None,
        sm_clock=after.sm_clock,
        memory_clock=after.memory_clock,
        throttle=after.throttle,
        violation_power=kept_down("power"),
        violation_thermal=kept_down("thermal"),
        violation_board=kept_down("board"),
        violation_reliability=kept_down("reliability"),
        violation_sync=kept_down("sync"),
        pcie_generation=after.pcie_generation,
        pcie_width=after.pcie_width,
        received=after.throughput[0] if received is None else received,
        sent=after.throughput[1] if sent is None else sent,
        pcie_replays=grown(before.counts.get("pcie_replays"), after.counts.get("pcie_replays")),
        nvlink_received=rate("nvlink_received", _KIB),
        nvlink_sent=rate("nvlink_sent", _KIB),
        ecc_corrected=grown(before.counts.get("ecc_corrected"), after.counts.get("ecc_corrected")),
        ecc_uncorrected=grown(before.counts.get("ecc_uncorrected"), after.counts.get("ecc_uncorrected")),
        xids=xids,
    )


def grown(before: Count | None, after: Count | None, most: float = 0.0) -> int | None:
    """By how much a counter has grown, once round allowed. None where it may have gone round twice, or was reset.

    `most`: the most that it can have grown meanwhile.
    """
    if before is None or after is None or before.bits != after.bits:
        return None
    if after.bits > _NARROW_BITS:
        return after.value - before.value if after.value >= before.value else None
    if most >= 1 << after.bits:
        return None
    return (after.value - before.value) % (1 << after.bits)


def _ceiling(reading: CardReading) -> float:
    """Bytes per second that the card's bus can carry at most, one way."""
    lane = _LANE.get(reading.pcie_generation or 0, max(_LANE.values()))
    return lane * (reading.pcie_width or _WIDEST)


def _throughput(card: Card) -> tuple[float | None, float | None]:
    """Received and sent, each watched for 20 ms (nvmlPcieUtilCounter_t: 1 received, 0 sent; KiB per second)."""
    received = card.ask("received", ("nvmlDeviceGetPcieThroughput", 1))
    sent = card.ask("sent", ("nvmlDeviceGetPcieThroughput", 0))
    return _scaled(received, _KIB), _scaled(sent, _KIB)


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _whole(value: int | None) -> int | None:
    """A number of 64 bits; some drivers answer all ones for what they do not know."""
    return None if value is None or value > _LARGEST else int(value)


def _share(percent: int | None) -> float | None:
    """A percentage as a share; some drivers answer all ones for what they do not know."""
    return None if percent is None or percent == _NO_UTILISATION else min(1.0, percent * _PERCENT)
