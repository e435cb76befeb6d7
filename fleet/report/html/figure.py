"""A plot as the page has it: its title, what it shows in words, the plot for Plotly, and the same figures as a table.

Colours are names of the page's style (`var(--busy)`): the page puts in what they are by day, by night and on paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.model.estimate import Estimate
from fleet.report.html.markup import Head, Html, Json, Node, cls, el, more, table

ACCENT, MUTED, GOOD, WARN, BAD, INK, GRID = (
    f"var(--{name})" for name in ("accent", "muted", "good", "warn", "bad", "ink", "grid")
)
SERIES = tuple(f"var(--series-{number})" for number in range(1, 9))

KILO = 1e3
"""Plots' axes are in kHz, or in thousands of what the fleet's figure is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One plot. `summary`: one sentence for who cannot see it; `columns` and `rows`: the same in figures.

    `height` in pixels; `table_open`: the table is part of the report, not only of its reading aloud.
    """

    name: str
    title: str
    summary: str
    traces: tuple[Mapping[str, Json], ...]
    layout: Mapping[str, Json]
    columns: tuple[Head, ...]
    rows: tuple[Sequence[Node], ...]
    height: int = 340
    note: Node = ""
    table_open: bool = False


def drawn(figure: Figure, *, emulated: bool) -> Html:
    """The plot's place, and its table below it; both say where their figures are emulated ones."""
    mark = " (emulated)" if emulated else ""
    plot = el(
        "div",
        at={
            "class": "plot",
            "id": f"plot-{figure.name}",
            "role": "img",
            "aria-label": f"{figure.title}{mark}. {figure.summary}",
        },
    )
    return el(
        "figure",
        el(
            "div",
            el("h3", figure.title + mark),
            el("p", figure.summary, at=cls("summary")),
            plot,
            at=cls("together"),
        ),
        el("div", figure.note, at=cls("note")) if figure.note else "",
        more(
            "The same as a table",
            table(figure.title + mark, figure.columns, figure.rows),
            is_open=figure.table_open,
        ),
    )


def described(figure: Figure, *, emulated: bool) -> Json:
    """What the page's script hands to Plotly; an emulated plot says so in itself, as plots are cut out and shown."""
    notes = figure.layout.get("annotations", ())
    annotations = [*(notes if isinstance(notes, Sequence) else ()), *([_STAMP] if emulated else [])]
    layout: dict[str, Json] = {**figure.layout, "annotations": annotations}
    return {"name": figure.name, "height": figure.height, "data": list(figure.traces), "layout": layout}


_STAMP: Mapping[str, Json] = {
    "text": "EMULATED",
    "xref": "paper",
    "yref": "paper",
    "x": 1,
    "y": 0.5,
    "xanchor": "right",
    "yanchor": "middle",
    "textangle": 90,
    "xshift": 21,
    "showarrow": False,
    "font": {"size": 10, "color": "var(--emulated)"},
}


def axis(title: str = "") -> dict[str, Json]:
    """An axis in the page's colours."""
    return {
        "title": {"text": title, "standoff": 8},
        "gridcolor": GRID,
        "zerolinecolor": GRID,
        "linecolor": GRID,
        "automargin": True,
        "fixedrange": True,
    }


def base_layout(xaxis: Mapping[str, Json], yaxis: Mapping[str, Json]) -> dict[str, Json]:
    """What every plot has in common."""
    return {
        "xaxis": xaxis,
        "yaxis": yaxis,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": INK, "family": "system-ui, sans-serif", "size": 13},
        "margin": {"l": 60, "r": 24, "t": 12, "b": 44},
        "legend": {
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "x": 0,
            "xanchor": "left",
            "traceorder": "normal",
        },
        "hoverlabel": {"align": "left"},
        "hovermode": "closest",
        "bargap": 0.35,
    }


def error_bars(estimates: Sequence[Estimate], colour: str = INK) -> Json:
    """The intervals of points that are drawn in thousands."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [(one.high - one.value) / KILO for one in estimates],
        "arrayminus": [(one.value - one.low) / KILO for one in estimates],
        "color": colour,
        "thickness": 1.5,
        "width": 4,
    }
