"""The verdict screen: what to do next in five seconds, then the evidence, what was refused and what is not known.

Sections are functions from a page to lines, in the order of `SECTIONS`; those of `BRIEF` make a page that is read in a
minute. Where devices are emulated, the heading of every group of figures says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fleet.model.trial import Goal
from fleet.model.verdict import Choice, Option, Report
from fleet.report import wording
from fleet.report.figures import chosen
from fleet.report.lines import Line, Span, Style, clip, in_ascii, line, wrap
from fleet.report.screens import evidence
from fleet.report.screens.page import Page
from fleet.report.screens.sheet import LONGEST, readable
from fleet.units import format_count

Section = Callable[[Page], Iterator[Line]]

_VERDICT_STYLES = {Choice.INCONCLUSIVE: Style.WARN, Choice.HOLD: Style.STRONG}


def screen(report: Report, *, width: int = 80, ascii_only: bool = False) -> tuple[Line, ...]:
    """The whole report, no line wider than `width` cells (at least 40); `ascii_only` for terminals without Unicode."""
    return _rendered(SECTIONS, report, width, in_ascii if ascii_only else None)


def brief(report: Report, *, width: int = 80, ascii_only: bool = False) -> tuple[Line, ...]:
    """The answer with what it hangs on, short enough to be read; `screen` has the rest."""
    return _rendered(BRIEF, report, width, in_ascii if ascii_only else None)


def _rendered(
    sections: Sequence[Section], report: Report, width: int, change: Callable[[Line], Line] | None
) -> tuple[Line, ...]:
    page = Page(report=report, width=readable(width), emulated=report.emulated)
    lines = tuple(found for section in sections for found in section(page))
    return tuple(map(change, lines)) if change else lines


def _banner(page: Page) -> Iterator[Line]:
    if page.emulated:
        yield from page.banner(wording.emulation(page.report.time_scale))


def _verdict(page: Page) -> Iterator[Line]:
    verdict = page.report.analysis.verdict
    style = _VERDICT_STYLES.get(verdict.choice, Style.GOOD)
    rule = line(Span("━" * page.width, style))
    yield from page.title("WHAT TO DO NEXT")
    yield rule
    yield from wrap([Span(wording.title(verdict), style)], page.width, first="  ")
    yield from wrap([Span(clip(wording.todo(verdict), LONGEST), Style.STRONG)], page.width, first="  ")
    yield rule
    yield from page.fact("goal", *wording.aim(page.report.analysis.goal))
    yield from page.fact("how sure", Span(wording.confidence(verdict), Style.STRONG))
    yield from _to_decide(page) if verdict.choice is Choice.INCONCLUSIVE else _worth(page)
    yield from page.fact("bottleneck", clip(verdict.bottleneck.text, LONGEST))
    for reason in verdict.reasons[:1]:
        yield from page.fact("because", clip(reason.text, LONGEST))


def _to_decide(page: Page) -> Iterator[Line]:
    """What would bring the decision: the first of what is needed."""
    for need in page.report.analysis.verdict.needs[:1]:
        yield from page.fact("do this", Span(clip(need, LONGEST), Style.STRONG))


def _worth(page: Page) -> Iterator[Line]:
    """What the verdict brings and costs."""
    verdict, currency = page.report.analysis.verdict, page.report.currency
    pick = chosen(page.report.analysis)
    if verdict.gain is not None:
        how = wording.evidence(pick.evidence, verdict.gain) if pick else ""
        note = ", ".join(part for part in ("95 % interval", how) if part)
        yield from page.fact("gain", Span(wording.gain(verdict.gain), Style.STRONG), Span(f" ({note})", Style.DIM))
    elif verdict.choice in wording.OUTLAY:
        yield from page.fact("gain", "not known")
    ratio = wording.gain_per_cost(verdict.gain, verdict.cost, currency)
    note = "" if ratio == wording.NOTHING else f" ({ratio})"
    yield from _other_measure(page, pick)
    paid = wording.cost(verdict.choice, verdict.cost, currency)
    yield from page.fact("cost", Span(paid, Style.STRONG), Span(note, Style.DIM))


def _other_measure(page: Page, pick: Option | None) -> Iterator[Line]:
    """What the chosen option gains by the measure that the verdict is not about, where somebody looked."""
    analysis = page.report.analysis
    found = next((one for one in analysis.measures if pick and one.layout == pick.layout), None)
    if found is None:
        return
    several = analysis.goal is Goal.LATENCY
    gain = found.capacity_gain if several else found.latency_gain
    label, note = ("capacity", f"{found.jobs} jobs at once") if several else ("one job", "the other measure")
    if gain is not None:
        yield from page.fact(label, wording.gain(gain), Span(f" ({note}, n = {gain.n})", Style.DIM))


def _why(page: Page) -> Iterator[Line]:
    verdict = page.report.analysis.verdict
    yield from page.title("WHY")
    found = [(verdict.bottleneck.text, verdict.bottleneck.evidence)]
    for text, figures in [*found, *((reason.text, reason.evidence) for reason in verdict.reasons)]:
        yield from page.bullets([text])
        for figure in figures:
            yield from wrap([Span(clip(figure, LONGEST), Style.DIM)], page.width, first="    ")


_DETAILS = frozenset(
    {
        "tune_no_gain",
        "remote_efficiency",
        "coordinator_free",
        "blocked",
        "break_even",
        "gpu_prediction",
        "confirmed",
        "next_trial",
    }
)
"""Reasons that the table of options says already, that confirm the usual, or that are for whoever asks how."""

_HEADINGS = frozenset({"flips"})
"""Reasons whose text only leads to their figures."""


def _why_briefly(page: Page) -> Iterator[Line]:
    """The bottleneck's evidence and what else weighed; the deciding reason stands above."""
    verdict = page.report.analysis.verdict
    yield from page.title("WHY")
    seen = "; ".join(verdict.bottleneck.evidence)
    yield from page.bullets([f"{verdict.bottleneck.text}: {seen}" if seen else verdict.bottleneck.text])
    for reason in verdict.reasons[1:]:
        if reason.code in _DETAILS:
            continue
        yield from page.bullets([reason.text])
        for figure in reason.evidence if reason.code in _HEADINGS else ():
            yield from wrap([Span(clip(figure, LONGEST), Style.DIM)], page.width, first="    ")


_FEW = 6
"""Things not measured that the short page names."""


def _unmeasured_briefly(page: Page) -> Iterator[Line]:
    found = page.report.analysis.not_measured
    if found:
        rest = len(found) - _FEW
        more = (f"and {format_count(rest, 'more thing')}",) if rest > 0 else ()
        yield from page.heading("NOT MEASURED")
        yield from wrap([clip("; ".join((*found[:_FEW], *more)), 2 * LONGEST)], page.width, first="  ")


def _hosts(page: Page) -> Iterator[Line]:
    if page.report.failures:
        yield from page.heading("HOSTS LEFT OUT")
        yield from page.bullets(page.report.failures, Style.BAD)


def _caveats(page: Page) -> Iterator[Line]:
    if page.report.analysis.caveats:
        yield from page.heading("CAVEATS")
        yield from page.bullets(page.report.analysis.caveats, Style.WARN)


def _not_measured(page: Page) -> Iterator[Line]:
    if page.report.analysis.not_measured:
        yield from page.heading("NOT MEASURED")
        yield from page.bullets(page.report.analysis.not_measured)


def _next(page: Page) -> Iterator[Line]:
    """What else would make it surer; what settles an open decision stands above."""
    verdict = page.report.analysis.verdict
    needs = verdict.needs[1:] if verdict.choice is Choice.INCONCLUSIVE else verdict.needs
    if needs:
        yield from page.heading("TO BE SURER")
        yield from page.bullets(needs)


def _kept(page: Page) -> Iterator[Line]:
    """The last lines are what is left on a small screen: where all of it is kept, and the verdict once more."""
    report = page.report
    yield from page.title("THIS RUN")
    yield from page.fact("measured", wording.origin(report))
    yield from page.fact("kept", Span(f"fleet report {report.run}", Style.STRONG), " shows it again, without hosts")
    yield from _headline(page)


def _kept_briefly(page: Page) -> Iterator[Line]:
    """As above, with the way to the rest."""
    report = page.report
    yield from page.title("THIS RUN")
    yield from page.fact("measured", wording.origin(report))
    yield from page.fact("all of it", Span(f"fleet report {report.run} --all", Style.STRONG), f": {_REST}")
    yield from _headline(page)


_REST = "every trial and why it was chosen, scaling, causes, what a job is made of, bars"


def _headline(page: Page) -> Iterator[Line]:
    report = page.report
    style = _VERDICT_STYLES.get(report.analysis.verdict.choice, Style.GOOD)
    yield from wrap([Span(wording.headline(report), style)], page.width, first="  ▶ ")


SECTIONS: tuple[Section, ...] = (
    _banner,
    _verdict,
    _why,
    evidence.throughput,
    evidence.scaling,
    evidence.explained,
    evidence.shares,
    evidence.ceilings,
    evidence.options,
    evidence.refused,
    _hosts,
    _caveats,
    _not_measured,
    _next,
    _kept,
)

BRIEF: tuple[Section, ...] = (
    _banner,
    _verdict,
    _why_briefly,
    evidence.options,
    evidence.rates,
    evidence.kept_out,
    _hosts,
    _caveats,
    _unmeasured_briefly,
    _next,
    _kept_briefly,
)
