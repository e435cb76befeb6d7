"""Fetches what hosts have sampled during a trial, on the controller's clock."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fleet.codec.text import Malformed, load_line
from fleet.errors import HostError
from fleet.model.inventory import Host
from fleet.model.samples import AgentSample, CardState, DeviceSample, HostSample, Lack, Sample, Telemetry
from fleet.model.wire import Marked, MissedTicks, Spooled
from fleet.ports import Transport
from fleet.remote.sampling.columns import Block, Damaged, Kind, Schema, blocks, read_rows, read_schema
from fleet.transport.fanout import fanout

CHUNK = 2**20
FETCH_LIMIT = 16 * CHUNK
"""Bytes of one host's spool that are read after a trial: several days of samples each second."""
MARK_SECONDS = 1.0
"""So long a host that samples may take to write down what it has up to a mark."""
_INTERVAL, _QUICK_INTERVAL = 1.0, 0.25
_POLL = 0.05


def interval_of(time_scale: float) -> float:
    """Seconds between samples: fewer where time is scaled, as trials take seconds then."""
    return _INTERVAL if time_scale == 1 else _QUICK_INTERVAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a spool holds from one offset to the next; `schema` is that of its rows from there on.

    `unread`: how many blocks or lines made no sense.
    """

    lines: tuple[Spooled, ...]
    offset: int
    schema: Schema
    unread: int = 0


def parse(data: bytes, offset: int, schema: Schema = ()) -> Fetched:
    """The whole blocks of a piece of a spool that begins at `offset`. A block cut off at the end is left for later."""
    lines: list[Spooled] = []
    end = unread = 0
    for found in blocks(data):
        if not isinstance(found, Block):
            end, unread = end + found, unread + 1
            continue
        end = found.end
        texts = found.content.splitlines() if found.kind is Kind.LINES else []
        try:
            if found.kind is Kind.SCHEMA:
                schema = read_schema(found.content)
            elif found.kind is Kind.ROWS:
                lines += read_rows(schema, found.content)
        except Damaged:
            unread += 1
        for text in texts:
            try:
                lines.append(load_line(Spooled, text))
            except Malformed:
                unread += 1
    return Fetched(lines=tuple(lines), offset=offset + end, schema=schema, unread=unread)


def fetch(transport: Transport, host: Host, path: str, offset: int, schema: Schema = ()) -> Fetched:
    """What a host's spool holds from `offset` on. HostError."""
    data = b""
    while len(data) < FETCH_LIMIT:
        piece = transport.get(host, path, offset + len(data), CHUNK)
        data += piece
        if len(piece) < CHUNK:
            break
    return parse(data, offset, schema)


def within(samples: Sequence[Sample], start: float, end: float, interval: float) -> tuple[Sample, ...]:
    """The samples whose whole interval lies in the trial; where it was too short for that, those that touch it."""
    inside = tuple(each for each in samples if start + interval <= each.time <= end)
    return inside or tuple(each for each in samples if start < each.time < end + interval)


class Spools:
    """The spools of a run's hosts: how far each has been read, and what its cards were like until then."""

    def __init__(self, transport: Transport, run: str, offsets: Mapping[str, float], interval: float) -> None:
        self._transport = transport
        self._run = run
        self._clocks = offsets
        self._interval = interval
        self._read: dict[str, Fetched] = {}
        self._states: dict[str, list[CardState]] = {}
        self._lacks: dict[str, list[Lack]] = {}

    def path(self, host: Host) -> str:
        """Where the host's sampler writes."""
        return f"{host.work_dir}/spool/{self._run}.spool"

    def collect(
        self, hosts: Iterable[Host], start: float, end: float, mark: str | None = None
    ) -> tuple[Telemetry, tuple[HostError, ...]]:
        """The telemetry from `start` to `end` in Unix seconds of the controller, and why some host's is missing.

        `mark`: the hosts were told to mark their spools so; a host that samples is given a second to do it.
        """
        samples: list[Sample] = []
        before, after, lacks = [], [], []
        missed, failures = 0, []
        for host, found in fanout(lambda host: self._fetch(host, mark), tuple(hosts)):
            if isinstance(found, HostError):
                failures.append(found)
                continue
            ours = [replace(line, time=line.time - self._clocks.get(host.name, 0.0)) for line in found.lines]
            samples += within([each for each in ours if isinstance(each, Sample)], start, end, self._interval)
            missed += found.unread
            missed += sum(line.count for line in ours if isinstance(line, MissedTicks) and start <= line.time <= end)
            states = self._states.setdefault(host.name, [])
            states += [line for line in ours if isinstance(line, CardState)]
            before += _nearest(states, start, ahead=False)
            after += _nearest(states, end, ahead=True)
            known = self._lacks.setdefault(host.name, [])
            known += [line for line in ours if isinstance(line, Lack)]
            lacks += known
        telemetry = Telemetry(
            samples=tuple(sorted(samples, key=_order)),
            missed=missed,
            before=tuple(before),
            after=tuple(after),
            lacks=tuple(lacks),
        )
        return telemetry, tuple(failures)

    def _fetch(self, host: Host, mark: str | None) -> Fetched:
        """Everything that is new in a host's spool, up to the mark. HostError."""
        last = self._read.get(host.name, Fetched(lines=(), offset=0, schema=()))
        lines: tuple[Spooled, ...] = ()
        unread, until = 0, time.monotonic() + MARK_SECONDS
        while True:
            last = fetch(self._transport, host, self.path(host), last.offset, last.schema)
            lines, unread = (*lines, *last.lines), unread + last.unread
            marked = mark is None or any(isinstance(line, Marked) and line.name == mark for line in last.lines)
            # A spool without a schema has no sampler behind it that could mark it.
            if marked or not last.schema or time.monotonic() > until:
                break
            time.sleep(_POLL)
        self._read[host.name] = replace(last, lines=())
        return replace(last, lines=lines, unread=unread)


def _nearest(states: Sequence[CardState], at: float, *, ahead: bool) -> list[CardState]:
    """Of each card the first state from `at` on, or (not `ahead`) the last until then; else the nearest there is."""
    found: dict[str, CardState] = {}
    for device in dict.fromkeys(state.device for state in states):
        own = [state for state in states if state.device == device]
        if ahead:
            found[device] = next((state for state in own if state.time >= at), own[-1])
        else:
            found[device] = next((state for state in reversed(own) if state.time <= at), own[0])
    return list(found.values())


def _order(sample: Sample) -> tuple[float, str, str]:
    match sample:
        case HostSample():
            return sample.time, sample.host, ""
        case DeviceSample():
            return sample.time, sample.host, sample.device
        case AgentSample():
            return sample.time, sample.host, f"{sample.device}#{sample.pid}"
