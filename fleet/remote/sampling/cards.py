"""What a GPU tells at each tick, and the samples that its readings make."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from fleet.model.samples import DeviceSample
from fleet.remote.sampling.card import Card
from fleet.remote.sampling.cardcalls import Counts, Fields, Questions, Way, Words, no_counts
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
_LARGEST = 2**63 - 1
_NO_UTILISATION = 0xFFFFFFFF

_LANE = {1: 250e6, 2: 500e6, 3: 985e6, 4: 1969e6, 5: 3938e6, 6: 7563e6}
"""Bytes per second of one lane by generation, after its encoding (PCI Express base specification)."""
_FASTEST = "pcie_generation_max", ("nvmlDeviceGetMaxPcieLinkGeneration",)
_FASTEST_LANE = max(_LANE.values())
_WIDEST = 16

_FIELDS: Fields = {
    "sent": 197,
    "received": 198,
    "nvlink_sent": (138, _ALL_LINKS),
    "nvlink_received": (139, _ALL_LINKS),
}
"""NVML's field ids: NVML_FI_DEV_PCIE_COUNT_TX_BYTES, …_RX_BYTES, …_NVLINK_THROUGHPUT_DATA_TX, …_RX (KiB)."""
_UNITS = (1, 1, _KIB, _KIB)
"""Bytes that one of these counts, in their order."""

_SLOW_FIELDS: Fields = {"ecc_corrected": 3, "ecc_uncorrected": 4, "pcie_replays": 94, "memory_temperature": 82}
"""NVML_FI_DEV_ECC_SBE_VOL_TOTAL, …_DBE_VOL_TOTAL, …_PCIE_REPLAY_COUNTER, …_MEMORY_TEMP."""
_SELDOM = tuple(_SLOW_FIELDS)[:-1]
_NO_TRAFFIC, _NO_SELDOM, _NO_VIOLATIONS = ((None,) * len(names) for names in (_FIELDS, _SELDOM, _VIOLATIONS))

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
    """What changes slowly, read at `at` (monotonic seconds). `violations` in nanoseconds, in the order of policies.

    `lane`: bytes per second that one lane of the card's bus can carry at most, one way, in whatever generation it runs
    now: an idle link wakes up within a tick. `counts`: what seldom happens.
    """

    at: float
    power_limit: float | None = None
    memory_clock: float | None = None
    temperature: float | None = None
    memory_temperature: float | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    lane: float = _FASTEST_LANE
    violations: Words = _NO_VIOLATIONS
    counts: Counts = no_counts(_SLOW_FIELDS)


_STATES = Slow._fields[1:7]
_states = attrgetter(*_STATES)


class CardReading(NamedTuple):
    """All that a card told at one time (`at`, monotonic seconds): `told` as the driver has it, `counts` of `_FIELDS`.

    `throughput`: bytes per second received and sent over 20 ms each, where the card was asked and has no counters.
    """

    at: float
    told: Words
    counts: Counts
    slow: Slow
    throughput: tuple[float | None, float | None] = (None, None)

    @property
    def counted(self) -> bool:
        """Whether the card counts the bytes over its bus."""
        return self.counts.values[1] is not None


class Interval(NamedTuple):
    """Two readings of a card, one after the other; `time` of the later one in Unix seconds."""

    device: str
    time: float
    before: CardReading
    after: CardReading
    xids: Xids


def read_card(card: Card, last: CardReading | None = None, *, snapshot: bool = False) -> CardReading:
    """Ask a card everything; what changes slowly only where `last`, the reading before, is not young enough.

    `snapshot`: it may take 40 ms more to look at the bus of a card without byte counters.
    """
    now = time.monotonic()
    told, counts = card.answers(_FAST), card.values(_FIELDS)
    slow = last.slow if last is not None and now - last.slow.at < SLOW_SECONDS else _read_slow(card, now, last)
    reading = CardReading(now, told, counts, slow)
    return reading._replace(throughput=_throughput(card)) if snapshot and not reading.counted else reading


def _read_slow(card: Card, now: float, last: CardReading | None) -> Slow:
    limit, clock, temperature, generation, width, *violations = card.answers(_SLOW)
    counts = card.values(_SLOW_FIELDS)
    memory_temperature = counts.values[-1]
    return Slow(
        at=now,
        power_limit=_scaled(limit, _MILLI),
        memory_clock=_scaled(clock, _MHZ),
        temperature=_scaled(temperature, 1),
        memory_temperature=float(memory_temperature) if memory_temperature else None,
        pcie_generation=_whole(generation),
        pcie_width=_whole(width),
        lane=last.slow.lane if last else _LANE.get(card.ask(*_FASTEST) or 0, _FASTEST_LANE),
        violations=tuple(violations),
        counts=counts,
    )


def card_sample(
    host: str, device: str, now: float, before: CardReading, after: CardReading, xids: Xids
) -> DeviceSample:
    """What happened on a card between two readings; `now` in Unix seconds."""
    columns = card_columns(host, [Interval(device, now, before, after, xids)])
    make: Any = DeviceSample
    return make(**{name: value for name, (value,) in columns.items()})  # type: ignore[no-any-return]


def card_columns(host: str, intervals: Sequence[Interval]) -> Mapping[str, Sequence[Any]]:
    """The samples of one or more intervals of a host's cards by column, as `DeviceSample` names them.

    To make a sample of each would take as long as all the rest.
    """
    devices, times, before, after, xids = zip(*intervals, strict=True)
    busy, memory_busy, memory_used, power, sm_clock, throttle = zip(*(each.told for each in after), strict=True)
    sent, received, nvlink_sent, nvlink_received = _columns(map(_traffic, before, after))
    looked_received, looked_sent = zip(*(each.throughput for each in after), strict=True)
    slow = [(old.slow, new.slow) for old, new in zip(before, after, strict=True)]
    return {
        "host": [host] * len(intervals),
        "device": devices,
        "time": times,
        "emulated": [False] * len(intervals),
        "busy": [_share(each) for each in busy],
        "memory_busy": [_share(each) for each in memory_busy],
        "memory_used": [_whole(each) for each in memory_used],
        "power": [_scaled(each, _MILLI) for each in power],
        "sm_clock": [_scaled(each, _MHZ) for each in sm_clock],
        "throttle": [_whole(each) for each in throttle],
        "received": _first(received, looked_received),
        "sent": _first(sent, looked_sent),
        "nvlink_received": nvlink_received,
        "nvlink_sent": nvlink_sent,
        "xids": xids,
        **dict(zip(_STATES, _columns(_states(new) for _, new in slow), strict=True)),
        **dict(zip(_VIOLATIONS, _columns(_violations(*pair) for pair in slow), strict=True)),
        **dict(zip(_SELDOM, _columns(_seldom(*pair) for pair in slow), strict=True)),
    }


def _columns(rows: Iterable[Sequence[Any]]) -> Iterable[tuple[Any, ...]]:
    return zip(*rows, strict=True)


def _first(wanted: Sequence[float | None], otherwise: Sequence[float | None]) -> list[float | None]:
    return [one if one is not None else other for one, other in zip(wanted, otherwise, strict=True)]


def _traffic(before: CardReading, after: CardReading) -> Sequence[float | None]:
    """Bytes per second over bus and NVLinks, in the order of `_FIELDS`."""
    seconds = after.at - before.at
    if seconds <= 0:
        return _NO_TRAFFIC
    most = after.slow.lane * (after.slow.pcie_width or _WIDEST) * seconds
    grew = growth(before.counts, after.counts, (most, most, 0.0, 0.0))
    return [None if count is None else count * unit / seconds for count, unit in zip(grew, _UNITS, strict=True)]


def _seldom(before: Slow, after: Slow) -> Sequence[int | None]:
    """How often between two readings what seldom happens did; nothing in a tick that did not ask."""
    return growth(before.counts, after.counts)[: len(_SELDOM)] if after.at > before.at else _NO_SELDOM


def _violations(before: Slow, after: Slow) -> Sequence[float | None]:
    """The share of the time between two readings that each violation counter grew by; none in a tick without them."""
    passed = after.at - before.at
    if passed <= 0:
        return _NO_VIOLATIONS
    return [
        None if old is None or new is None or new < old else min(1.0, (new - old) * _NANO / passed)
        for old, new in zip(before.violations, after.violations, strict=True)
    ]


def growth(before: Counts, after: Counts, most: Sequence[float] = ()) -> Sequence[int | None]:
    """By how much each counter has grown; `most`: what each can have grown by, 0 where that is not known.

    A narrow one may go round once, where it is known that it cannot have done so twice. None: it may have gone round
    twice, was reset, or is of another width than before.
    """
    found: list[int | None] = []
    for old, had, new, bits, limit in zip(*before, *after, most or (0.0,) * len(after.bits), strict=True):
        if old is None or new is None or bits != had:
            found.append(None)
        elif bits > _NARROW_BITS or not limit:
            found.append(new - old if new >= old else None)
        else:
            found.append((new - old) % (1 << bits) if limit < 1 << bits else None)
    return found


def _throughput(card: Card) -> tuple[float | None, float | None]:
    """Received and sent, each watched for 20 ms (nvmlPcieUtilCounter_t: 1 received, 0 sent; KiB per second)."""
    received = card.ask("received", ("nvmlDeviceGetPcieThroughput", 1))
    sent = card.ask("sent", ("nvmlDeviceGetPcieThroughput", 0))
    return _scaled(received, _KIB), _scaled(sent, _KIB)


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else float(value * factor)


def _whole(value: int | None) -> int | None:
    """A number of 64 bits; some drivers answer all ones for what they do not know."""
    return None if value is None or value > _LARGEST else value


def _share(percent: int | None) -> float | None:
    """A percentage as a share; some drivers answer all ones for what they do not know."""
    return None if percent is None or percent == _NO_UTILISATION else min(1.0, percent * _PERCENT)
