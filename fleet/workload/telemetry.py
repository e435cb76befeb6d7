"""Fetches what hosts have sampled during a trial, on the controller's clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fleet.codec.text import Malformed, load_line
from fleet.errors import HostError
from fleet.model.inventory import Host
from fleet.model.record import AgentSample, DeviceSample, HostSample, Sample, Telemetry
from fleet.model.wire import MissedTicks, Spooled
from fleet.ports import Transport
from fleet.transport.fanout import fanout

CHUNK = 2**20
FETCH_LIMIT = 16 * CHUNK
"""Bytes of one host's spool that are read after a trial: a day of samples each second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Samples and missed ticks of one spool from one offset to the next; `unread` lines made no sense."""

    lines: tuple[Sample | MissedTicks, ...]
    offset: int
    unread: int


def parse(data: bytes, offset: int) -> Fetched:
    """The whole lines of a piece of a spool that begins at `offset`. A line cut off at the end is left for later."""
    end = data.rfind(b"\n") + 1
    lines: list[Sample | MissedTicks] = []
    unread = 0
    for text in data[:end].splitlines():
        try:
            lines.append(load_line(Spooled, text))
        except Malformed:
            unread += 1
    return Fetched(lines=tuple(lines), offset=offset + end, unread=unread)


def fetch(transport: Transport, host: Host, path: str, offset: int) -> Fetched:
    """What a host's spool holds from `offset` on. HostError."""
    data = b""
    while len(data) < FETCH_LIMIT:
        piece = transport.get(host, path, offset + len(data), CHUNK)
        data += piece
        if len(piece) < CHUNK:
            break
    return parse(data, offset)


def within(samples: Sequence[Sample], start: float, end: float, interval: float) -> tuple[Sample, ...]:
    """The samples whose whole interval lies in the trial; where it was too short for that, those that touch it."""
    inside = tuple(each for each in samples if start + interval <= each.time <= end)
    return inside or tuple(each for each in samples if start < each.time < end + interval)


class Spools:
    """The spools of a run's hosts, and how far each has been read."""

    def __init__(self, transport: Transport, run: str, offsets: Mapping[str, float], interval: float) -> None:
        self._transport = transport
        self._run = run
        self._clocks = offsets
        self._interval = interval
        self._read: dict[str, int] = {}

    def path(self, host: Host) -> str:
        """Where the host's sampler writes."""
        return f"{host.work_dir}/spool/{self._run}.jsonl"

    def collect(self, hosts: Iterable[Host], start: float, end: float) -> tuple[Telemetry, tuple[HostError, ...]]:
        """The telemetry from `start` to `end` in Unix seconds of the controller, and why some host's is missing."""
        samples: list[Sample] = []
        missed, failures = 0, []
        fetched = fanout(
            lambda host: fetch(self._transport, host, self.path(host), self._read.get(host.name, 0)), tuple(hosts)
        )
        for host, found in fetched:
            if isinstance(found, HostError):
                failures.append(found)
                continue
            self._read[host.name] = found.offset
            clock = self._clocks.get(host.name, 0.0)
            ours = [replace(line, time=line.time - clock) for line in found.lines]
            samples += within([line for line in ours if not isinstance(line, MissedTicks)], start, end, self._interval)
            missed += found.unread
            missed += sum(line.count for line in ours if isinstance(line, MissedTicks) and start <= line.time <= end)
        return Telemetry(samples=tuple(sorted(samples, key=_order)), missed=missed), tuple(failures)


def _order(sample: Sample) -> tuple[float, str, str]:
    match sample:
        case HostSample():
            return sample.time, sample.host, ""
        case DeviceSample():
            return sample.time, sample.host, sample.device
        case AgentSample():
            return sample.time, sample.host, f"{sample.device}#{sample.pid}"
