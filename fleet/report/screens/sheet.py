"""The sheet that every screen's sections write on: titles, facts and bullets in one shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fleet.model.simulation import NEW, Source
from fleet.model.trial import Layout
from fleet.report import wording
from fleet.report.lines import Line, Span, Style, clip, in_ascii, line, wrap
from fleet.units import format_count

NARROWEST, WIDEST = 40, 110
LONGEST = 300
"""Characters of a host's own words that are shown; the JSON has them whole."""

_LABEL = 13
_MARK = " EMULATED "


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What every section writes on; `width` in cells. `emulated`: its figures are."""

    width: int
    emulated: bool

    def banner(self, text: str) -> Iterator[Line]:
        """That the figures are emulated, in a sentence, where they are."""
        if self.emulated:
            first, *rest = wrap([text], self.width, first=" " * (len(_MARK) + 1))
            yield line(Span(_MARK, Style.EMULATED), first.text.removeprefix(" " * len(_MARK)))
            yield from rest

    def title(self, text: str, note: str = "") -> Iterator[Line]:
        """An empty line and the title of a group of figures, which says whether they are emulated."""
        mark: tuple[Span | str, ...] = (" ", Span("(emulated)", Style.EMULATED)) if self.emulated else ()
        yield Line()
        yield from wrap([Span(text, Style.HEADING), *mark, Span(f"  {note}", Style.DIM)], self.width)

    def heading(self, text: str) -> Iterator[Line]:
        """An empty line and the title of what is no figure."""
        yield Line()
        yield from wrap([Span(text, Style.HEADING)], self.width)

    def rule(self) -> Line:
        """A line across."""
        return line(Span("━" * self.width, Style.STRONG))

    def fact(self, label: str, *spans: Span | str) -> Iterator[Line]:
        """A labelled paragraph, where there is anything to say."""
        if any(spans):
            yield from wrap(spans, self.width, first="  " + label.ljust(_LABEL))

    def bullets(self, texts: Iterable[str], style: Style = Style.PLAIN) -> Iterator[Line]:
        """One paragraph a text."""
        for text in texts:
            yield from wrap([Span(clip(text, LONGEST), style)], self.width, first="  · ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed(Sheet):
    """A sheet of figures that were computed from a stored run."""

    source: Source

    def warning(self) -> Iterator[Line]:
        """That the run was emulated, where it was."""
        yield from self.banner(wording.emulation(self.source.time_scale))

    def origin(self) -> Iterator[Line]:
        """The run behind the figures."""
        trials = format_count(self.source.trials, "trial")
        yield Line()
        text = f"computed from run {self.source.run} of {self.source.inventory} ({trials}); nothing was measured for it"
        yield from wrap([Span(text, Style.DIM)], self.width, first="  ")


def label_of(layout: Layout) -> str:
    """`box×2 + far×1 + 3 new×1, 1 agent each, po2 20`: its label, with hosts not there yet counted."""
    new: dict[int, int] = {}
    named: dict[str, int] = {}
    for host in dict.fromkeys(host for host, _ in layout.devices):
        devices = sum(name == host for name, _ in layout.devices)
        if host.startswith(NEW):
            new[devices] = new.get(devices, 0) + 1
        else:
            named[host] = devices
    places = [f"{host}×{devices}" for host, devices in named.items()]
    places += [f"{count} new×{devices}" for devices, count in sorted(new.items())]
    return f"{' + '.join(places)}{layout.label.removeprefix(layout.where)}"


def sheet_of(source: Source, width: int) -> Computed:
    """A sheet no narrower and no wider than can be read."""
    return Computed(source=source, width=readable(width), emulated=source.emulated)


def readable(width: int) -> int:
    """A width at which things are aligned and the eye does not lose the line."""
    return min(max(width, NARROWEST), WIDEST)


def finished(lines: Iterable[Line], *, ascii_only: bool) -> tuple[Line, ...]:
    """The lines, without Unicode where the terminal has none."""
    return tuple(map(in_ascii, lines)) if ascii_only else tuple(lines)
