"""The list of kept runs: a row a run, its tags and note below it; and the same for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from fleet.model.catalogue import Answer, RunEntry
from fleet.model.verdict import Choice
from fleet.report.lines import Line, Span, Style, line, wrap
from fleet.report.structured.run import Json
from fleet.report.table import Column, Row, table
from fleet.report.wording import NOTHING, probability

SHORT = {
    Choice.TUNE: "tune",
    Choice.ADD_GPU: "add a GPU",
    Choice.ADD_REMOTE_WORKER: "add a worker",
    Choice.REPLICATE: "second cluster",
    Choice.HOLD: "hold",
    Choice.INCONCLUSIVE: "not decided",
}
"""A choice where there is little room."""

_WIDE = 100
"""From here on there is room for when a run began; its id says it, too."""

_UNDER_WAY, _INTERRUPTED = Span("running", Style.GOOD), Span("interrupted", Style.WARN)

NONE_KEPT = "No runs are kept yet. Begin with: fleet bench INVENTORY"
NONE_FITS = "No run is like that. All of them: fleet runs"


def entry_lines(entries: Iterable[RunEntry], width: int, *, chosen: bool = False) -> tuple[Line, ...]:
    """The runs as given; `chosen`: some were left out by what was asked for."""
    columns = (
        Column("run"),
        Column("begun (UTC)"),
        Column("fleet", flexible=True),
        Column("trials", right=True),
        Column("answer", flexible=True),
        Column("figures"),
    )
    rows = [row for entry in entries for row in _rows(entry, width)]
    if not rows:
        return (line(NONE_FITS if chosen else NONE_KEPT),)
    return table(columns, rows, width, indent=0)


def _rows(entry: RunEntry, width: int) -> Iterator[Row]:
    kept = entry.summary
    yield (
        Span(kept.id, Style.STRONG),
        Span(day(kept.created) if width >= _WIDE else ""),
        Span(kept.inventory),
        Span(str(kept.observations)),
        Span(short(entry.answer)) if kept.finished else _UNDER_WAY if kept.running else _INTERRUPTED,
        Span("emulated", Style.EMULATED) if kept.emulated else Span("real"),
    )
    marks = [Span(f"+{tag} ", Style.GOOD) for tag in entry.tags]
    if marks or entry.note:
        yield from wrap([*marks, Span(entry.note or "")], width, first="    ")


def short(answer: Answer | None) -> str:
    """`tune +236 %, > 99 %`: what to do, the gain, how sure."""
    if answer is None:
        return NOTHING
    if answer.choice is Choice.INCONCLUSIVE:
        return SHORT[answer.choice]
    gain = "" if answer.gain is None else f" {answer.gain.value * 100:+,.0f} %"
    return f"{SHORT[answer.choice]}{gain}, {probability(answer.confidence)}"


def day(created: float) -> str:
    """`2026-07-31 10:15`, UTC."""
    return datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%d %H:%M")


def entries_json(entries: Iterable[RunEntry]) -> str:
    """The runs as indented JSON, in ASCII."""
    return json.dumps({"runs": [_entry(entry) for entry in entries]}, indent=2, allow_nan=False)


def _entry(entry: RunEntry) -> Json:
    kept = entry.summary
    return {
        "run": kept.id,
        "created": kept.created,
        "fleet": kept.inventory,
        "emulated": kept.emulated,
        "trials": kept.observations,
        "finished": kept.finished,
        "running": kept.running,
        "tags": list(entry.tags),
        "note": entry.note,
        "answer": answer_json(entry.answer),
    }


def answer_json(answer: Answer | None) -> Json | None:
    """A verdict in short."""
    if answer is None:
        return None
    gain = answer.gain
    return {
        "choice": answer.choice.value,
        "confidence": answer.confidence,
        "gain": None if gain is None else {"value": gain.value, "low": gain.low, "high": gain.high, "n": gain.n},
    }
