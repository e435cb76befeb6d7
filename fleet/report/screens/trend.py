"""A fleet over time as a screen: a spark line a layout, its change points, and what had changed there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from fleet.model.trend import Series, Shift, Trend
from fleet.report import wording
from fleet.report.lines import Line, Span, Style, in_ascii, line, wrap
from fleet.report.screens.catalogue import day
from fleet.report.screens.comparison import changes_told, marked, under
from fleet.report.screens.sheet import readable
from fleet.units import format_count, format_share

_BARS = "▁▂▃▄▅▆▇█"
_PLAIN_BARS = "_.:-=+*#"
_FLAT = 0.1
"""A spark line is at least so tall, as a share of its middle, so that noise does not look like a mountain range."""

_BRIEF = 3
"""So many layouts are shown without `--all`, and all that have changed."""


def trend_lines(found: Trend, width: int, *, whole: bool = False, ascii_only: bool = False) -> tuple[Line, ...]:
    """The screen, no line wider than `width`."""
    width = readable(width)
    shown = [
        series
        for at, series in enumerate(found.series)
        if whole or at < _BRIEF or series.shifts or series.astray is not None
    ]
    lines = [*marked(headline(found), width, emulated=found.emulated)]
    for series in shown:
        lines += _series(series, found, width, _PLAIN_BARS if ascii_only else _BARS)
    if len(shown) < len(found.series):
        left = len(found.series) - len(shown)
        lines += [Line(), line(Span(f"  {left} more {'layout' if left == 1 else 'layouts'}: --all", Style.DIM))]
    lines += _changes(found, width)
    lines += _method(found, width)
    return tuple(map(in_ascii, lines)) if ascii_only else tuple(lines)


def headline(found: Trend) -> str:
    """How often it has changed, in a sentence."""
    if found.runs < found.fewest:
        return f"Too few runs for a trend: {found.runs} of {found.inventory}, it takes {found.fewest}"
    changed = [series for series in found.series if series.shifts]
    of = f"{format_count(len(found.series), 'layout')} in {format_count(found.runs, 'run')} of {found.inventory}"
    if not changed:
        return f"No change found in {of}"
    places = len({shift.at for series in changed for shift in series.shifts})
    return f"{format_count(len(changed), 'layout')} of {of} changed, at {format_count(places, 'place')}"


def _series(series: Series, found: Trend, width: int, bars: str) -> Iterator[Line]:
    rates = [point.hz for point in series.points]
    yield Line()
    name = under(series.layout, series.load, found.series[0].load)
    yield from wrap([Span(name, Style.HEADING), f"  {_level(series, found.fewest)}"], width)
    first, last = series.points[0], series.points[-1]
    if first is last:
        yield from wrap([Span(f"1 run, {day(first.created)} UTC", Style.DIM)], width, first="  ")
        return
    room = width - 2
    shares = _binned(rates, room)
    yield line("  ", Span(spark(shares, bars), Style.STRONG))
    marks = [_cell(at, len(rates), len(shares)) for at in _places(series)]
    if marks:
        yield line("  ", Span("".join("^" if at in marks else " " for at in range(len(shares))), Style.WARN))
    least, most = wording.hertz_value(min(rates)), wording.hertz_value(max(rates))
    text = f"{format_count(len(rates), 'run')}, {day(first.created)} to {day(last.created)} UTC, {least} to {most}"
    yield from wrap([Span(text, Style.DIM)], width, first="  ")
    for shift in series.shifts:
        yield from _shift(shift, width)
    if series.astray is not None:
        text = f"the latest run is off: {wording.gain(series.astray)}; one run alone is no change yet"
        yield from wrap([Span(text, Style.WARN)], width, first="  · ")


def _level(series: Series, fewest: int) -> str:
    """Where it stands; of fewer runs than make a level, the latest one and its difference from the one before."""
    *before, latest = (point.hz for point in series.points)
    if len(series.points) >= fewest:
        return f"now {wording.hertz(series.now)}"
    if not before:
        return f"once {wording.hertz_value(latest)}"
    return f"now {wording.hertz_value(latest)}, {wording.percent(latest / before[-1] - 1)} from the run before"


def _shift(shift: Shift, width: int) -> Iterator[Line]:
    style = Style.BAD if shift.change.value < 0 else Style.GOOD
    since = f" from {shift.at} ({day(shift.created)} UTC) on"
    yield from wrap([Span(wording.gain(shift.change), style), since], width, first="  ^ ")


def _changes(found: Trend, width: int) -> Iterator[Line]:
    """What had changed at each place, said once for all layouts."""
    for shift in shifts_by_place(found):
        yield Line()
        yield from wrap([Span(f"WHAT HAD CHANGED BETWEEN {shift.before} AND {shift.at}", Style.HEADING)], width)
        for text in changes_told(shift.changed) or ("nothing that fleet looks at",):
            yield from wrap([text], width, first="  · ")


def shifts_by_place(found: Trend) -> tuple[Shift, ...]:
    """The first shift of each place, oldest first; those of other layouts there have the same runs around them."""
    shifts = (shift for series in found.series for shift in series.shifts)
    places = {(shift.before, shift.at): shift for shift in shifts}
    return tuple(sorted(places.values(), key=lambda shift: shift.created))


def _places(series: Series) -> list[int]:
    starts = {shift.at for shift in series.shifts}
    return [at for at, point in enumerate(series.points) if point.run in starts]


def spark(values: Sequence[float], bars: str = _BARS) -> str:
    """A character a value, the lowest and the highest being the ends of `bars`."""
    low, high = min(values), max(values)
    middle = (low + high) / 2
    spread = max(high - low, _FLAT * abs(middle))
    if spread == 0:
        return bars[len(bars) // 2] * len(values)
    bottom = middle - spread / 2
    return "".join(bars[min(len(bars) - 1, int((value - bottom) / spread * len(bars)))] for value in values)


def _binned(values: Sequence[float], room: int) -> list[float]:
    """At most `room` values: the means of as many neighbours as it takes."""
    if len(values) <= room:
        return list(values)
    return [
        fmean(values[at * len(values) // room : max((at + 1) * len(values) // room, at * len(values) // room + 1)])
        for at in range(room)
    ]


def _cell(at: int, values: int, cells: int) -> int:
    """The cell in which a value is drawn."""
    return at if values <= cells else at * cells // values


def _method(found: Trend, width: int) -> Iterator[Line]:
    yield Line()
    if found.left_out:
        text = f"{format_count(found.left_out, 'run')} left out: other devices, workload, load or goal than the latest"
        yield from wrap([Span(text, Style.WARN)], width, first="  ")
    if found.runs < found.fewest:
        text = "fleet compare RUN RUN: the difference of two runs, with its interval and what else had changed."
        yield from wrap([Span(text, Style.DIM)], width, first="  ")
        return
    text = (
        "A run's figure is all its trials' work over all their time, a level the geometric mean of its runs. "
        f"Change points: binary segmentation by the largest t; a false one anywhere here has a chance of "
        f"{format_share(found.level)}; two runs at least make a level; less than {format_share(found.worth)} is none."
    )
    yield from wrap([Span(text, Style.DIM)], width, first="  ")
