"""Telemetry over one trial: a strip for each quantity that was measured, with the job's phases behind it.

Each curve has at most `MOST_POINTS` points, means of equal slices of the trial; each strip at most `MOST_CURVES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from fleet.model.rates import span
from fleet.model.record import Observation, TaskKind
from fleet.model.samples import DeviceSample, HostSample
from fleet.report.html.figure import SERIES, Figure, axis, base_layout
from fleet.report.html.markup import Json, heads, label
from fleet.units import task_word

MOST_POINTS = 400
MOST_CURVES = 16
_MARGINS, _STRIP = 110, 96
"""Pixels: what is above and below all strips, and what each of them takes."""

Seen = TypeVar("Seen", DeviceSample, HostSample)
_Device = Callable[[DeviceSample], float | None]
_Host = Callable[[HostSample], float | None]
_PERCENT, _MIB, _GIB, _MHZ = 100.0, 1 / 2**20, 1 / 2**30, 1e-6

_DEVICES: tuple[tuple[str, float, _Device], ...] = (
    ("device busy, %", _PERCENT, lambda seen: seen.busy),
    ("bus busy, %", _PERCENT, lambda seen: seen.bus_busy),
    ("device memory, GiB", _GIB, lambda seen: seen.memory_used),
    ("power, W", 1.0, lambda seen: seen.power),
    ("temperature, °C", 1.0, lambda seen: seen.temperature),
    ("clock, MHz", _MHZ, lambda seen: seen.sm_clock),
    ("PCIe received, MiB/s", _MIB, lambda seen: seen.received),
)
_HOSTS: tuple[tuple[str, float, _Host], ...] = (
    ("CPU busy, %", _PERCENT, lambda seen: seen.cpu_busy),
    ("waiting for CPU, %", _PERCENT, lambda seen: seen.cpu_pressure),
    ("agents waiting for CPU, %", _PERCENT, lambda seen: seen.agents_cpu_pressure),
    ("network received, MiB/s", _MIB, lambda seen: seen.received),
    ("network sent, MiB/s", _MIB, lambda seen: seen.sent),
)


@dataclass(frozen=True, slots=True)
class _Phase:
    """A part of the job, in seconds of the trial."""

    name: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One quantity of one device or host: (second of the trial, value), in order."""

    strip: str
    who: str
    points: tuple[tuple[float, float], ...]


def telemetry(observation: Observation, name: str, time_scale: float) -> Iterator[Figure]:
    """The plot of one trial; nothing where nothing was sampled often enough for a curve."""
    curves = tuple(curve for curve in _curves(observation, time_scale) if len(curve.points) > 1)
    if not curves:
        return
    strips = tuple(dict.fromkeys(curve.strip for curve in curves))
    who = tuple(dict.fromkeys(curve.who for curve in curves))
    left = sum(max(0, sum(c.strip == strip for c in curves) - MOST_CURVES) for strip in strips)
    phases = tuple(_phases(observation))
    yield Figure(
        name=f"telemetry-{name}",
        title=f"Telemetry over the trial: {observation.trial.layout.label}",
        summary=(
            f"{len(strips)} quantities of {len(who)} devices and hosts over {span_of(observation)[1]:.0f} s; "
            f"phases: {', '.join(phase.name for phase in phases)}."
        ),
        traces=tuple(_traces(curves, strips, who)),
        layout=_layout(strips, phases, observation),
        columns=heads("", "quantity", ">least", ">mean", ">most", ">samples"),
        rows=tuple(_row(curve) for curve in curves),
        height=_MARGINS + _STRIP * len(strips),
        note=f"Curves have at most {MOST_POINTS} points, means of equal slices."
        + (f" {left} more curves are in the table only." if left else ""),
    )


def span_of(observation: Observation) -> tuple[float, float]:
    """First start and last end of the trial's tasks."""
    return span(task for job in observation.jobs for task in job.tasks)


def _curves(observation: Observation, time_scale: float) -> Iterator[Curve]:
    """Every quantity of what the trial used that has a figure, thinned."""

    def at(seconds: float) -> float:
        return (seconds - observation.started) * time_scale

    used = set(observation.trial.layout.devices)
    hosts = {host for host, _ in used}
    samples = sorted(observation.telemetry.samples, key=lambda seen: seen.time)
    ours = (s for s in samples if isinstance(s, DeviceSample) and (s.host, s.device) in used)
    devices = _by_name((f"{s.host}/{s.device}", s) for s in ours)
    for strip, factor, read in _DEVICES:
        for who, seen in devices.items():
            points = [(at(s.time), value * factor) for s in seen if (value := read(s)) is not None]
            if points:
                yield Curve(strip, who, tuple(points))
    told = _by_name((s.host, s) for s in samples if isinstance(s, HostSample) and s.host in hosts)
    for strip, factor, look in _HOSTS:
        for who, heard in told.items():
            points = [(at(s.time), value * factor) for s in heard if (value := look(s)) is not None]
            if points:
                yield Curve(strip, who, tuple(points))


def _by_name(named: Iterable[tuple[str, Seen]]) -> dict[str, list[Seen]]:
    """Samples in their order, by whom they are of."""
    found: dict[str, list[Seen]] = {}
    for name, seen in named:
        found.setdefault(name, []).append(seen)
    return found


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `MOST_POINTS` points: means of slices of equal time, or the points themselves where they are few."""
    if len(points) <= MOST_POINTS:
        return list(points)
    first, last = points[0][0], points[-1][0]
    slices: dict[int, list[tuple[float, float]]] = {}
    for at, value in points:
        place = min(MOST_POINTS - 1, int((at - first) / ((last - first) or 1) * MOST_POINTS))
        slices.setdefault(place, []).append((at, value))
    return [(fmean(at for at, _ in part), fmean(value for _, value in part)) for part in slices.values()]


def _phases(observation: Observation) -> Iterator[_Phase]:
    """Segments are still cut; then only proved; then the last joins, from the last prove's end."""
    tasks = [task for job in observation.jobs for task in job.tasks]
    start, end = span_of(observation)
    cut = max((t.updated or 0.0 for t in tasks if t.kind is TaskKind.EXECUTE), default=start)
    proved = max((t.updated or 0.0 for t in tasks if t.kind is TaskKind.PROVE), default=cut)
    marks = (
        _Phase("executing", start, cut),
        _Phase("proving" if task_word() == "prove" else "running", cut, proved),
        _Phase("last joins", proved, end),
    )
    yield from (phase for phase in marks if phase.high > phase.low)


def _traces(curves: Sequence[Curve], strips: Sequence[str], who: Sequence[str]) -> Iterator[Mapping[str, Json]]:
    named: set[str] = set()
    for place, strip in enumerate(strips):
        for curve in [curve for curve in curves if curve.strip == strip][:MOST_CURVES]:
            points = thinned(curve.points)
            yield {
                "type": "scatter",
                "mode": "lines",
                "name": label(curve.who),
                "legendgroup": label(curve.who),
                "showlegend": curve.who not in named,
                "x": [round(at, 3) for at, _ in points],
                "y": [float(f"{value:.5g}") for _, value in points],
                "yaxis": f"y{place + 1 if place else ''}",
                "line": {"color": SERIES[who.index(curve.who) % len(SERIES)], "width": 1.8},
                "hovertemplate": "%{y:.4g} at %{x:.1f} s<extra>%{fullData.name}</extra>",
            }
            named.add(curve.who)


def _layout(strips: Sequence[str], phases: Sequence[_Phase], observation: Observation) -> Mapping[str, Json]:
    start, end = span_of(observation)
    share = 1 / len(strips)
    layout = base_layout(
        {
            **axis("seconds since the trial's start"),
            "anchor": f"y{len(strips) if len(strips) > 1 else ''}",
            "range": [min(0.0, start), end],
            "fixedrange": False,
        },
        {},
    )
    notes: list[Json] = []
    for place, strip in enumerate(strips):
        top = 1 - place * share
        strip_axis = {
            **axis(),
            "domain": [max(0.0, top - share * 0.72), top - share * 0.1],
            "rangemode": "tozero",
            "nticks": 4,
        }
        layout[f"yaxis{place + 1 if place else ''}"] = strip_axis
        notes.append(_words(strip, 0.0, top - share * 0.1, left=True))
    named = [_name_of(phase) for phase in phases if phase.high - phase.low > (end - start) * 0.08]
    return layout | {
        "shapes": [_band(place, phase) for place, phase in enumerate(phases)],
        "annotations": [*notes, *named],
        "margin": {"l": 44, "r": 24, "t": 12, "b": 44},
        "hovermode": "closest",
        "legend": {"orientation": "h", "y": 1 + 22 / (_STRIP * len(strips)), "yanchor": "bottom", "x": 0},
    }


def _band(place: int, phase: _Phase) -> Json:
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": phase.low,
        "x1": phase.high,
        "y0": 0,
        "y1": 1,
        "layer": "below",
        "line": {"width": 0},
        "fillcolor": f"var(--phase-{place % 3})",
    }


def _name_of(phase: _Phase) -> Json:
    return {
        "text": phase.name,
        "xref": "x",
        "yref": "paper",
        "x": (phase.low + phase.high) / 2,
        "y": 1,
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 11, "color": "var(--ink)"},
    }


def _words(text: str, x: float, y: float, *, left: bool) -> Json:
    return {
        "text": text,
        "xref": "paper",
        "yref": "paper",
        "x": x,
        "y": y,
        "xanchor": "left" if left else "right",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 12, "color": "var(--ink)"},
    }


def _row(curve: Curve) -> tuple[str, ...]:
    values = [value for _, value in curve.points]
    return (
        curve.who,
        curve.strip,
        f"{min(values):,.1f}",
        f"{fmean(values):,.1f}",
        f"{max(values):,.1f}",
        str(len(values)),
    )
