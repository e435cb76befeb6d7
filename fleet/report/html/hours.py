"""Plots of where the agents' time went: by layout, and by host in the trials that are shown closely."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fleet.analyse.causes.trialview import HostTime, host_times
from fleet.model.record import Observation
from fleet.model.verdict import Report
from fleet.report import wording
from fleet.report.html.figure import Figure, axis, base_layout
from fleet.report.html.markup import Json, heads, label
from fleet.units import format_count

_PARTS = (("busy", "var(--busy)"), ("waiting for dispatch", "var(--dispatch)"), ("nothing was ready", "var(--graph)"))
Parts = tuple[float, float, float]


def by_layout(report: Report) -> Iterator[Figure]:
    """Busy, dispatch and task graph of every layout."""
    found = report.analysis.shares
    if found:
        yield _figure(
            "hours-layouts",
            "Where the agents' time went, by layout",
            [(share.layout.label, (share.busy, share.dispatch, share.graph)) for share in found],
        )


def by_host(observation: Observation, name: str) -> Iterator[Figure]:
    """The same by host, in one trial."""
    found = host_times(observation.jobs, observation.trial.layout.agents)
    if found:
        yield _figure(
            f"hours-{name}",
            f"Where the agents' time went, by host: {observation.trial.layout.label}",
            [(_host(one), (one.busy, one.dispatch, one.graph)) for one in found],
        )


def _host(one: HostTime) -> str:
    return f"{one.host} ({format_count(one.agents, 'agent')})"


def _figure(name: str, title: str, rows: Sequence[tuple[str, Parts]]) -> Figure:
    least, at = min((parts[0], who) for who, parts in rows)
    return Figure(
        name=name,
        title=title,
        summary=f"Shares of the agents' time. The least busy was {at}: {wording.share(least)} busy.",
        traces=tuple(_traces(rows)),
        layout=base_layout(
            {**axis(), "range": [0, 1], "tickformat": ".0%"},
            {**axis(), "autorange": "reversed", "gridcolor": "rgba(0,0,0,0)"},
        )
        | {"barmode": "stack", "margin": {"l": 10, "r": 24, "t": 12, "b": 36}},
        columns=heads("", *(f">{part}" for part, _ in _PARTS)),
        rows=tuple((who, *map(wording.share, parts)) for who, parts in rows),
        height=110 + 40 * len(rows),
        note="“Nothing was ready”: the agent waited because the job's tasks depend on each other or were not cut yet. "
        "“Waiting for dispatch”: there was a task for it that it had not been given.",
    )


def _traces(rows: Sequence[tuple[str, Parts]]) -> Iterator[Mapping[str, Json]]:
    for place, (part, colour) in enumerate(_PARTS):
        yield {
            "type": "bar",
            "orientation": "h",
            "name": part,
            "y": [label(who).replace(", ", "<br>", 1) for who, _ in rows],
            "x": [parts[place] for _, parts in rows],
            "marker": {"color": colour},
            "hovertemplate": "%{x:.1%} " + part + "<extra>%{y}</extra>",
        }
