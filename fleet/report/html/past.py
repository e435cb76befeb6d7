"""The panel of earlier runs like this one: what each layout gave from run to run, and where that has changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from fleet.model.trend import Series, Trend
from fleet.model.trial import Layout, Load
from fleet.report import wording
from fleet.report.html.figure import KILO, SERIES, Figure, axis, base_layout
from fleet.report.html.markup import Html, Json, Node, bullets, el, heads, join, label
from fleet.report.screens.catalogue import day
from fleet.report.screens.comparison import changes_told, under
from fleet.report.screens.trend import headline, shifts_by_place
from fleet.units import format_share, kilohertz

_DRAWN = len(SERIES)
_HEIGHT, _NAMED = 300, 21
"""Pixels of the plot, and of a line of its legend above it."""


def told(trend: Trend) -> bool:
    """Whether there is an earlier run to tell of."""
    return trend.runs > 1


def levels(trend: Trend, wanted: Collection[Layout | None] = ()) -> Iterator[Figure]:
    """Layouts' rates from run to run, with marks where a level has changed.

    Those that are `wanted`, then those that several runs have measured, as many as there are colours.
    """
    found = [series for series in trend.series if len(series.points) > 1 or series.layout in wanted]
    shown = sorted(found, key=lambda series: series.layout not in wanted)[:_DRAWN]
    if not shown:
        return
    yield Figure(
        name="past",
        title="The same layouts in earlier runs",
        summary=f"{headline(trend)}.",
        traces=tuple(
            trace for place, series in enumerate(shown) for trace in _traces(series, shown[0].load, SERIES[place])
        ),
        layout=base_layout({**axis("run begun (UTC)"), "type": "date"}, {**axis(kilohertz()), "rangemode": "tozero"}),
        columns=heads("layout", "run", "begun (UTC)", ">rate", ">trials", "level"),
        rows=tuple(row for series in shown for row in _rows(series, shown[0].load)),
        height=_HEIGHT + _NAMED * len(shown),
        note=""
        if trend.runs < trend.fewest
        else f"A mark: a level has changed; the chance of a false one anywhere is {format_share(trend.level)}.",
    )


def changes(trend: Trend) -> Html:
    """What had changed between the runs around each place, said once for all layouts."""
    found: list[Node] = []
    for shift in shifts_by_place(trend):
        found.append(el("h3", f"What had changed between {shift.before} and {shift.at} ({day(shift.created)} UTC)"))
        found.append(bullets(changes_told(shift.changed) or ("nothing that fleet looks at",)))
    if trend.left_out:
        found.append(el("p", f"Left out: {trend.left_out} with other devices, workload, load or goal."))
    return join(found)


def _traces(series: Series, usual: Load, colour: str) -> Iterator[Mapping[str, Json]]:
    name = label(under(series.layout, series.load, usual))
    starts = {shift.at for shift in series.shifts}
    yield {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": [day(point.created) for point in series.points],
        "y": [point.hz / KILO for point in series.points],
        "marker": {
            "color": colour,
            "size": [14 if point.run in starts else 7 for point in series.points],
            "symbol": ["diamond" if point.run in starts else "circle" for point in series.points],
        },
        "line": {"color": colour, "width": 1.5},
        "customdata": [f"{label(point.run)}<br>{wording.hertz_value(point.hz)}" for point in series.points],
        "hovertemplate": "%{customdata}<extra>" + name + "</extra>",
    }


def _rows(series: Series, usual: Load) -> Iterator[Sequence[str]]:
    starts = {shift.at: shift for shift in series.shifts}
    for point in series.points:
        shift = starts.get(point.run)
        yield (
            under(series.layout, series.load, usual),
            point.run,
            day(point.created),
            wording.hertz_value(point.hz),
            str(point.n),
            f"new: {wording.gain(shift.change)}" if shift else "",
        )
