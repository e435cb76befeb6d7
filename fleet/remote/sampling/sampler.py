"""Takes samples of a host and its devices at a steady beat, and appends them to the spool that is fetched later."""

from __future__ import annotations

import gc
import ipaddress
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import pairwise
from typing import assert_never

from fleet.errors import MeasureError
from fleet.model.inventory import Device, DeviceKind
from fleet.model.samples import AgentSample, DeviceSample, HostSample, Sample
from fleet.model.watch import WatchConfig
from fleet.model.wire import Marked, MissedTicks, NodeConfig, RemoteError, Spooled
from fleet.remote.cores import core_of
from fleet.remote.paths import resolve
from fleet.remote.sampling.cards import Interval, card_columns, card_sample
from fleet.remote.sampling.cgroups import throttled_share
from fleet.remote.sampling.columns import Rows
from fleet.remote.sampling.hostfiles import SLOW_SECONDS
from fleet.remote.sampling.procfs import Busy, Disks, parse_busy, share
from fleet.remote.sampling.sources import Snapshot, Sources
from fleet.remote.sampling.spool import Spool

SHORTEST = 0.1
"""Seconds between samples at least: NVML at 40 Hz was seen to hold the driver's lock most of the time."""
LAST = 3.0
"""Seconds that the end waits for a sample that is being taken: a driver call can hang."""
_CORE_DIGITS = 3


def samples(
    config: NodeConfig | WatchConfig, before: Snapshot, after: Snapshot, allowed: Sequence[int]
) -> list[Sample]:
    """What happened between two snapshots: the host's sample, one of each device, one of each agent's process.

    `allowed`: our cores.
    """
    cards = (card_sample(config.host, *interval) for interval in _intervals(config, before, after))
    return [*_plain_samples(config, before, after, allowed), *cards]


def _plain_samples(
    config: NodeConfig | WatchConfig, before: Snapshot, after: Snapshot, allowed: Sequence[int]
) -> list[Sample]:
    """All of them but those of cards that can be asked."""
    others = (device for device in config.devices if device.name not in after.cards or device.name not in before.cards)
    return [
        host_sample(config.host, config.address, before, after),
        *(_device_sample(config, device, before, after, allowed) for device in others),
        *_agent_samples(config.host, before, after),
    ]


def _intervals(config: NodeConfig | WatchConfig, before: Snapshot, after: Snapshot) -> Iterator[Interval]:
    """What the declared cards told both times."""
    for device in config.devices:
        earlier, later = before.cards.get(device.name), after.cards.get(device.name)
        if earlier is not None and later is not None:
            yield Interval(device.name, after.time, earlier, later, after.xids.get(device.name))


def next_tick(start: float, interval: float, taken: int, now: float) -> tuple[int, int]:
    """(the number of the tick to wait for, how many were missed) after tick `taken`; tick k is at start + k·interval.

    A tick that is due counts as taken late while its interval lasts.
    """
    due = max(taken + 1, int((now - start) // interval))
    return due, due - taken - 1


class Record:
    """A host's snapshots, on their way into its spool: samples are made of all that a second has brought at once.

    `allowed`: as in `samples`. MeasureError as the spool raises it; what could not be written is lost then.
    """

    def __init__(self, config: NodeConfig | WatchConfig, spool: Spool, allowed: Sequence[int]) -> None:
        self._config = config
        self._spool = spool
        self._allowed = allowed
        self._snapshots: list[Snapshot] = []

    def add(self, snapshot: Snapshot) -> None:
        """Take in what there is now; on disk a second later at most."""
        self._snapshots.append(snapshot)
        if snapshot.at - self._snapshots[0].at >= SLOW_SECONDS:
            self.write()

    def write(self, lines: Sequence[Spooled] = ()) -> None:
        """Write down what has happened up to the last snapshot, and whatever else belongs into a spool after it."""
        pairs = list(pairwise(self._snapshots))
        del self._snapshots[:-1]
        plain = [each for pair in pairs for each in _plain_samples(self._config, *pair, self._allowed)]
        cards = [each for pair in pairs for each in _intervals(self._config, *pair)]
        rows = [Rows(DeviceSample, card_columns(self._config.host, cards))] if cards else []
        self._spool.add(plain, lines, rows)


class Sampler:
    """A thread that samples until it is stopped. What goes wrong is reported once, and sampling goes on."""

    def __init__(self, config: NodeConfig, report: Callable[[RemoteError], None]) -> None:
        self._config = config
        self._interval = max(SHORTEST, config.interval)
        self._report = report
        self._reported: set[str] = set()
        self._orders: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        """Begin; the first sample comes one interval later."""
        self._thread.start()

    def mark(self, name: str) -> None:
        """Look at the cards as a whole now, and write down everything up to here, with a mark of that name."""
        self._orders.put(name)

    def stop(self) -> None:
        """End between two samples. When this returns all is in the spool, or `LAST` seconds are over."""
        self._orders.put(None)
        if self._thread.is_alive():
            self._thread.join(LAST)

    def _run(self) -> None:
        config = self._config
        gc.freeze()  # what is here by now stays; the collector, which each tick wakes, need not look at it any more
        sources = Sources(config.host, config.devices, config.work_dir, self._interval, every=False)
        spool = Spool(resolve(config.spool), config.spool_limit)
        record = Record(config, spool, sorted(os.sched_getaffinity(0)))
        start, taken = time.monotonic(), 0
        with self._complaining():
            record.add(sources.snapshot())
        with self._complaining():
            record.write([*sources.states(), *sources.lacks()])
        while True:
            tick, missed = next_tick(start, self._interval, taken, time.monotonic())
            try:
                order = self._orders.get(timeout=max(0.0, start + tick * self._interval - time.monotonic()))
            except queue.Empty:
                pass
            else:
                if order is None:
                    with suppress(MeasureError):
                        record.write()
                    return sources.close()
                with self._complaining():
                    record.write(self._marked(order, sources))
                continue
            with self._complaining():
                record.add(sources.snapshot())
            taken = tick
            lines: list[Spooled] = [*sources.lacks()]
            if missed:
                lines.append(MissedTicks(host=config.host, time=time.time(), count=missed))
            if lines:
                with self._complaining():
                    record.write(lines)

    def _marked(self, name: str, sources: Sources) -> list[Spooled]:
        states = sources.states()
        mark = Marked(host=self._config.host, time=time.time(), name=name)
        return [*states, *sources.lacks(), mark]

    @contextmanager
    def _complaining(self) -> Iterator[None]:
        """What cannot be measured or written within is reported, once."""
        try:
            yield
        except MeasureError as error:
            if error.message not in self._reported:
                self._reported.add(error.message)
                self._report(RemoteError(host=self._config.host, message=error.message, fatal=False))


def host_sample(host: str, address: str, before: Snapshot, after: Snapshot) -> HostSample:
    """What happened on a host between two snapshots; `address` is the one by which the others know it."""
    old, new = before.host.slow, after.host.slow
    seconds, since = new.at - old.at, after.slow_at - before.slow_at
    # All hosts of a machine share its loopback interface: what passes there is nobody's in particular.
    off = None if _loopback(address) else new.traffic
    had, disks, had_disks = old.traffic, new.disks, old.disks
    agents_cpu, agents_memory = (_part(*pair, since) for pair in zip(before.stalls, after.stalls, strict=True))
    return HostSample(
        host=host,
        time=after.time,
        cpu_busy=share(before.host.cpu, after.host.cpu),
        memory_used=new.memory_used,
        cpu_pressure=_part(old.cpu_stalled, new.cpu_stalled, seconds),
        memory_pressure=_part(old.memory_stalled, new.memory_stalled, seconds),
        io_pressure=_part(old.io_stalled, new.io_stalled, seconds),
        runnable=after.host.runnable,
        received=_rate(had.received, off.received, seconds) if off and had else None,
        sent=_rate(had.sent, off.sent, seconds) if off and had else None,
        cores=_cores(old.cores, new.cores) if seconds > 0 else None,
        cpu_full=_part(old.cpu_full, new.cpu_full, seconds),
        memory_full=_part(old.memory_full, new.memory_full, seconds),
        io_full=_part(old.io_full, new.io_full, seconds),
        cpu_throttled=throttled_share(before.throttling, after.throttling),
        memory_total=new.memory_total,
        numa_used=new.numa.used if new.numa else None,
        numa_misses=_rate(old.numa.misses, new.numa.misses, seconds) if old.numa and new.numa else None,
        disk_read=_rate(had_disks.read, disks.read, seconds) if disks and had_disks else None,
        disk_written=_rate(had_disks.written, disks.written, seconds) if disks and had_disks else None,
        disk_busy=_busiest(had_disks, disks, seconds) if disks and had_disks and seconds > 0 else None,
        drops=_rate(had.drops, off.drops, seconds) if off and had else None,
        agents_cpu_pressure=agents_cpu,
        agents_memory_pressure=agents_memory,
    )


def _cores(old: Mapping[str, Busy], new: Mapping[str, Busy]) -> tuple[float, ...] | None:
    """How busy each core was; a core that was switched on or off meanwhile is left out."""
    shares = (share(old.get(name), each) for name, each in new.items())
    return tuple(round(each, _CORE_DIGITS) for each in shares if each is not None) or None


def _busiest(old: Disks, new: Disks, seconds: float) -> float | None:
    parts = (_part(old.busy.get(name), busy, seconds) for name, busy in new.busy.items())
    return max((part for part in parts if part is not None), default=None)


def _agent_samples(host: str, before: Snapshot, after: Snapshot) -> Iterator[AgentSample]:
    seconds = after.slow_at - before.slow_at
    for device, usage in after.usage.items() if seconds > 0 else ():
        for pid in usage.pids:
            old, new = before.processes.get(pid), after.processes.get(pid)
            if new is not None:
                cpu = _rate(old.cpu, new.cpu, seconds) if old else None
                yield AgentSample(host=host, device=device, pid=pid, time=after.time, cpu=cpu, memory_used=new.memory)


def _device_sample(
    config: NodeConfig | WatchConfig, device: Device, before: Snapshot, after: Snapshot, allowed: Sequence[int]
) -> DeviceSample:
    host, name, now = config.host, device.name, after.time
    match device.kind:
        case DeviceKind.CUDA:
            # No figures, but what the driver said when the card was lost.
            return DeviceSample(host=host, device=name, time=now, emulated=False, xids=after.xids.get(name))
        case DeviceKind.EMULATED:
            seconds, old, new = after.at - before.at, before.usage[name], after.usage[name]
            bus = _part(old.bus_seconds_total, new.bus_seconds_total, seconds)
            return DeviceSample(
                host=host,
                device=name,
                time=now,
                emulated=True,
                busy=_part(old.busy_seconds_total, new.busy_seconds_total, seconds),
                bus_busy=None if config.bus is None else bus,
                memory_used=new.memory_used,
            )
        case DeviceKind.CPU:
            core = f"cpu{core_of(name, config.devices, allowed)}"
            old_core, new_core = (parse_busy(each.host.stat, core) for each in (before, after))
            busy, used = share(old_core, new_core), after.usage[name].memory_used
            return DeviceSample(host=host, device=name, time=now, emulated=False, busy=busy, memory_used=used)
        case _:
            assert_never(device.kind)


def _part(before: float | None, after: float | None, seconds: float) -> float | None:
    """The part of an interval that a counter of seconds grew by, 0 to 1."""
    if before is None or after is None or seconds <= 0:
        return None
    return min(1.0, max(0.0, (after - before) / seconds))


def _rate(before: float, after: float, seconds: float) -> float | None:
    """By how much a counter grew each second; None where it was reset."""
    return (after - before) / seconds if seconds > 0 and after >= before else None


@cache
def _loopback(address: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(address).is_loopback
    return False
