"""The verdict screen: what to do next in five seconds, then the evidence, what was refused and what is not known.

Sections are functions from a page to lines, in the order of `SECTIONS`. Where devices are emulated, the heading of
every group of figures says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from fleet.model.verdict import Choice, Option, Report
from fleet.report import wording
from fleet.report.chart import bar
from fleet.report.figures import Measured, by_load, chosen, ranked, refused_alike
from fleet.report.lines import Line, Span, Style, clip, in_ascii, line, wrap
from fleet.report.table import Column, Row, table

_NARROWEST, _WIDEST = 40, 110
"""Cells: below, nothing can be aligned; above, the eye loses the line."""
_LABEL = 13
_LONGEST = 300
"""Characters of a host's own words that are shown; the JSON has them whole."""
_MOST = 8
"""Kinds of refusal that are shown one by one."""

_VERDICT_STYLES = {Choice.INCONCLUSIVE: Style.WARN, Choice.HOLD: Style.STRONG}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
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
            yield from wrap([Span(clip(text, _LONGEST), style)], self.width, first="  · ")

    def fact(self, label: str, *spans: Span | str) -> Iterator[Line]:
        """A labelled paragraph."""
        if any(span for span in spans):
            yield from wrap(spans, self.width, first="  " + label.ljust(_LABEL))


def screen(report: Report, *, width: int = 80, ascii_only: bool = False) -> tuple[Line, ...]:
    """The report as lines no wider than `width` cells (at least 40); `ascii_only` for terminals without Unicode."""
    page = _Page(report=report, width=min(max(width, _NARROWEST), _WIDEST))
    lines = tuple(found for section in SECTIONS for found in section(page))
    return tuple(map(in_ascii, lines)) if ascii_only else lines


def _banner(page: _Page) -> Iterator[Line]:
    if page.report.emulated:
        mark = " EMULATED "
        first, *rest = wrap([wording.emulation(page.report)], page.width, first=" " * (len(mark) + 1))
        yield line(Span(mark, Style.EMULATED), first.text.removeprefix(" " * len(mark)))
        yield from rest


def _verdict(page: _Page) -> Iterator[Line]:
    verdict = page.report.analysis.verdict
    style = _VERDICT_STYLES.get(verdict.choice, Style.GOOD)
    rule = line(Span("━" * page.width, style))
    yield from page.figures("WHAT TO DO NEXT")
    yield rule
    yield from wrap([Span(wording.TITLES[verdict.choice], style)], page.width, first="  ")
    yield from wrap([Span(clip(verdict.label, _LONGEST), Style.STRONG)], page.width, first="  ")
    yield rule
    yield from page.fact("how sure", Span(wording.probability(verdict.confidence), Style.STRONG))
    yield from _worth(page)
    yield from page.fact("bottleneck", *_said(verdict.bottleneck.text, verdict.bottleneck.evidence))
    for at, reason in enumerate(verdict.reasons):
        yield from page.fact("" if at else "because", *_said(reason.text, reason.evidence))


def _worth(page: _Page) -> Iterator[Line]:
    """What the verdict brings and costs."""
    verdict, currency = page.report.analysis.verdict, page.report.currency
    pick = chosen(page.report.analysis)
    if verdict.gain is not None:
        how = wording.evidence(pick.evidence, verdict.gain) if pick else ""
        note = ", ".join(part for part in ("95 % interval", how) if part)
        yield from page.fact("gain", Span(wording.gain(verdict.gain), Style.STRONG), Span(f" ({note})", Style.DIM))
    elif verdict.choice in wording.OUTLAY:
        yield from page.fact("gain", "not known")
    if verdict.choice is not Choice.INCONCLUSIVE:
        ratio = wording.gain_per_cost(verdict.gain, verdict.cost, currency)
        note = "" if ratio == wording.NOTHING else f" ({ratio})"
        paid = wording.cost(verdict.choice, verdict.cost, currency)
        yield from page.fact("cost", Span(paid, Style.STRONG), Span(note, Style.DIM))


def _said(text: str, evidence: tuple[str, ...]) -> tuple[Span, ...]:
    figures = "; ".join(evidence)
    return (Span(clip(text, _LONGEST)), Span(f" ({clip(figures, _LONGEST)})" if figures else "", Style.DIM))


def _throughput(page: _Page) -> Iterator[Line]:
    for group in by_load(page.report):
        yield from page.figures("THROUGHPUT BY LAYOUT", wording.load(group[0].throughput))
        columns = (
            Column("layout", flexible=True),
            Column("po2", right=True),
            Column("agents each", right=True),
            Column("effective", right=True),
            Column("95 % interval"),
            Column("n", right=True),
            Column("against now", right=True),
        )
        top = max(max(one.throughput.hz.high, one.throughput.hz.value, one.bound or 0) for one in group)
        rows: list[Row] = []
        for one in group:
            rows += [_measured(one), _bar(one, top, page.width)]
        yield from table(columns, rows, page.width)
    if any(one.bound for group in by_load(page.report) for one in group):
        yield from wrap([Span("┊ what the task graph allows", Style.DIM)], page.width, first="  ")


def _measured(one: Measured) -> tuple[Span, ...]:
    layout, hz = one.throughput.layout, one.throughput.hz
    against = "now" if one.current else wording.percent(one.gain) if one.gain is not None else wording.NOTHING
    style = Style.STRONG if one.current else Style.PLAIN
    return (
        Span(layout.where, style),
        Span(str(layout.po2)),
        Span(str(layout.agents_per_device)),
        Span(wording.hertz_value(hz.value), Style.STRONG),
        Span(wording.hertz_interval(hz), Style.DIM),
        Span(str(hz.n)),
        Span(against, style),
    )


def _bar(one: Measured, top: float, width: int) -> Line:
    hz = one.throughput.hz
    style = Style.STRONG if one.current else Style.GOOD if (one.gain or 0) > 0 else Style.DIM
    return line("  ", *bar(low=hz.low, high=hz.high, bound=one.bound, top=top, width=width - 2, style=style))


def _scaling(page: _Page) -> Iterator[Line]:
    if page.report.analysis.scalings:
        yield from page.figures("SCALING", "the same settings on more devices")
    for found in page.report.analysis.scalings:
        base, more = found.base.where, found.layout.label
        yield from wrap([Span(f"{base} → {more}", Style.STRONG)], page.width, first="  · ")
        yield from wrap([wording.scaling(found)], page.width, first="    ")


def _shares(page: _Page) -> Iterator[Line]:
    if page.report.analysis.shares:
        yield from page.figures("WHERE THE AGENTS' TIME WENT")
    for found in page.report.analysis.shares:
        spans = (Span(f"{found.layout.label}: ", Style.STRONG), Span(wording.time_shares(found)))
        yield from wrap(spans, page.width, first="  · ")


def _ceilings(page: _Page) -> Iterator[Line]:
    if page.report.analysis.ceilings:
        yield from page.figures("LARGEST SEGMENT SIZE THAT FITS")
        yield from page.bullets(f"{name}: po2 {po2}" for name, po2 in page.report.analysis.ceilings)


def _options(page: _Page) -> Iterator[Line]:
    if not page.report.analysis.options:
        return
    yield from page.figures("OPTIONS")
    columns = (
        Column("gain, 95 % interval"),
        Column("cost"),
        Column("gain per cost"),
        Column("P(best)", right=True),
    )
    rows: list[Row] = []
    for option in ranked(page.report.analysis):
        rows += _option(page, option)
    yield from table(columns, rows, page.width, indent=4)


def _option(page: _Page, option: Option) -> Iterator[Row]:
    currency = page.report.currency
    picked = option is chosen(page.report.analysis)
    style = Style.GOOD if picked else Style.DIM if option.blocked else Style.STRONG
    how = Span(f"  {wording.evidence(option.evidence, option.gain)}", Style.DIM)
    yield from wrap([Span(clip(option.label, _LONGEST), style), how], page.width, first="  ▶ " if picked else "  · ")
    yield (
        Span(wording.option_gain(option)),
        Span(wording.cost(option.choice, option.cost, currency)),
        Span(wording.gain_per_cost(option.gain, option.cost, currency)),
        Span(wording.probability(option.best)),
    )
    if option.blocked:
        yield from wrap([Span(f"not possible: {clip(option.blocked, _LONGEST)}", Style.WARN)], page.width, first="    ")


def _refused(page: _Page) -> Iterator[Line]:
    groups = refused_alike(page.report.analysis.refused)
    if not groups:
        return
    yield from page.figures("REFUSED", "seen, and kept out of every figure")
    for group in groups[:_MOST]:
        refusal = group.refusal
        times = "" if len(group.trials) == 1 else f", {len(group.trials)} trials"
        spans = (Span(refusal.code, Style.BAD), Span(f"  {clip(refusal.label, _LONGEST)}{times}"))
        yield from wrap(spans, page.width, first="  ✗ ")
        yield from wrap([Span(clip(refusal.seen, _LONGEST), Style.DIM)], page.width, first="    seen  ")
        yield from wrap([Span(clip(refusal.cure, _LONGEST))], page.width, first="    cure  ")
    if len(groups) > _MOST:
        yield from wrap([f"and {len(groups) - _MOST} more kinds, all in the JSON"], page.width, first="    ")


def _hosts(page: _Page) -> Iterator[Line]:
    if page.report.failures:
        yield from page.heading("HOSTS LEFT OUT")
        yield from page.bullets(page.report.failures, Style.BAD)


def _caveats(page: _Page) -> Iterator[Line]:
    if page.report.analysis.caveats:
        yield from page.heading("CAVEATS")
        yield from page.bullets(page.report.analysis.caveats, Style.WARN)


def _not_measured(page: _Page) -> Iterator[Line]:
    if page.report.analysis.not_measured:
        yield from page.heading("NOT MEASURED")
        yield from page.bullets(page.report.analysis.not_measured)


def _next(page: _Page) -> Iterator[Line]:
    if page.report.analysis.verdict.needs:
        yield from page.heading("TO BE SURER")
        yield from page.bullets(page.report.analysis.verdict.needs)


def _kept(page: _Page) -> Iterator[Line]:
    """The last lines are what is left on a small screen: where all of it is kept, and the verdict once more."""
    report = page.report
    yield from page.figures("THIS RUN")
    yield from page.fact("measured", wording.origin(report))
    yield from page.fact("kept", Span(f"fleet report {report.run}", Style.STRONG), " shows it again, without hosts")
    style = _VERDICT_STYLES.get(report.analysis.verdict.choice, Style.GOOD)
    yield from wrap([Span(wording.headline(report), style)], page.width, first="  ▶ ")


SECTIONS: tuple[Callable[[_Page], Iterator[Line]], ...] = (
    _banner,
    _verdict,
    _throughput,
    _scaling,
    _shares,
    _ceilings,
    _options,
    _refused,
    _hosts,
    _caveats,
    _not_measured,
    _next,
    _kept,
)
