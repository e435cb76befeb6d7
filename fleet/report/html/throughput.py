"""Plots of how fast what was: every layout, and how it scales against the ideal and what the task graph allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite

from fleet.model.estimate import Estimate
from fleet.model.simulation import Alternative
from fleet.model.trial import Layout
from fleet.model.verdict import Report
from fleet.report import wording
from fleet.report.figures import Measured, by_load
from fleet.report.html.figure import ACCENT, GOOD, INK, KILO, MUTED, SERIES, Figure, axis, base_layout, error_bars
from fleet.report.html.markup import Json, Node, bullets, heads, label
from fleet.report.screens.sheet import label_of
from fleet.units import format_po2, format_setting, kilohertz, setting_title

_Rates = Sequence[tuple[Layout, Estimate]]
_ROOM = 1.2
"""The axis beyond the longest bar's interval: there is room for its figure."""


def layouts(report: Report) -> Iterator[Figure]:
    """Effective Hz of every layout, one plot for each load."""
    for place, group in enumerate(by_load(report)):
        load = wording.load(group[0].throughput)
        best = group[-1]
        told = f"{best.throughput.layout.label} with {wording.hertz_value(best.throughput.hz.value)}"
        several = f"{len(group)} layouts with 95 % intervals. The fastest is {told}."
        summary = f"Effective {kilohertz()} of {several if len(group) > 1 else f'{told}, with its 95 % interval.'}"
        yield Figure(
            name=f"layouts-{place}",
            title=f"Throughput by layout: {load}",
            summary=summary,
            traces=tuple(_bars(group)),
            layout=base_layout(
                {**axis(f"effective {kilohertz()}"), "range": [0, _ROOM * max(map(_end, group)) / KILO]},
                {**axis(), "gridcolor": "rgba(0,0,0,0)"},
            )
            | {"showlegend": any(one.bound for one in group), "margin": {"l": 10, "r": 24, "t": 12, "b": 44}},
            columns=heads(
                "layout", f">{setting_title()}", ">agents each", ">effective", ">95 % interval", ">n", ">against now"
            ),
            rows=tuple(map(_row, reversed(group))),
            height=90 + 46 * len(group),
            table_open=not place,
        )


def _name(layout: Layout) -> str:
    return f"{label(layout.where)}<br>{label(format_setting(layout.po2))}, {layout.agents_per_device} each"


def _bars(group: Sequence[Measured]) -> Iterator[Mapping[str, Json]]:
    estimates = [one.throughput.hz for one in group]
    names = [_name(one.throughput.layout) for one in group]
    yield {
        "type": "bar",
        "orientation": "h",
        "name": "measured",
        "y": names,
        "x": [hz.value / KILO for hz in estimates],
        "error_x": error_bars(estimates),
        "marker": {"color": [ACCENT if one.current else GOOD if (one.gain or 0) > 0 else MUTED for one in group]},
        "customdata": [_told(one) for one in group],
        "hovertemplate": "%{customdata}<extra></extra>",
        "showlegend": False,
    }
    yield {
        "type": "scatter",
        "mode": "text",
        "y": names,
        "x": [_end(one) / KILO for one in group],
        "text": [f" {wording.hertz_value(hz.value)}" for hz in estimates],
        "textposition": "middle right",
        "cliponaxis": False,
        "hoverinfo": "skip",
        "showlegend": False,
    }
    bounds = [one for one in group if one.bound]
    if bounds:
        yield {
            "type": "scatter",
            "mode": "markers",
            "name": "what the task graph allows",
            "y": [_name(one.throughput.layout) for one in bounds],
            "x": [(one.bound or 0) / KILO for one in bounds],
            "marker": {"symbol": "line-ns-open", "size": 22, "color": INK, "line": {"width": 2, "color": INK}},
            "hovertemplate": f"the task graph allows %{{x:,.1f}} {kilohertz()}<extra></extra>",
        }


def _end(one: Measured) -> float:
    """Where all that is drawn of a layout ends, in Hz: its figure stands there, across nothing."""
    return max(end for end in (one.throughput.hz.value, one.throughput.hz.high, one.bound or 0.0) if isfinite(end))


def _told(one: Measured) -> str:
    against = "in service now" if one.current else wording.percent(one.gain) + " against now" if one.gain else ""
    hz = one.throughput.hz
    return f"{label(one.throughput.layout.label)}<br>{wording.hertz(hz)}, n = {hz.n}<br>{against}"


def _row(one: Measured) -> tuple[str, ...]:
    layout, hz = one.throughput.layout, one.throughput.hz
    against = "now" if one.current else wording.NOTHING if one.gain is None else wording.percent(one.gain)
    return (
        layout.where,
        format_po2(layout.po2),
        str(layout.agents_per_device),
        wording.hertz_value(hz.value),
        wording.hertz_interval(hz),
        str(hz.n),
        against,
    )


def scaling(report: Report, ranking: Sequence[Alternative]) -> Iterator[Figure]:
    """Hz over devices at the settings in service: measured, ideal, what the graph allows, and what replay expects."""
    groups = by_load(report)
    current = report.current
    if not groups or current is None:
        return
    seen = [one for one in groups[0] if _same(one.throughput.layout, current)]
    if len(seen) < 2:  # noqa: PLR2004 (one point is no scaling)
        return
    replayed = [
        (one.prediction.layout, one.prediction.hz)
        for one in ranking
        if one.prediction.measured is None and _same(one.prediction.layout, current)
    ]
    notes = bullets(
        f"{one.base.where} → {one.layout.label}: {wording.scaling(one)}" for one in report.analysis.scalings
    )
    yield _scaling(current, seen, replayed, notes)


def _scaling(current: Layout, seen: Sequence[Measured], replayed: _Rates, note: Node) -> Figure:
    measured = [(one.throughput.layout, one.throughput.hz) for one in seen]
    first, hz = min(measured, key=lambda one: len(one[0].devices))
    each = hz.value / len(first.devices)
    most = max(len(layout.devices) for layout, _ in (*measured, *replayed))
    return Figure(
        name="scaling",
        title="Scaling: the same settings on more devices",
        summary=(
            f"Effective {kilohertz()} over the number of devices at {format_setting(current.po2)}, "
            f"{current.agents_per_device} per device. The dashed line is {wording.hertz_value(each)} for each device."
        ),
        traces=(
            _ideal(each, most),
            *_points("measured", measured, ACCENT, "circle"),
            *_points("expected by replay", replayed, SERIES[3], "diamond-open"),
            *_allowed([one for one in seen if one.bound]),
        ),
        layout=base_layout(
            {**axis("devices"), "dtick": 1, "range": [0, most + 0.5]},
            {**axis(f"effective {kilohertz()}"), "rangemode": "tozero"},
        ),
        columns=heads("layout", ">devices", ">effective, 95 % interval", ">of ideal", "known by"),
        rows=(
            *(_scaled(*one, each, "measured") for one in measured),
            *(_scaled(*one, each, "replay") for one in replayed),
        ),
        height=400,
        note=note,
    )


def _ideal(each: float, most: int) -> Mapping[str, Json]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "ideal: devices add up",
        "x": [0, most],
        "y": [0, each * most / KILO],
        "line": {"color": MUTED, "dash": "dash", "width": 2},
        "hoverinfo": "skip",
    }


def _same(one: Layout, other: Layout) -> bool:
    return (one.po2, one.agents_per_device) == (other.po2, other.agents_per_device)


def _points(name: str, found: _Rates, colour: str, symbol: str) -> Iterator[Mapping[str, Json]]:
    if not found:
        return
    yield {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [len(layout.devices) for layout, _ in found],
        "y": [hz.value / KILO for _, hz in found],
        "error_y": error_bars([hz for _, hz in found], colour),
        "marker": {"color": colour, "size": 11, "symbol": symbol, "line": {"width": 2, "color": colour}},
        "customdata": [f"{label(label_of(layout))}<br>{wording.hertz(hz)}" for layout, hz in found],
        "hovertemplate": "%{customdata}<extra>" + name + "</extra>",
    }


def _allowed(found: Sequence[Measured]) -> Iterator[Mapping[str, Json]]:
    if not found:
        return
    yield {
        "type": "scatter",
        "mode": "markers",
        "name": "upper bound: what the task graph allows",
        "x": [len(one.throughput.layout.devices) for one in found],
        "y": [(one.bound or 0) / KILO for one in found],
        "marker": {"symbol": "line-ew-open", "size": 24, "color": INK, "line": {"width": 2, "color": INK}},
        "hovertemplate": f"the task graph allows %{{y:,.1f}} {kilohertz()}<extra></extra>",
    }


def _scaled(layout: Layout, hz: Estimate, each: float, known: str) -> tuple[str, ...]:
    devices = len(layout.devices)
    return (label_of(layout), str(devices), wording.hertz(hz), wording.share(hz.value / (each * devices)), known)
