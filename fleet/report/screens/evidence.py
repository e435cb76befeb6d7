"""The evidence on the verdict screen: throughput, scaling, time, ceilings, options, and what was refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from fleet.model.verdict import Option
from fleet.report import wording
from fleet.report.chart import MARK, bar
from fleet.report.figures import Measured, Refused, by_load, chosen, ranked, refused_alike
from fleet.report.lines import Line, Span, Style, clip, line, wrap
from fleet.report.screens.anatomy import blocks
from fleet.report.screens.page import Page
from fleet.report.screens.sheet import LONGEST
from fleet.report.table import Column, Row, fits, table
from fleet.units import format_po2, format_setting, setting_title, sizes_title

_MOST = 8
"""Kinds of refusal that are shown one by one."""

_FEW = 3
"""Kinds of refusal on the short page."""


def _columns() -> tuple[Column, ...]:
    return (
        Column("layout", flexible=True),
        Column(setting_title(), right=True),
        Column("agents each", right=True),
        Column("effective", right=True),
        Column("95 % interval"),
        Column("n", right=True),
        Column("against now", right=True),
    )


_OWN = 3
"""Columns that say which layout it is: together they are its label."""


def throughput(page: Page) -> Iterator[Line]:
    """Effective Hz of every layout under each load, as rows and bars."""
    for group in by_load(page.report):
        yield from page.title("THROUGHPUT BY LAYOUT", wording.load(group[0].throughput))
        top = max(max(one.throughput.hz.high, one.throughput.hz.value, one.bound or 0) for one in group)
        bars = [_bar(one, top, page.width) for one in group]
        yield from _rates(page, group, bars)
        if any(MARK in drawn.text for drawn in bars):
            yield from wrap([Span(f"{MARK} what the task graph allows", Style.DIM)], page.width, first="  ")


def rates(page: Page) -> Iterator[Line]:
    """Effective Hz of every layout under the load that the verdict is about, one line each."""
    for group in by_load(page.report)[:1]:
        yield from page.title("THROUGHPUT BY LAYOUT", wording.load(group[0].throughput))
        yield from _rates(page, group)


def _rates(page: Page, group: Sequence[Measured], bars: Sequence[Line] = ()) -> tuple[Line, ...]:
    """A row for each layout; where large figures leave no room, the layout has a line of its own above them."""
    columns, figures = _columns(), [_measured(one) for one in group]
    apart = not fits(columns, figures, page.width)
    rows: list[Row] = []
    for at, (one, cells) in enumerate(zip(group, figures, strict=True)):
        if apart:
            rows += wrap([Span(one.throughput.layout.label, cells[0].style)], page.width, first="  · ")
        rows += [cells[_OWN:] if apart else cells, *bars[at : at + 1]]
    return table(columns[_OWN:] if apart else columns, rows, page.width, indent=4 if apart else 2)


def _measured(one: Measured) -> tuple[Span, ...]:
    layout, hz = one.throughput.layout, one.throughput.hz
    against = "now" if one.current else wording.percent(one.gain) if one.gain is not None else wording.NOTHING
    style = Style.STRONG if one.current else Style.PLAIN
    return (
        Span(layout.where, style),
        Span(format_po2(layout.po2)),
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


def scaling(page: Page) -> Iterator[Line]:
    """What more devices brought."""
    if page.report.analysis.scalings:
        yield from page.title("SCALING", "the same settings on more devices")
    for found in page.report.analysis.scalings:
        base, more = found.base.where, found.layout.label
        yield from wrap([Span(f"{base} → {more}", Style.STRONG)], page.width, first="  · ")
        yield from wrap([wording.scaling(found)], page.width, first="    ")


def shares(page: Page) -> Iterator[Line]:
    """Where the agents' time went, one layout a row."""
    if not page.report.analysis.shares:
        return
    yield from page.title("WHERE THE AGENTS' TIME WENT")
    columns = (
        Column("layout", flexible=True),
        Column("busy", right=True),
        Column("dispatch wait", right=True),
        Column("nothing ready", right=True),
    )
    rows = [
        (Span(found.layout.label), *(Span(wording.share(part)) for part in (found.busy, found.dispatch, found.graph)))
        for found in page.report.analysis.shares
    ]
    yield from table(columns, rows, page.width)


def explained(page: Page) -> Iterator[Line]:
    """What explains the figures: both measures, what company does and where it comes from, what a job is made of."""
    for block in blocks(page.report):
        yield from page.title(block.title, block.note)
        rows = [tuple(Span(cell) for cell in row) for row in block.rows]
        if rows:
            yield from table(block.columns, rows, page.width)
        yield from page.bullets(block.bullets)


def ceilings(page: Page) -> Iterator[Line]:
    """The largest segment size of each device model."""
    if page.report.analysis.ceilings:
        yield from page.title(f"LARGEST {sizes_title().upper()} THAT FITS")
        yield from page.bullets(f"{name}: {format_setting(po2)}" for name, po2 in page.report.analysis.ceilings)


def options(page: Page) -> Iterator[Line]:
    """Everything that could be done next, judged."""
    if not page.report.analysis.options:
        return
    yield from page.title("OPTIONS")
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


def _option(page: Page, option: Option) -> Iterator[Row]:
    currency = page.report.currency
    picked = option is chosen(page.report.analysis)
    style = Style.GOOD if picked else Style.DIM if option.blocked else Style.STRONG
    how = Span(f"  {wording.evidence(option.evidence, option.gain)}", Style.DIM)
    yield from wrap([Span(clip(option.label, LONGEST), style), how], page.width, first="  ▶ " if picked else "  · ")
    yield (
        Span(wording.option_gain(option)),
        Span(wording.cost(option.choice, option.cost, currency)),
        Span(wording.gain_per_cost(option.gain, option.cost, currency)),
        Span(wording.probability(option.best)),
    )
    if option.blocked:
        yield from wrap([Span(f"not possible: {clip(option.blocked, LONGEST)}", Style.WARN)], page.width, first="    ")


def kept_out(page: Page) -> Iterator[Line]:
    """What was kept out of every figure, one paragraph each: why, and the cure."""

    def told(group: Refused) -> Iterator[Line]:
        yield from wrap(_seen_of(group, f"; cure: {group.refusal.cure}"), page.width, first="  ✗ ")

    yield from _refusals(page, _FEW, told, "more kinds")


def refused(page: Page) -> Iterator[Line]:
    """What was seen and kept out of every figure, with its cure."""

    def told(group: Refused) -> Iterator[Line]:
        yield from wrap(_seen_of(group), page.width, first="  ✗ ")
        yield from wrap([Span(clip(group.refusal.seen, LONGEST), Style.DIM)], page.width, first="    seen  ")
        yield from wrap([Span(clip(group.refusal.cure, LONGEST))], page.width, first="    cure  ")

    yield from _refusals(page, _MOST, told, "more kinds, all in the JSON")


def _refusals(page: Page, most: int, told: Callable[[Refused], Iterable[Line]], rest: str) -> Iterator[Line]:
    groups = refused_alike(page.report.analysis.refused)
    if not groups:
        return
    yield from page.title("REFUSED", "seen, and kept out of every figure")
    for group in groups[:most]:
        yield from told(group)
    if len(groups) > most:
        yield from wrap([f"and {len(groups) - most} {rest}"], page.width, first="    ")


def _seen_of(group: Refused, more: str = "") -> tuple[Span, ...]:
    times = "" if len(group.trials) == 1 else f", {len(group.trials)} trials"
    return Span(wording.fault(group.refusal.code), Style.BAD), Span(
        f"  {clip(group.refusal.label, LONGEST)}{times}{more}"
    )
