"""The task timeline of one trial: which agent did what when, and the chain of tasks that the end hung on.

At most `MOST_BARS` bars are drawn: where there are more tasks, neighbours of one kind on one agent become one bar, the
chain's never. What was joined is said in the plot's note.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fleet.analyse.causes.trialview import Awaited, Link, chain
from fleet.model.rates import span
from fleet.model.record import Observation, TaskKind, TaskRecord
from fleet.report import wording
from fleet.report.html.figure import INK, Figure, axis, base_layout
from fleet.report.html.markup import Json, heads, label
from fleet.units import format_count, format_seconds, kind_word, spoken

MOST_BARS = 3000
MOST_LINKS = 400
"""Rows of the chain's table."""
_FINEST = 1 / 4000
"""The gap that is bridged first, as a part of the trial; doubled until few enough bars are left."""
EXECUTOR = "executor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Tasks of one kind on one lane, from start to end in seconds of the trial."""

    lane: str
    kind: TaskKind
    start: float
    end: float
    tasks: int
    names: str
    critical: bool


def timeline(observation: Observation, name: str) -> Iterator[Figure]:
    """The plot of one trial."""
    links = chain(observation.jobs)
    bars = list(_bars(observation, links))
    if not bars:
        return
    tasks = len(bars)
    start, end = span(task for job in observation.jobs for task in job.tasks)
    drawn = joined(bars, end - start)
    lanes = sorted({bar.lane for bar in drawn}, key=lambda lane: (lane != EXECUTOR, lane))
    waits = sum(link.awaited is Awaited.AGENT for link in links)
    yield Figure(
        name=f"gantt-{name}",
        title=f"Task timeline: {observation.trial.layout.label}",
        summary=f"{format_count(tasks, _one())} on {format_count(len(lanes), 'lane')} in {format_seconds(end - start)}."
        + (
            f" The last end is that of {len(links)} pieces, which nobody timed one by one."
            if spoken().pieces
            else f" The end hung on a chain of {len(links)} tasks; {waits} of them waited for a free agent, not for "
            "their prerequisites."
        ),
        traces=(*_lanes(drawn, start), *(() if spoken().pieces else _chain(links, start))),
        layout=base_layout(
            {**axis("seconds since the job's start"), "fixedrange": False, "range": [0, end - start]},
            {**axis(), "categoryorder": "array", "categoryarray": [label(lane) for lane in reversed(lanes)]},
        )
        | {"barmode": "overlay", "bargap": 0.25, "margin": {"l": 10, "r": 24, "t": 12, "b": 44}, "dragmode": "zoom"},
        columns=heads(
            "piece" if spoken().pieces else "task of the chain",
            "kind",
            "on",
            ">from s",
            ">to s",
            "its start waited for",
        ),
        rows=tuple(_row(link, start) for link in links[-MOST_LINKS:]),
        height=150 + 34 * len(lanes),
        note=_note(tasks, len(drawn), len(links)),
    )


def _one() -> str:
    return "piece" if spoken().pieces else "task"


def _note(tasks: int, drawn: int, links: int) -> str:
    notes = ["The heavy line is the chain of tasks that the end hung on; its tasks are in the table."]
    if spoken().pieces:
        notes = ["The table has the pieces of the agent that ended last."]
    if drawn < tasks:
        notes.append(f"{tasks} {_one()}s are drawn as {drawn} bars: neighbours of one kind are joined.")
    if links > MOST_LINKS:
        notes.append(f"The table has the chain's last {MOST_LINKS} of {links} {_one()}s.")
    return " ".join(notes)


def _bars(observation: Observation, links: Sequence[Link]) -> Iterator[Bar]:
    chained = {(link.job, link.task.id) for link in links}
    for number, job in enumerate(observation.jobs):
        for task in job.tasks:
            if task.started is not None and task.updated is not None:
                yield Bar(
                    lane=lane_of(task),
                    kind=task.kind,
                    start=task.started,
                    end=task.updated,
                    tasks=1,
                    names=f"{kind_word(task.kind.value)} {task.id}" if task.kind.value != task.id else task.id,
                    critical=(number, task.id) in chained,
                )


def lane_of(task: TaskRecord) -> str:
    """The row that a task is drawn in."""
    if task.agent is not None:
        return task.agent
    return EXECUTOR if task.kind in (TaskKind.EXECUTE, TaskKind.FINALIZE) else task.host or "somewhere"


def joined(bars: Sequence[Bar], seconds: float) -> list[Bar]:
    """At most `MOST_BARS` bars, or as few as there can be, without touching those of the chain."""
    found = sorted(bars, key=lambda bar: (bar.lane, bar.start))
    gap = seconds * _FINEST
    while len(found) > MOST_BARS and gap <= seconds:
        found = _bridged(found, gap)
        gap *= 2
    return found


def _bridged(bars: Sequence[Bar], gap: float) -> list[Bar]:
    found: list[Bar] = []
    for bar in bars:
        last = found[-1] if found else None
        if (
            last is not None
            and (last.lane, last.kind) == (bar.lane, bar.kind)
            and not (last.critical or bar.critical)
            and bar.start - last.end <= gap
        ):
            count = last.tasks + bar.tasks
            names = f"{count} {'piece' if spoken().pieces else kind_word(bar.kind.value)}s"
            found[-1] = replace(last, end=max(last.end, bar.end), tasks=count, names=names)
        else:
            found.append(bar)
    return found


def _lanes(bars: Sequence[Bar], start: float) -> Iterator[Mapping[str, Json]]:
    for kind in TaskKind:
        found = [bar for bar in bars if bar.kind is kind]
        if found:
            yield {
                "type": "bar",
                "orientation": "h",
                "name": "piece of a run" if spoken().pieces else kind_word(kind.value),
                "y": [label(bar.lane) for bar in found],
                "base": [round(bar.start - start, 4) for bar in found],
                "x": [round(bar.end - bar.start, 4) for bar in found],
                "marker": {"color": f"var(--kind-{kind})", "line": {"width": 0.5, "color": "var(--paper)"}},
                "customdata": [
                    f"{label(bar.names)}{', on the chain' if bar.critical else ''}<br>"
                    f"{bar.start - start:.2f} to {bar.end - start:.2f} s ({format_seconds(bar.end - bar.start)})"
                    for bar in found
                ],
                "hovertemplate": "%{customdata}<extra>%{y}</extra>",
            }


def _chain(links: Sequence[Link], start: float) -> Iterator[Mapping[str, Json]]:
    x: list[Json] = []
    y: list[Json] = []
    for link in links:
        x += [round((link.task.started or 0) - start, 4), round((link.task.updated or 0) - start, 4)]
        y += [label(lane_of(link.task))] * 2
    if x:
        yield {
            "type": "scatter",
            "mode": "lines",
            "name": "what the end hung on",
            "x": x,
            "y": y,
            "line": {"color": INK, "width": 2.5},
            "hoverinfo": "skip",
        }


def _row(link: Link, start: float) -> tuple[str, ...]:
    task = link.task
    return (
        task.id,
        kind_word(task.kind.value),
        lane_of(task),
        f"{(task.started or 0) - start:.2f}",
        f"{(task.updated or 0) - start:.2f}",
        link.awaited.value if link.awaited is not Awaited.NOTHING else wording.NOTHING,
    )
