"""The table of `fleet watch` as lines: what fits, sorted and filtered, with the keys shown. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from fleet.model.samples import HostSample
from fleet.report.lines import Line, Span, Style, cells, clip, cut, line, pad
from fleet.ui.watchboard import Row, Sort, Wish, chosen
from fleet.ui.watchcells import (
    ALWAYS,
    COLUMNS,
    HOST,
    Column,
    clock,
    heat,
    in_trouble,
    link,
    memory,
    note,
    percent,
    power,
    size,
    traffic,
    unseen,
)

_SPARKS, _PLAIN_SPARKS = "▁▂▃▄▅▆▇█", "_.:-=+*#"
_GAP = 2
_LEAST_PAST, _MOST_PAST = 6, 60
_FRAME_LINES = 4
"""Of the screen, beside the rows: the head, the fleet in one line, the titles, the keys."""

_KEYS = (
    "q quit  h host  b busy  m memory  p power  t heat  r reverse  c CPUs  / filter  space pause  ↑↓ scroll",
    "q quit h host b busy m memory p power t heat r reverse c CPUs / filter ↑↓ scroll",
    "q h b m p t r c / ↑↓",
)
"""The widest that fits is shown."""


def watch_lines(
    rows: Sequence[Row], wish: Wish, now: float, width: int, height: int, *, title: str, ascii_only: bool = False
) -> tuple[Line, ...]:
    """The screen, at most `width` cells wide and `height` lines high; `now` in Unix seconds."""
    shown = chosen(rows, wish)
    head = [_head(rows, now, width, title), _total(rows, width)]
    columns, past = _fit([found for column in COLUMNS if (found := _sized(column, shown))], width)
    top = scrolled(wish, len(shown), height).top
    last = top + _whole_rows(len(shown), height)
    body = [_row(row, columns, past, width, ascii_only=ascii_only) for row in shown[top:last]]
    if len(body) < len(shown):
        body.append(line(Span(f"  rows {top + 1} to {last} of {len(shown)}: ↑ ↓, page keys, or a filter", Style.DIM)))
    if not shown:
        body = [line(Span("  nothing matches the filter" if wish.filter else "  waiting for the hosts …", Style.DIM))]
    lines = [*head, _titles(columns, past, wish), *body]
    return tuple(cut(each, width) for each in (*lines[: height - 1], _foot(wish, width))[:height])


def scrolled(wish: Wish, count: int, height: int) -> Wish:
    """The wish with no more rows above the window than leave it full of the `count` rows that there are."""
    return replace(wish, top=max(0, min(wish.top, count - _whole_rows(count, height))))


def _whole_rows(count: int, height: int) -> int:
    """How many rows a window of so many lines shows; where that is not all of them, one line says so."""
    room = max(1, height - _FRAME_LINES)
    return count if count <= room else max(1, room - 1)


def plain_line(row: Row, now: float) -> str:
    """One row as one line, for pipes and logs: every figure with its name, what is not available left out."""
    time = datetime.fromtimestamp(now).astimezone().strftime("%H:%M:%S")
    if row.host.lost or row.host.look is None:
        return line(f"{time}  {row.host.name}  lost: {row.host.lost or 'nothing heard yet'}").text
    return line("  ".join([time, row.name, *_told(row)])).text


def _told(row: Row) -> list[str]:
    sample = row.device
    if sample is None:
        host = row.host.look.host if row.host.look else None
        return _host_told(host) if host else []
    figures = (
        ("busy", percent(sample.busy)),
        ("mem", memory(row).text),
        ("power", power(row).text),
        ("temp", "" if sample.temperature is None else f"{sample.temperature:.0f}C"),
        ("clock", clock(row).text),
        ("pcie", link(row).text),
        ("in/out", traffic(row).text),
        ("", unseen(row) or ""),
        ("", note(row).text),
    )
    return [f"{name} {text}".strip() for name, text in figures if text]


def _host_told(host: HostSample) -> list[str]:
    pressures = (("cpu", host.cpu_pressure), ("memory", host.memory_pressure), ("io", host.io_pressure))
    waits = [f"psi-{name} {percent(share)}" for name, share in pressures if share is not None]
    used = "" if host.memory_used is None else f"mem {size(host.memory_used, host.memory_total)}"
    queue = "" if host.runnable is None else f"runnable {host.runnable}"
    return [text for text in (f"busy {percent(host.cpu_busy)}", used, *waits, queue) if text]


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
    """The fleet in one line: mean busy share, power, and who is in trouble, wherever his row is."""
    devices = [row.device for row in rows if row.device is not None and not row.host.lost]
    busy = [each.busy for each in devices if each.busy is not None]
    drawn = [each.power for each in devices if each.power is not None]
    parts: list[Span | str] = []
    if any(each.emulated for each in devices):
        parts += [Span(" EMULATED ", Style.EMULATED), "  "]
    if busy:
        parts.append(Span(f"{percent(sum(busy) / len(busy))} busy in the mean  ", Style.DIM))
    if drawn:
        parts.append(Span(f"{sum(drawn):,.0f} W  ", Style.DIM))
    troubled = [row.name if row.device else row.host.name for row in rows if in_trouble(row)]
    if troubled:
        parts.append(Span(_listed("in trouble: ", troubled, width - line(*parts, "").width - _GAP), Style.BAD))
    return line(*parts)


def _listed(lead: str, names: Sequence[str], width: int) -> str:
    """As many of the names as fit, and how many there are besides."""
    for count in range(len(names), 0, -1):
        rest = len(names) - count
        text = lead + ", ".join(names[:count]) + (f" and {rest} more" if rest else "")
        if cells(text) <= width:
            return text
    return f"{lead}{len(names)}"


def _foot(wish: Wish, width: int) -> Line:
    if wish.typing:
        return line(
            Span("filter: ", Style.STRONG), Span(f"{wish.filter}_"), Span("   enter: keep, esc: none", Style.DIM)
        )
    marks = [f"  [{wish.filter}]"] if wish.filter else []
    marks += ["  PAUSED"] if wish.paused else []
    room = width - sum(map(cells, marks))
    keys = next((keys for keys in _KEYS if cells(keys) <= room), _KEYS[-1])
    return line(Span(clip(keys, room), Style.DIM), *(Span(mark, Style.WARN) for mark in marks))


def _fit(columns: list[Column], width: int) -> tuple[list[Column], int]:
    """The columns that fit, and the cells that are left for the past."""
    kept = list(columns)
    while True:
        left = width - sum(column.width + _GAP for column in kept)
        if left >= _LEAST_PAST or len(kept) <= ALWAYS + 1:
            return kept, max(0, min(left, _MOST_PAST))
        kept.remove(max(kept, key=lambda column: column.rank))


def _sized(column: Column, rows: Sequence[Row]) -> Column | None:
    """The column as wide as what is in it, within its bounds; None where nothing is, unless it is always there."""
    most = max((cells(column.cell(row).text) for row in rows), default=0)
    if most == 0 and column.rank > ALWAYS:
        return None
    return replace(column, width=max(cells(column.title), min(column.width, most)))


def _titles(columns: Sequence[Column], past: int, wish: Wish) -> Line:
    spans: list[Span] = []
    for at, column in enumerate(columns):
        sorted_by = column.title == wish.sort.value or (column.title == "temp" and wish.sort is Sort.HEAT)
        style = Style.STRONG if sorted_by else Style.DIM
        spans += [Span(pad(column.title, column.width, right=column.right), style), Span(" " * _GAP)]
        if at == ALWAYS:
            spans += [Span(pad("past"[:past], past), Style.DIM), Span(" " * (_GAP if past else 0))]
    return line(*spans)


def _row(row: Row, columns: Sequence[Column], past: int, width: int, *, ascii_only: bool) -> Line:
    if row.host.lost or row.host.look is None:
        why = f"lost: {row.host.lost}" if row.host.lost else "…"
        name = pad(clip(row.host.name, HOST), HOST + _GAP)
        return line(Span(name), Span(clip(why, width - len(name)), Style.BAD if row.host.lost else Style.DIM))
    nothing = unseen(row)
    spans: list[Span] = []
    for at, column in enumerate(columns):
        if nothing is not None and at == ALWAYS:
            left = width - sum(cells(span.text) for span in spans)
            return line(*spans, Span(clip(_joined(nothing, note(row).text), left), Style.BAD))
        cell = column.cell(row)
        text = clip(cell.text, column.width)
        spans += [Span(pad(text, column.width, right=column.right), cell.style), Span(" " * _GAP)]
        if at == ALWAYS and past:
            spans += [Span(spark(row.past, past, ascii_only=ascii_only), heat(row.busy)), Span(" " * _GAP)]
    return line(*spans)


def _joined(*texts: str) -> str:
    return "; ".join(text for text in texts if text)


def spark(past: Sequence[float | None], width: int, *, ascii_only: bool = False) -> str:
    """The last `width` shares as bars; a gap where nothing was heard."""
    bars = _PLAIN_SPARKS if ascii_only else _SPARKS
    last = past[-width:]
    steps = (None if each is None else int(min(max(each, 0.0), 1.0) * len(bars)) for each in last)
    drawn = "".join(" " if step is None else bars[min(step, len(bars) - 1)] for step in steps)
    return drawn.rjust(width)
