"""The table of `fleet watch` as lines: what fits, sorted and filtered, with the keys shown. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fleet.model.samples import DeviceSample, HostSample
from fleet.report.lines import Line, Span, Style, cells, clip, cut, line, pad
from fleet.ui.watchboard import CPU, Row, Sort, Wish, chosen

_SPARKS, _PLAIN_SPARKS = "▁▂▃▄▅▆▇█", "_.:-=+*#"
_GAP = 2
_ALWAYS = 2
"""The rank of the last column that is never left out: how busy it is, with the past behind it."""
_HOST, _DEVICE, _NOTE, _MODEL = 16, 8, 24, 20
_LEAST_PAST, _MOST_PAST = 6, 60
_HOT, _WARM, _BUSY = 85.0, 78.0, 0.9
_PRESSED = 0.05
"""A share of the time spent waiting that is worth a word."""
_GIB, _GIGA = 2**30, 1e9

_THROTTLES = (
    (0x40, "too hot", Style.BAD),
    (0x8, "slowed", Style.BAD),
    (0x80, "brake", Style.BAD),
    (0x20, "warm", Style.WARN),
    (0x4, "power cap", Style.DIM),
)
"""NVML's clock event reasons that are worth a word, the worst first."""

_KEYS = "q quit  h host  b busy  m memory  p power  t heat  r reverse  c CPUs  / filter  space pause"
_SHORT_KEYS = "q h b m p t r c / space"


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: `rank` says which one goes first where it is too narrow (the highest)."""

    title: str
    width: int
    rank: int
    cell: Callable[[Row], Span]
    right: bool = True


def watch_lines(
    rows: Sequence[Row], wish: Wish, now: float, width: int, height: int, *, title: str, ascii_only: bool = False
) -> tuple[Line, ...]:
    """The screen, at most `width` cells wide and `height` lines high; `now` in Unix seconds."""
    shown = chosen(rows, wish)
    head = [_head(rows, now, width, title), _total(rows, width)]
    foot = _foot(wish, width)
    room = max(1, height - len(head) - 2)
    columns, past = _fit([found for column in _ALL if (found := _sized(column, shown))], width)
    body = [_row(row, columns, past, width, ascii_only=ascii_only) for row in shown[:room]]
    if len(shown) > room:
        body[-1] = line(Span(f"  … and {len(shown) - room + 1} more: filter, or a higher window", Style.DIM))
    if not shown:
        body = [line(Span("  nothing matches the filter" if wish.filter else "  waiting for the hosts …", Style.DIM))]
    lines = [*head, _titles(columns, past, wish), *body]
    return tuple(cut(each, width) for each in (*lines[: height - 1], foot)[:height])


def plain_line(row: Row, now: float) -> str:
    """One row as one line, for pipes and logs: every figure with its name, what is not available left out."""
    time = datetime.fromtimestamp(now).astimezone().strftime("%H:%M:%S")
    if row.host.lost or row.host.look is None:
        return line(f"{time}  {row.host.name}  lost: {row.host.lost or 'nothing heard yet'}").text
    cells = [time, row.name, *_told(row)]
    return line("  ".join(cells)).text


def _told(row: Row) -> list[str]:
    sample = row.device
    if sample is None:
        host = row.host.look.host if row.host.look else None
        return _host_told(host) if host else []
    figures = (
        ("busy", _percent(sample.busy)),
        ("mem", _memory(row).text),
        ("power", _power(row).text),
        ("temp", "" if sample.temperature is None else f"{sample.temperature:.0f}C"),
        ("clock", _clock(row).text),
        ("pcie", _link(row).text),
        ("in/out", _traffic(row).text),
        ("", _note(row).text),
    )
    return [f"{name} {text}".strip() for name, text in figures if text]


def _host_told(host: HostSample) -> list[str]:
    pressures = (("cpu", host.cpu_pressure), ("memory", host.memory_pressure), ("io", host.io_pressure))
    waits = [f"psi-{name} {_percent(share)}" for name, share in pressures if share is not None]
    memory = "" if host.memory_used is None else f"mem {_bytes(host.memory_used, host.memory_total)}"
    queue = "" if host.runnable is None else f"runnable {host.runnable}"
    return [text for text in (f"busy {_percent(host.cpu_busy)}", memory, *waits, queue) if text]


def _head(rows: Sequence[Row], now: float, width: int, title: str) -> Line:
    hosts = {row.host.name: row.host for row in rows}
    lost = sum(host.lost is not None for host in hosts.values())
    gpus = sum(row.device is not None for row in rows)
    time = datetime.fromtimestamp(now).astimezone().strftime("%H:%M:%S")
    counts = f"{len(hosts)} hosts, {gpus} devices"
    spans: list[Span | str] = [Span(clip(f"fleet watch {title}", max(12, width - 48)), Style.HEADING), f"  {counts}"]
    if lost:
        spans.append(Span(f"  {lost} lost", Style.BAD))
    return line(*spans, Span(f"  {time}", Style.DIM))


def _total(rows: Sequence[Row], width: int) -> Line:
    """The fleet in one line: mean busy share, memory, power."""
    devices = [row.device for row in rows if row.device is not None and not row.host.lost]
    busy = [each.busy for each in devices if each.busy is not None]
    power = [each.power for each in devices if each.power is not None]
    parts = []
    if busy:
        parts.append(f"{_percent(sum(busy) / len(busy))} busy in the mean")
    if power:
        parts.append(f"{sum(power):,.0f} W")
    if any(each.emulated for each in devices):
        return line(Span(" EMULATED ", Style.EMULATED), Span(clip("  ".join(("", *parts)), width - 10)))
    return line(Span(clip("  ".join(parts), width), Style.DIM))


def _foot(wish: Wish, width: int) -> Line:
    if wish.typing:
        return line(
            Span("filter: ", Style.STRONG), Span(f"{wish.filter}_"), Span("   enter: keep, esc: none", Style.DIM)
        )
    keys = _KEYS if len(_KEYS) <= width else _SHORT_KEYS
    marks = [f"  [{wish.filter}]"] if wish.filter else []
    marks += ["  PAUSED"] if wish.paused else []
    return line(Span(clip(keys, width - sum(map(len, marks))), Style.DIM), *(Span(mark, Style.WARN) for mark in marks))


def _fit(columns: list[_Column], width: int) -> tuple[list[_Column], int]:
    """The columns that fit, and the cells that are left for the past."""
    kept = list(columns)
    while True:
        left = width - sum(column.width + _GAP for column in kept)
        if left >= _LEAST_PAST or len(kept) <= _ALWAYS + 1:
            return kept, max(0, min(left, _MOST_PAST))
        kept.remove(max(kept, key=lambda column: column.rank))


def _sized(column: _Column, rows: Sequence[Row]) -> _Column | None:
    """The column as wide as what is in it, within its bounds; None where nothing is, unless it is always there."""
    most = max((cells(column.cell(row).text) for row in rows), default=0)
    if most == 0 and column.rank > _ALWAYS:
        return None
    return replace(column, width=max(cells(column.title), min(column.width, most)))


def _titles(columns: Sequence[_Column], past: int, wish: Wish) -> Line:
    spans: list[Span] = []
    for at, column in enumerate(columns):
        sorted_by = column.title == wish.sort.value or (column.title == "temp" and wish.sort is Sort.HEAT)
        style = Style.STRONG if sorted_by else Style.DIM
        spans += [Span(pad(column.title, column.width, right=column.right), style), Span(" " * _GAP)]
        if at == _ALWAYS:
            spans += [Span(pad("past"[:past], past), Style.DIM), Span(" " * (_GAP if past else 0))]
    return line(*spans)


def _row(row: Row, columns: Sequence[_Column], past: int, width: int, *, ascii_only: bool) -> Line:
    if row.host.lost or row.host.look is None:
        why = f"lost: {row.host.lost}" if row.host.lost else "…"
        name = pad(clip(row.host.name, _HOST), _HOST + _GAP)
        return line(Span(name), Span(clip(why, width - len(name)), Style.BAD if row.host.lost else Style.DIM))
    spans: list[Span] = []
    for at, column in enumerate(columns):
        cell = column.cell(row)
        text = clip(cell.text, column.width)
        spans += [Span(pad(text, column.width, right=column.right), cell.style), Span(" " * _GAP)]
        if at == _ALWAYS and past:
            spans += [Span(spark(row.past, past, ascii_only=ascii_only), _heat(row.busy)), Span(" " * _GAP)]
    return line(*spans)


def spark(past: Sequence[float | None], width: int, *, ascii_only: bool = False) -> str:
    """The last `width` shares as bars; a gap where nothing was heard."""
    bars = _PLAIN_SPARKS if ascii_only else _SPARKS
    last = past[-width:]
    steps = (None if each is None else int(min(max(each, 0.0), 1.0) * len(bars)) for each in last)
    drawn = "".join(" " if step is None else bars[min(step, len(bars) - 1)] for step in steps)
    return drawn.rjust(width)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.0f} %"


def _heat(busy: float | None) -> Style:
    return Style.GOOD if busy is not None and busy >= _BUSY else Style.PLAIN


def _bytes(used: float, total: float | None) -> str:
    return f"{used / _GIB:.1f}G" if total is None else f"{used / _GIB:.1f}/{total / _GIB:.0f}G"


def _memory(row: Row) -> Span:
    if row.device is None:
        host = row.host.look.host if row.host.look else None
        return Span("" if host is None or host.memory_used is None else _bytes(host.memory_used, host.memory_total))
    used = row.device.memory_used
    return Span("" if used is None else _bytes(used, row.card.memory_total if row.card else None))


def _power(row: Row) -> Span:
    sample = row.device
    if sample is None or sample.power is None:
        return Span("")
    return Span(f"{sample.power:.0f}" + (f"/{sample.power_limit:.0f}W" if sample.power_limit else "W"))


def _temperature(row: Row) -> Span:
    heat = row.device.temperature if row.device else None
    if heat is None:
        return Span("")
    style = Style.BAD if heat >= _HOT else Style.WARN if heat >= _WARM else Style.PLAIN
    return Span(f"{heat:.0f}°C", style)


def _clock(row: Row) -> Span:
    clock = row.device.sm_clock if row.device else None
    return Span("" if clock is None else f"{clock / _GIGA:.2f}G")


def _link(row: Row) -> Span:
    """PCIe generation and lanes now; fewer lanes than card and slot have is worth a look."""
    sample = row.device
    if sample is None or sample.pcie_width is None or sample.pcie_generation is None:
        return Span("")
    most = row.card.pcie_width_max if row.card else None
    narrow = most is not None and sample.pcie_width < most
    text = f"{sample.pcie_generation}×{sample.pcie_width}" + (f" of {most}" if narrow else "")
    return Span(text, Style.WARN if narrow else Style.PLAIN)


def _traffic(row: Row) -> Span:
    sample = row.device
    if sample is None or sample.received is None or sample.sent is None:
        return Span("")
    return Span(f"{sample.received / _GIGA:.1f}/{sample.sent / _GIGA:.1f}G")


def _note(row: Row) -> Span:
    """What is worth a word: errors, what slows it down, who waits."""
    if row.device is None:
        return _pressure(row.host.look.host if row.host.look else None)
    if row.card is not None and row.card.lost:
        return Span("card lost", Style.BAD)
    missing = next(
        (lack.reason for lack in row.host.lacks if (lack.device, lack.field) == (row.device.device, "*")), None
    )
    if missing is not None:
        return Span(missing, Style.BAD)
    if row.device.xids:
        return Span(f"Xid {row.device.xids[-1]}", Style.BAD)
    if row.device.ecc_uncorrected:
        return Span(f"ECC {row.device.ecc_uncorrected}", Style.BAD)
    return _throttle(row.device)


def _throttle(sample: DeviceSample) -> Span:
    if sample.emulated:
        return Span("emulated", Style.EMULATED)
    for bit, word, style in _THROTTLES:
        if (sample.throttle or 0) & bit:
            return Span(word, style)
    return Span("")


def _pressure(host: HostSample | None) -> Span:
    if host is None:
        return Span("")
    shares = (("cpu", host.cpu_pressure), ("mem", host.memory_pressure), ("io", host.io_pressure))
    waits = [f"{name} {share * 100:.0f}%" for name, share in shares if share is not None and share >= _PRESSED]
    return Span(f"waits {' '.join(waits)}" if waits else "", Style.WARN)


_ALL = (
    _Column("host", _HOST, 0, lambda row: Span(row.host.name), right=False),
    _Column(
        "device", _DEVICE, 1, lambda row: Span(row.device.device) if row.device else Span(CPU, Style.DIM), right=False
    ),
    _Column("busy", 5, _ALWAYS, lambda row: Span(_percent(row.busy), _heat(row.busy))),
    _Column("memory", 11, 3, _memory),
    _Column("temp", 5, 5, _temperature),
    _Column("power", 9, 6, _power),
    _Column("clock", 6, 8, _clock),
    _Column("PCIe", 10, 7, _link),
    _Column("in/out", 10, 9, _traffic),
    _Column("", _NOTE, 4, _note, right=False),
    _Column("model", _MODEL, 10, lambda row: Span(row.card.model or "" if row.card else ""), right=False),
)
