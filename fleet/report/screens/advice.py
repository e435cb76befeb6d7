"""Recommended settings on the screen and as JSON: what to set, what it gives, how that is known, and what is not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from fleet.model.advice import Advice, Settings
from fleet.report import wording
from fleet.report.lines import Line, Span, Style, in_ascii, line, wrap
from fleet.report.table import Column, table

_NARROWEST, _WIDEST = 40, 110


def advice_screen(
    found: Settings, files: Sequence[tuple[str, str]], *, width: int = 80, ascii_only: bool = False
) -> tuple[Line, ...]:
    """The settings as lines no wider than `width` cells. `files`: the name of each file made of them, and its text."""
    width = min(max(width, _NARROWEST), _WIDEST)
    lines = [*_table(found, width), *_peak(found, width), *_why(found, width), *_files(files, width)]
    return tuple(map(in_ascii, lines)) if ascii_only else tuple(lines)


def _table(found: Settings, width: int) -> Iterator[Line]:
    mark = Span("  (emulated)", Style.EMULATED) if found.emulated else Span("")
    yield line(Span("RECOMMENDED SETTINGS", Style.HEADING), mark)
    yield line(Span("━" * width, Style.STRONG))
    columns = (
        Column("setting"),
        Column("now", right=True),
        Column("set", right=True),
        Column("expected gain", flexible=True),
    )
    yield from table(columns, [_row(one) for one in found.advice], width)
    yield line(Span("━" * width, Style.STRONG))


def _row(one: Advice) -> tuple[Span, ...]:
    style = Style.GOOD if one.changes else Style.PLAIN
    return (
        Span(one.knob.value, style),
        Span(one.now or "?"),
        Span("–" if one.value is None else "keep" if not one.changes else one.value, style),
        Span(_gain(one), style),
    )


def _gain(one: Advice) -> str:
    if one.gain is None:
        return "not recommended" if one.value is None else "right as it is" if not one.changes else "no figure"
    how = "replayed" if one.replayed else "measured"
    shared = f", together with {' and '.join(knob.value for knob in one.together)}" if one.together else ""
    return f"{wording.gain(one.gain)} {how}{shared}"


def _peak(found: Settings, width: int) -> Iterator[Line]:
    if found.peak is None:
        yield from wrap(["peak_prove_khz: no job counts, so nothing can be promised"], width, first="  ")
        return
    promise = Span(f"peak_prove_khz {found.peak.khz:,}", Style.STRONG)
    why = Span(f"  = {found.peak.why}, {wording.hertz_value(found.peak.worst)}", Style.DIM)
    yield from wrap([promise, why], width, first="  ")


def _why(found: Settings, width: int) -> Iterator[Line]:
    yield Line()
    yield line(Span("HOW IT IS KNOWN", Style.HEADING))
    for one in found.advice:
        yield from wrap([f"{one.knob.value}: {'; '.join(one.evidence)}"], width, first="  · ")
    for note in (*found.notes, *(f"from {source}" for source in found.sources)):
        yield from wrap([Span(note, Style.DIM)], width, first="  · ")


def _files(files: Sequence[tuple[str, str]], width: int) -> Iterator[Line]:
    for name, text in files:
        yield Line()
        yield from wrap([Span(name, Style.HEADING)], width)
        # To be copied as it is: never wrapped.
        yield from (line(Span(f"  {row}")) for row in text.splitlines())


def advice_json(found: Settings, files: Sequence[tuple[str, str]]) -> str:
    """The settings as one indented JSON object, in ASCII. ValueError on NaN."""
    peak = found.peak
    return json.dumps(
        {
            "sources": list(found.sources),
            "emulated": found.emulated,
            "settings": [_advice(one) for one in found.advice],
            "peak_prove_khz": None if peak is None else {"khz": peak.khz, "worst_hz": peak.worst, "why": peak.why},
            "notes": list(found.notes),
            "files": dict(files),
        },
        indent=2,
        allow_nan=False,
    )


def _advice(one: Advice) -> dict[str, object]:
    gain = one.gain
    return {
        "name": one.knob.value,
        "now": one.now,
        "recommended": one.value,
        "changes": one.changes,
        "gain": None if gain is None else {"value": gain.value, "low": gain.low, "high": gain.high, "n": gain.n},
        "replayed": one.replayed,
        "together": [knob.value for knob in one.together],
        "evidence": list(one.evidence),
    }
