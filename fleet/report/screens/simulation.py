"""The what-if screen: what the change gives and how sure that is, which wait it removes, what else would help."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fleet.model.anatomy import Share
from fleet.model.simulation import CUTS, Alternative, JobTime, Prediction, Simulation
from fleet.report import wording
from fleet.report.lines import Line, Span, Style
from fleet.report.screens.sheet import Sheet, finished, label_of, sheet_of
from fleet.report.table import Column, Row, table
from fleet.units import format_seconds, format_share, kind_word, speed

_BUSY = "busy"
_WAITS: tuple[tuple[str, Callable[[Share], float]], ...] = (
    (_BUSY, lambda share: share.busy),
    ("waiting for dispatch", lambda share: share.dispatch),
    ("waiting for the task graph", lambda share: share.graph),
)

_SMALL = 0.005
"""A share of a job's time below this is not worth naming …"""

_NOTABLE = 0.05
"""… nor what grows by less than this share of what is saved."""


def simulation_screen(found: Simulation, *, width: int = 80, ascii_only: bool = False) -> tuple[Line, ...]:
    """The simulation as lines no wider than `width` cells (at least 40)."""
    sheet = sheet_of(found.source, width)
    sections = (_answer, _time, _curve, _search, _known, _notes)
    lines = [*sheet.warning(), *(line for section in sections for line in section(sheet, found)), *sheet.origin()]
    return finished(lines, ascii_only=ascii_only)


def _answer(sheet: Sheet, found: Simulation) -> Iterator[Line]:
    asked = found.asked
    yield from sheet.title("WHAT IF" if asked else "AS IT IS")
    yield sheet.rule()
    now = f"{wording.hertz(found.now)} measured, n = {found.now.n}"
    yield from sheet.fact("now", Span(label_of(found.current), Style.STRONG))
    yield from sheet.fact("", now)
    if asked is not None:
        yield from _prediction(sheet, found, asked)
    yield sheet.rule()


def _prediction(sheet: Sheet, found: Simulation, asked: Prediction) -> Iterator[Line]:
    mark = " EXTRAPOLATION" if asked.beyond else ""
    yield from sheet.fact("then", Span(label_of(asked.layout), Style.STRONG))
    yield from sheet.fact("", f"{wording.hertz(asked.hz)} predicted", Span(mark, Style.WARN))
    if asked.measured is not None:
        yield from sheet.fact("", f"{wording.hertz(asked.measured)} measured, n = {asked.measured.n}")
    better = f" (95 % interval); the probability of any gain is {wording.probability(asked.better)}"
    yield from sheet.fact("gain", Span(wording.gain(asked.gain), Style.STRONG), Span(better, Style.DIM))
    if found.after is not None:
        yield from sheet.fact("takes off", removed(found.before, found.after))
    for beyond in asked.beyond:
        yield from sheet.fact("beyond", Span(beyond.text, Style.WARN))


def removed(before: JobTime, after: JobTime) -> str:
    """What an agent spends less time on in a job, the most first: `2.5 s of waiting for dispatch`; and on what more."""
    saved = [(part(before.share) * before.seconds - part(after.share) * after.seconds, name) for name, part in _WAITS]
    seconds, name = max(saved)
    if seconds < _SMALL * before.seconds:
        longer = after.seconds - before.seconds
        if longer < _SMALL * before.seconds:
            return "nothing"
        least, what = min(saved)
        return f"nothing: the job takes {format_seconds(longer)} longer, {format_seconds(-least)} of {_called(what)}"
    what = f"{format_seconds(seconds)} of {_called(name)} for each agent in a job"
    others = [f"{other} grows by {format_seconds(-more)}" for more, other in saved if -more > seconds * _NOTABLE]
    return "; ".join((what, *others))


def _called(part: str) -> str:
    return "work" if part == _BUSY else part


def _time(sheet: Sheet, found: Simulation) -> Iterator[Line]:
    yield from sheet.title("WHERE AN AGENT'S TIME GOES", "replayed, in one job")
    columns = (
        Column(""),
        Column("now", right=True),
        Column("", right=True),
        Column("then", right=True),
        Column("", right=True),
    )
    after = found.after
    rows: list[Row] = []
    for name, part in _WAITS:
        then = _spent(after, part) if after else ("", "")
        rows.append(tuple(map(Span, (name, *_spent(found.before, part), *then))))
    totals = ("the job", "", format_seconds(found.before.seconds), "", format_seconds(after.seconds) if after else "")
    rows.append(tuple(Span(text, Style.STRONG) for text in totals))
    yield from table(columns, rows, sheet.width)


def _spent(time: JobTime, part: Callable[[Share], float]) -> tuple[str, str]:
    return wording.share(part(time.share)), format_seconds(part(time.share) * time.seconds)


def _curve(sheet: Sheet, found: Simulation) -> Iterator[Line]:
    yield from sheet.title("IF ONE PART TOOK LESS TIME", f"gain in {speed()}, {'then' if found.asked else 'now'}")
    titles = [f"−{format_share(cut)}" if cut < 1 else "no time" for cut in CUTS if cut > 0]
    columns = (Column("part"), *(Column(title, right=True) for title in titles))
    rows: list[Row] = [
        (
            Span(kind_word(speedup.part)),
            *(Span(wording.percent(gain)) for cut, gain in zip(CUTS, speedup.gains, strict=True) if cut > 0),
        )
        for speedup in found.curve
    ]
    yield from table(columns, rows, sheet.width)


def _search(sheet: Sheet, found: Simulation) -> Iterator[Line]:
    if not found.ranking:
        return
    yield from sheet.title("THE BEST OF WHAT IS FEASIBLE", f"{found.searched} candidates replayed")
    columns = (
        Column("layout", flexible=True),
        Column("expected", right=True),
        Column("gain", right=True),
        Column("a month", right=True),
        Column("fastest", right=True),
        Column("best buy", right=True),
    )
    rows: list[Row] = [_alternative(found, one) for one in found.ranking]
    yield from table(columns, rows, sheet.width)
    yield from sheet.bullets(_words(found))
    if found.left_out:
        yield from sheet.bullets((f"left out: {reason}" for reason in found.left_out), Style.WARN)


def _alternative(found: Simulation, one: Alternative) -> Row:
    told = one.prediction
    now = told.layout == found.current
    style = Style.STRONG if now else Style.PLAIN
    return (
        Span(f"{label_of(told.layout)}{' (E)' if told.beyond else ''}", style),
        Span(wording.hertz_value(found.now.value if now else told.hz.value)),
        Span("now" if now else wording.percent(told.gain.value)),
        Span("no price" if one.monthly is None else f"{one.monthly:,.0f}"),
        Span(wording.probability(one.best)),
        Span(wording.probability(one.value) if one.monthly else wording.NOTHING),
    )


def _words(found: Simulation) -> Iterator[str]:
    best = max(found.ranking, key=lambda one: one.best)
    yield f"fastest: how likely it is that nothing else here gives more {speed()}; {_leader(best, best.best)}"
    paid = [one for one in found.ranking if one.monthly]
    if paid:
        value = max(paid, key=lambda one: one.value)
        yield (
            "best buy: how likely it is that no other purchase here gains more for its price, over what can be had for "
            f"nothing; {_leader(value, value.value)}"
        )
    yield f"{found.source.currency} a month: what is paid once is spread over {found.months:g} months"


def _leader(one: Alternative, chance: float) -> str:
    return f"first is {label_of(one.prediction.layout)}, with {wording.probability(chance)}"


def _known(sheet: Sheet, found: Simulation) -> Iterator[Line]:
    if found.asked is not None:
        yield from sheet.heading("HOW THIS IS KNOWN")
        yield from sheet.bullets(found.asked.basis)


def _notes(sheet: Sheet, found: Simulation) -> Iterator[Line]:
    yield from sheet.heading("TO KEEP IN MIND")
    yield from sheet.bullets(found.notes)
    if any(one.prediction.beyond for one in found.ranking):
        yield from sheet.bullets(["(E) extrapolation: beyond what was measured, with a wider interval"])
