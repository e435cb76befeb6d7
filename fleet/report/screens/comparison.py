"""A comparison of runs as a screen: what differs and how sure that is, the verdicts, and what else had changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fleet.model.comparison import Changed, Comparison, Contrast, Difference, Finding, Gate
from fleet.model.trial import Layout, Load
from fleet.report import wording
from fleet.report.lines import Line, Span, Style, in_ascii, line, wrap
from fleet.report.screens.catalogue import day, short
from fleet.report.screens.sheet import Sheet, readable
from fleet.report.table import Column, Row, table
from fleet.units import format_count, format_iterations, format_seconds, format_share, kind_word, speed

_MARK = " EMULATED "

_RATES = {
    Finding.UP: ("faster", Style.GOOD),
    Finding.DOWN: ("slower", Style.BAD),
    Finding.SAME: ("the same", Style.PLAIN),
    Finding.UNKNOWN: ("cannot be told", Style.WARN),
}
_SECONDS = {
    Finding.UP: ("longer", Style.BAD),
    Finding.DOWN: ("shorter", Style.GOOD),
    Finding.SAME: ("the same", Style.PLAIN),
    Finding.UNKNOWN: ("cannot be told", Style.WARN),
}
_GATES = {Gate.FAILED: "yes", Gate.PASSED: "no", Gate.OPEN: "cannot be told"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page(Sheet):
    """What every section gets. `whole`: every figure, not only what is worth a look."""

    found: Comparison
    whole: bool


def comparison_lines(
    found: Comparison, width: int, *, whole: bool = False, ascii_only: bool = False
) -> tuple[Line, ...]:
    """The screen, no line wider than `width`."""
    page = _Page(found=found, width=readable(width), emulated=found.emulated, whole=whole)
    lines = [made for at, contrast in enumerate(found.contrasts) for made in _contrast(page, contrast, first=at == 0)]
    lines += _method(page)
    return tuple(map(in_ascii, lines)) if ascii_only else tuple(lines)


def _contrast(page: _Page, contrast: Contrast, *, first: bool) -> Iterator[Line]:
    base, side = page.found.base, contrast.side
    if not first:
        yield Line()
    yield from marked(headline(contrast), page.width, emulated=page.found.emulated)
    yield from page.fact("then", Span(base.run, Style.STRONG), f"  {day(base.created)} UTC, {base.inventory}")
    yield from page.fact("now", Span(side.run, Style.STRONG), f"  {day(side.created)} UTC, {side.inventory}")
    same = base.answer.choice is side.answer.choice
    verdict = "the same answer" if same else "another answer"
    then_now = f"{short(base.answer)} → {short(side.answer)}"
    yield from page.fact("verdict", Span(verdict, Style.PLAIN if same else Style.WARN), f": {then_now}")
    yield from _rates(page, contrast)
    yield from _services(page, contrast.services)
    yield from _changes(page, contrast.changed)


def marked(text: str, width: int, *, emulated: bool) -> Iterator[Line]:
    """The first thing to read; emulated figures are marked as such."""
    if not emulated:
        yield from wrap([Span(text, Style.STRONG)], width)
        return
    first, *rest = wrap([Span(text, Style.STRONG)], width, first=" " * (len(_MARK) + 1))
    yield line(Span(_MARK, Style.EMULATED), Span(first.text.removeprefix(" " * len(_MARK)), Style.STRONG))
    yield from rest


def headline(contrast: Contrast) -> str:
    """What the rates say, in a sentence."""
    counts = {one: sum(rate.finding is one for rate in contrast.rates) for one in Finding}
    if not contrast.rates:
        return "No layout was measured in both runs: nothing can be compared"
    said = [f"{counts[one]} {_RATES[one][0]}" for one in (Finding.DOWN, Finding.UP, Finding.SAME) if counts[one]]
    if counts[Finding.UNKNOWN]:
        said.append(f"{counts[Finding.UNKNOWN]} cannot be told")
    return f"Of {format_count(len(contrast.rates), 'layout')} measured in both: {', '.join(said)}"


def _rates(page: _Page, contrast: Contrast) -> Iterator[Line]:
    worth = format_share(page.found.worth)
    yield from page.title(
        "EFFECTIVE HZ" if speed() == "Hz" else speed().upper(),
        f"change with its 95 % interval; less than {worth} is none",
    )
    columns = (
        Column("layout"),
        Column("then", right=True),
        Column("now", right=True),
        Column("change", right=True),
        Column(""),
    )
    rows: list[Row] = [made for rate in contrast.rates for made in _rate(rate, contrast.rates[0].load, page.width)]
    yield from table(columns, rows, page.width, indent=4) if rows else ()
    if page.found.allowed is not None:
        yield from _gates(contrast.rates, page.found.allowed, page.width)
    for title, layouts in (("only then", contrast.only_then), ("only now", contrast.only_now)):
        if layouts:
            yield from page.fact(title, "; ".join(layout.label for layout in layouts))


def _gates(rates: Sequence[Difference], allowed: float, width: int) -> Iterator[Line]:
    """How many fell by more than is allowed; which, where any did."""
    told = [f"{count} {word}" for gate, word in _GATES.items() if (count := sum(rate.gate is gate for rate in rates))]
    fallen = [under(rate.layout, rate.load, rates[0].load) for rate in rates if rate.gate is Gate.FAILED]
    text = f"fell by more than {format_share(allowed)}: {', '.join(told) or 'nothing to compare'}"
    style = Style.BAD if fallen else Style.PLAIN
    yield from wrap([Span(": ".join((text, *(["; ".join(fallen)] if fallen else []))), style)], width, first="  · ")


def under(layout: Layout, load: Load, usual: Load) -> str:
    """A layout, how many jobs it was given at once, and how long ones where that is not the `usual`."""
    jobs = "" if load.jobs == 1 else f", {load.jobs} jobs"
    return f"{layout.label}{jobs}" + (
        "" if load.iterations == usual.iterations else f", {format_iterations(load.iterations)}"
    )


def _rate(rate: Difference, usual: Load, width: int) -> Iterator[Row]:
    """A line for the layout, one for its figures."""
    word, style = _RATES[rate.finding]
    yield from wrap([under(rate.layout, rate.load, usual)], width, first="  ")
    then, now = wording.hertz_value(rate.then.value), wording.hertz_value(rate.now.value)
    yield (Span(""), Span(then), Span(now), Span(wording.gain(rate.change)), Span(word, style))


def _services(page: _Page, services: Sequence[Difference]) -> Iterator[Line]:
    """The times of tasks: all of them, or those that have changed and the first layout's."""
    if not services:
        return
    first = (services[0].layout, services[0].load)
    shown = [
        one
        for one in services
        if page.whole or (one.layout, one.load) == first or one.finding in (Finding.UP, Finding.DOWN)
    ]
    yield from page.title("TIME OF A TASK", "mean of its kind")
    columns = (
        Column("task"),
        Column("then", right=True),
        Column("now", right=True),
        Column("change", right=True),
        Column(""),
    )
    rows: list[Row] = []
    for at, one in enumerate(shown):
        if at == 0 or (one.layout, one.load) != (shown[at - 1].layout, shown[at - 1].load):
            where = under(one.layout, one.load, services[0].load)
            rows += wrap([Span(where, Style.DIM)], page.width, first="  ")
        word, style = _SECONDS[one.finding]
        then, now = format_seconds(one.then.value), format_seconds(one.now.value)
        task, change = kind_word(one.what), wording.gain(one.change)
        rows.append((Span(task), Span(then), Span(now), Span(change), Span(word, style)))
    yield from table(columns, rows, page.width, indent=4)
    if len(shown) < len(services):
        yield from wrap([Span(f"the other {len(services) - len(shown)}: --all", Style.DIM)], page.width, first="  ")


def _changes(page: _Page, changes: Sequence[Changed]) -> Iterator[Line]:
    yield from page.heading("WHAT ELSE HAD CHANGED")
    for text in changes_told(changes):
        yield from wrap([text], page.width, first="  · ")
    if not changes:
        yield line("  nothing that fleet looks at")


def changes_told(changes: Iterable[Changed]) -> tuple[str, ...]:
    """`box, far kernel: 6.1 → 6.9`: one text for all places at which the same had changed to the same."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for one in changes:
        where, _, what = one.name.partition(" ")
        places.setdefault((what, one.then, one.now), []).append(where)
    return tuple(
        f"{', '.join(where)}{' ' if what else ''}{what}: {then} → {now}" for (what, then, now), where in places.items()
    )


def _method(page: _Page) -> Iterator[Line]:
    wander = page.found.wander
    if wander is None:
        itself = "how such runs differ by themselves is not known yet (too few are kept), so intervals have none of it"
    else:
        itself = f"such runs differ by {wander * 100:.1f} % by themselves, which the intervals have in them"
    text = f"Welch's test on log rates; p corrected for how many are compared (Holm); {itself}."
    yield Line()
    yield from wrap([Span(text, Style.DIM)], page.width, first="  ")
