"""Tables that fit: aligned columns, flexible ones wrap, and rows become lists where the screen is too narrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.report.lines import Line, Span, Style, cells, line, pad, wrap

_GAP = 2
_NARROWEST = 10
"""A flexible column is not made narrower than this; the rows become lists instead."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `right` aligns figures, `flexible` lets it wrap where the screen is narrow."""

    title: str
    right: bool = False
    flexible: bool = False


Row = tuple[Span, ...] | Line
"""One cell a column; or a ready line that spans all columns."""


def table(columns: Sequence[Column], rows: Sequence[Row], width: int, *, indent: int = 2) -> tuple[Line, ...]:
    """The rows under their titles, no line wider than `width`. Columns that are empty in every row are left out."""
    shown = [at for at in range(len(columns)) if any(row[at].text for row in rows if isinstance(row, tuple))]
    if not shown:
        return tuple(row for row in rows if isinstance(row, Line))
    columns = [columns[at] for at in shown]
    rows = [tuple(row[at] for at in shown) if isinstance(row, tuple) else row for row in rows]
    widths = _widths(columns, rows, width - indent)
    if widths is None:
        return _stacked(columns, rows, width, indent)
    titles = tuple(Span(column.title, Style.DIM) for column in columns)
    return tuple(found for row in (titles, *rows) for found in _row(columns, widths, row, indent))


def fits(columns: Sequence[Column], rows: Sequence[tuple[Span, ...]], width: int, *, indent: int = 2) -> bool:
    """Whether `table` would align these rows, and not make lists of them."""
    return _widths(columns, rows, width - indent) is not None


def _widths(columns: Sequence[Column], rows: Sequence[Row], room: int) -> list[int] | None:
    """Cells for each column; None where even the narrowest flexible columns do not fit."""
    widths = [
        max([cells(column.title), *(cells(row[at].text) for row in rows if isinstance(row, tuple))])
        for at, column in enumerate(columns)
    ]
    room -= _GAP * (len(columns) - 1)
    room -= sum(width for column, width in zip(columns, widths, strict=True) if not column.flexible)
    flexible = sorted((at for at, column in enumerate(columns) if column.flexible), key=lambda at: widths[at])
    for rank, at in enumerate(flexible):
        share = room // (len(flexible) - rank)
        if widths[at] > share and share < _NARROWEST:
            return None
        widths[at] = min(widths[at], share)
        room -= widths[at]
    return None if room < 0 else widths


def _row(columns: Sequence[Column], widths: Sequence[int], row: Row, indent: int) -> tuple[Line, ...]:
    if isinstance(row, Line):
        return (row,)
    parts = [wrap([cell], width) for cell, width in zip(row, widths, strict=True)]
    found = []
    for level in range(max(len(part) for part in parts)):
        spans = [Span(" " * indent)]
        for column, width, cell, part in zip(columns, widths, row, parts, strict=True):
            text = part[level].text if level < len(part) else ""
            spans += [Span(pad(text, width, right=column.right), cell.style), Span(" " * _GAP)]
        found.append(line(*spans))
    return tuple(found)


def _stacked(columns: Sequence[Column], rows: Sequence[Row], width: int, indent: int) -> tuple[Line, ...]:
    """Each row as `title: cell` lines, the first cell without its title."""
    found: list[Line] = []
    for row in rows:
        if isinstance(row, Line):
            found.append(row)
            continue
        for at, (column, cell) in enumerate(zip(columns, row, strict=True)):
            lead = " " * (indent if at == 0 else indent + _GAP)
            title = Span(f"{column.title}: " if at and column.title else "", Style.DIM)
            found += wrap([title, cell], width, first=lead) if cell.text else ()
    return tuple(found)
