"""Samples from two snapshots, and the beat at which they are taken."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from cluster_values import card, core, host
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.inventory import Device, DeviceKind
from fleet.model.samples import DeviceSample, HostSample, Sample
from fleet.model.wire import Marked, NodeConfig, Spooled
from fleet.remote.prover.state import DeviceUsage
from fleet.remote.sampling import cards
from fleet.remote.sampling.cardcalls import Counts
from fleet.remote.sampling.cards import CardReading
from fleet.remote.sampling.columns import Block, Rows, blocks, own_schema, read_rows, rows_block
from fleet.remote.sampling.procfs import Busy, Reading, Slow, Traffic
from fleet.remote.sampling.sampler import Record, next_tick, samples
from fleet.remote.sampling.sources import Snapshot
from fleet.remote.sampling.spool import Spool


def config(*devices: Device, address: str = "10.0.0.5", bus: float | None = 2e9) -> NodeConfig:
    box = host("box", 0, devices)
    return NodeConfig(
        run="r",
        host="box",
        address=address,
        head=address,
        gcs_port=26000,
        ports=box.ports,
        token="",
        work_dir="/nowhere",
        devices=tuple(devices),
        spool="/nowhere/spool/r.spool",
        bus=bus,
    )


BEFORE = Snapshot(
    at=100.0,
    time=5000.0,
    host=Reading(
        cpu=Busy(busy=0, total=0),
        runnable=1,
        stat="cpu 0 0 0 0 0\ncpu0 0 0 0 0 0\ncpu1 0 0 0 0 0\n",
        slow=Slow(
            at=100.0,
            cores={"cpu0": Busy(busy=0, total=0), "cpu1": Busy(busy=0, total=0)},
            memory_used=10,
            cpu_stalled=1.0,
            io_stalled=0.0,
            traffic=Traffic(received=1000, sent=0),
        ),
    ),
    usage={"gpu0": DeviceUsage(busy_seconds_total=1.0, bus_seconds_total=0.5, memory_used=5), "cpu1": DeviceUsage()},
)
AFTER = Snapshot(
    at=102.0,
    time=5002.0,
    host=Reading(
        cpu=Busy(busy=100, total=400),
        runnable=4,
        stat="cpu 100 0 0 300 0\ncpu0 0 0 0 200 0\ncpu1 100 0 0 100 0\n",
        slow=Slow(
            at=102.0,
            cores={"cpu0": Busy(busy=0, total=200), "cpu1": Busy(busy=100, total=200)},
            memory_used=20,
            cpu_stalled=1.5,
            io_stalled=0.0,
            traffic=Traffic(received=3000, sent=500),
        ),
    ),
    usage={
        "gpu0": DeviceUsage(busy_seconds_total=2.5, bus_seconds_total=0.7, memory_used=9),
        "cpu1": DeviceUsage(memory_used=3),
    },
)


def test_a_hosts_sample_is_the_difference_of_two_readings() -> None:
    (sample,) = samples(config(), BEFORE, AFTER, [0, 1])
    assert sample == HostSample(
        host="box",
        time=5002.0,
        cpu_busy=0.25,
        memory_used=20,
        cpu_pressure=0.25,
        memory_pressure=None,
        io_pressure=0.0,
        runnable=4,
        received=1000.0,
        sent=250.0,
        cores=(0.0, 0.5),
        drops=0.0,
    )


def test_what_is_read_once_a_second_has_no_share_in_between() -> None:
    """None, never 0: nothing was counted in a tick that did not look; what is a state and no count stays."""
    after = AFTER._replace(host=AFTER.host._replace(slow=BEFORE.host.slow))
    (sample,) = samples(config(), BEFORE, after, [0, 1])
    assert isinstance(sample, HostSample)
    assert (sample.cpu_busy, sample.memory_used) == (0.25, 10)
    assert (sample.cpu_pressure, sample.io_pressure, sample.received, sample.drops) == (None, None, None, None)
    assert sample.cores is None


def test_the_agents_own_group_stands_beside_the_host() -> None:
    """Its seconds of waiting are read once a second: between two readings of theirs there is nothing to tell."""
    before = BEFORE._replace(stalls=(3.0, None), slow_at=100.0)
    (sample,) = samples(config(), before, AFTER._replace(stalls=(3.5, 1.0), slow_at=101.0), [0, 1])
    assert isinstance(sample, HostSample)
    assert (sample.cpu_pressure, sample.agents_cpu_pressure, sample.agents_memory_pressure) == (0.25, 0.5, None)
    (sample,) = samples(config(), before, AFTER._replace(stalls=(3.0, None), slow_at=100.0), [0, 1])
    assert isinstance(sample, HostSample)
    assert sample.agents_cpu_pressure is None


def test_an_emulated_device_tells_its_share_of_device_and_bus() -> None:
    _, sample = samples(config(card("gpu0")), BEFORE, AFTER, [0, 1])
    assert isinstance(sample, DeviceSample)
    assert (sample.emulated, sample.busy, sample.memory_used) == (True, 0.75, 9)
    assert sample.bus_busy == pytest.approx(0.1)


def test_without_a_declared_bus_its_share_is_not_available() -> None:
    """None, never 0: nothing is known of it."""
    _, sample = samples(config(card("gpu0"), bus=None), BEFORE, AFTER, [0, 1])
    assert isinstance(sample, DeviceSample)
    assert sample.bus_busy is None


def test_a_core_is_as_busy_as_the_core_its_agents_are_pinned_to() -> None:
    """The second CPU device of a host is the second core that this user may use."""
    devices = (core("cpu0"), core("cpu1"))
    after = AFTER._replace(usage=dict.fromkeys(("cpu0", "cpu1"), DeviceUsage(memory_used=3)))
    before = BEFORE._replace(usage=dict.fromkeys(("cpu0", "cpu1"), DeviceUsage()))
    _, first, second = samples(config(*devices), before, after, [0, 1])
    assert isinstance(first, DeviceSample)
    assert isinstance(second, DeviceSample)
    assert (first.busy, second.busy, second.emulated, second.memory_used) == (0.0, 0.5, False, 3)


def test_a_card_that_the_driver_does_not_have_has_no_figures() -> None:
    device = Device(name="gpu0", kind=DeviceKind.CUDA, model="card")
    _, sample = samples(config(device), BEFORE, AFTER, [0, 1])
    assert sample == DeviceSample(host="box", device="gpu0", time=5002.0, emulated=False)


def test_a_card_that_is_lost_still_has_the_errors_that_the_driver_said_of_it() -> None:
    """XID 79 comes in the tick in which the card is gone; later ticks have none. None: nobody listened."""
    device = Device(name="gpu0", kind=DeviceKind.CUDA, model="card")
    before = BEFORE._replace(cards={"gpu0": told(100.0, 100.0, 0)}, xids={"gpu0": ()})
    gone = AFTER._replace(xids={"gpu0": (79, 154)})
    for earlier, later, xids in ((before, gone, (79, 154)), (gone, AFTER._replace(xids={"gpu0": ()}), ())):
        _, sample = samples(config(device), earlier, later, [0, 1])
        assert sample == DeviceSample(host="box", device="gpu0", time=5002.0, emulated=False, xids=xids)


def test_hosts_on_the_loopback_interface_have_no_traffic_of_their_own() -> None:
    """All of them share it: a rate would be everybody's."""
    (sample,) = samples(config(address="127.0.0.61"), BEFORE, AFTER, [0, 1])
    assert isinstance(sample, HostSample)
    assert (sample.received, sample.sent) == (None, None)


@given(st.floats(0, 1e6), st.floats(0.05, 60), st.integers(0, 1000), st.floats(0, 1e4))
def test_the_beat_never_drifts_and_every_tick_is_taken_or_counted(
    start: float, interval: float, taken: int, late: float
) -> None:
    """The next tick is after the last one taken, it is not over yet, and all between them are counted as missed."""
    now = start + taken * interval + late
    tick, missed = next_tick(start, interval, taken, now)
    assert tick > taken
    assert tick == taken + 1 + missed
    assert start + (tick + 1) * interval > now - 1e-6 * max(1.0, now)


def test_a_sampler_that_was_held_up_says_how_many_samples_are_missing() -> None:
    assert next_tick(0.0, 1.0, 5, 5.1) == (6, 0)
    assert next_tick(0.0, 1.0, 5, 6.4) == (6, 0)
    assert next_tick(0.0, 1.0, 5, 9.4) == (9, 3)


class Kept(Spool):
    """Remembers what would be written each time: when the samples were taken, and the lines after them.

    `read`: the samples as they come back.
    """

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"), 0)
        self.written: list[tuple[list[float], list[Spooled]]] = []
        self.read: list[Sample] = []

    def add(self, samples: Sequence[Sample], lines: Sequence[Spooled] = (), rows: Sequence[Rows] = ()) -> None:
        self.written.append(([each.time for each in samples], list(lines)))
        self.read += read_rows(
            own_schema(),
            next(each.content for each in blocks(rows_block(own_schema(), samples, rows)) if isinstance(each, Block)),
        )


@given(st.floats(0.1, 3.0), st.integers(0, 40), st.floats(0.0, 0.04))
def test_every_interval_is_written_once_and_none_waits_longer_than_a_second(
    interval: float, count: int, late: float
) -> None:
    """However often samples are taken, and though each tick is a little early or late; the first look is no interval.

    What is read each second is written at once.
    """
    kept = Kept()
    record = Record(config(), kept, [0, 1])
    times = [100.0 + tick * interval + late * (tick % 2) for tick in range(count + 1)]
    for at in times:
        written = len(kept.written)
        record.add(BEFORE._replace(at=at, time=at))
        if interval >= 1.0 and at > times[0]:
            assert kept.written[written:] == [([at], [])]
    assert all(found[-1] - found[0] <= 1.0 + 2 * late for found, _ in kept.written)
    record.write()
    assert [each for found, _ in kept.written for each in found] == times[1:]


def test_a_mark_stands_after_everything_up_to_it() -> None:
    """Though the second is not over; and the interval after it begins where the last one ended."""
    kept, mark = Kept(), Marked(host="box", time=100.3, name="end")
    record = Record(config(), kept, [0, 1])
    for at in (100.0, 100.1, 100.2):
        record.add(BEFORE._replace(at=at, time=at))
    record.write([mark])
    record.add(BEFORE._replace(at=100.4, time=100.4))
    record.write()
    assert kept.written == [([100.1, 100.2], [mark]), ([100.4], [])]


def told(at: float, slow_at: float, sent: int | None, *, ecc: int = 0, throughput: float | None = None) -> CardReading:
    """What a card told, whose figures all follow from the time; it counts the bytes that it sends, or does not."""
    slow = cards.Slow(
        slow_at,
        power_limit=450.0,
        temperature=slow_at / 2,
        violations=(int(slow_at * 3e8), None, 0, 0, 0),
        counts=Counts((ecc, 0, None, None), (64, 64, 0, 0)),
    )
    words = (int(at) % 100, None, int(at * 1e6), int(at * 1000), 1980, 4)
    counts = Counts((sent, 7, None, None), (0 if sent is None else 64, 64, 0, 0))
    return CardReading(at, words, counts, slow, (throughput, throughput))


def test_cards_come_back_as_the_samples_that_their_intervals_are() -> None:
    """Though they are written by column: with a slow look between, without one, and after a card is gone.

    A card that was there once only has no figures; one that does not count bytes has its looks at the bus.
    """
    devices = tuple(Device(name=f"gpu{at}", kind=DeviceKind.CUDA, model="card") for at in range(3))
    box, kept = config(*devices), Kept()
    record = Record(box, kept, [0, 1])
    ticks = [
        BEFORE._replace(
            at=100 + at,
            time=5000 + at,
            cards={
                "gpu0": told(100 + at, 100.0 if at < 0.3 else 101.0, int(at * 1e9), ecc=3 if at < 0.3 else 5),
                "gpu1": told(100 + at, 100.0, None, throughput=at),
                **({"gpu2": told(100 + at, 100.0, 10**9 - int(at * 10))} if at < 0.3 else {}),
            },
            xids={"gpu0": (79,) if at == 0.2 else ()},
        )
        for at in (0.0, 0.1, 0.2, 0.3, 0.4)
    ]
    for tick in ticks:
        record.add(tick)
    record.write()
    expected = [each for pair in pairwise(ticks) for each in samples(box, *pair, [0, 1])]
    assert len(kept.read) == len(expected) == 16
    assert all(each in expected for each in kept.read)
    assert [each.ecc_corrected for each in kept.read if isinstance(each, DeviceSample) and each.device == "gpu0"] == [
        None, None, 2, None,
    ]  # fmt: skip
    assert {each.xids for each in kept.read if isinstance(each, DeviceSample)} == {None, (), (79,)}
