"""A page of the verdict screen: the report, the width, and the shapes that its sections are written in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fleet.model.verdict import Report
from fleet.report.lines import Line, Span, Style, clip, line, wrap

LONGEST = 300
"""Characters of a host's own words that are shown; the JSON has them whole."""

_LABEL = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What every section gets; `width` in cells."""

    report: Report
    width: int

    def heading(self, title: str) -> Iterator[Line]:
        """An empty line and a title."""
        yield Line()
        yield line(Span(title, Style.HEADING))

    def figures(self, title: str, note: str = "") -> Iterator[Line]:
        """An empty line and the title of a group of figures, which says whether they are emulated."""
        mark: tuple[Span | str, ...] = (" ", Span("(emulated)", Style.EMULATED)) if self.report.emulated else ()
        yield Line()
        yield from wrap([Span(title, Style.HEADING), *mark, Span(f"  {note}", Style.DIM)], self.width)

    def bullets(self, texts: Iterable[str], style: Style = Style.PLAIN) -> Iterator[Line]:
        """One paragraph a text."""
        for text in texts:
            yield from wrap([Span(clip(text, LONGEST), style)], self.width, first="  · ")

    def fact(self, label: str, *spans: Span | str) -> Iterator[Line]:
        """A labelled paragraph."""
        if any(span for span in spans):
            yield from wrap(spans, self.width, first="  " + label.ljust(_LABEL))
