"""The capacity screen: which layouts reach the goal, what they cost, what is left without a host, what to promise."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.analyse.decide.capacity import SURE
from fleet.model.capacity import Capacity, Peak, Plant
from fleet.model.simulation import Bill
from fleet.report import wording
from fleet.report.lines import Line, Span, Style
from fleet.report.screens.sheet import Sheet, finished, label_of, sheet_of
from fleet.report.table import Column, Row, table
from fleet.units import format_share, kilohertz, speed


def capacity_screen(found: Capacity, *, width: int = 80, ascii_only: bool = False) -> tuple[Line, ...]:
    """The capacity as lines no wider than `width` cells (at least 40)."""
    sheet = sheet_of(found.source, width)
    sections = (_answer, _plants, _beyond, _peaks, _notes)
    lines = [*sheet.warning(), *(line for section in sections for line in section(sheet, found)), *sheet.origin()]
    return finished(lines, ascii_only=ascii_only)


def name_of(plant: Plant) -> str:
    """`3 × (box×2 + far×1, 1 agent each, po2 20)`."""
    label = label_of(plant.unit)
    return label if plant.replicas == 1 else f"{plant.replicas} × ({label})"


def _answer(sheet: Sheet, found: Capacity) -> Iterator[Line]:
    yield from sheet.title("CAPACITY", found.goal.text)
    yield sheet.rule()
    yield from sheet.fact("now", f"{name_of(found.now)}: {wording.hertz(found.now.hz)}")
    if found.goal.hz is not None:
        yield from sheet.fact("wanted", Span(wording.hertz_value(found.goal.hz), Style.STRONG))
    best = found.recommended
    if best is None:
        yield from sheet.fact("build", Span("nothing of what is below reaches it surely", Style.WARN))
    elif best.current:
        yield from sheet.fact("build", Span("nothing: what is in service is enough", Style.GOOD))
    else:
        yield from sheet.fact("build", Span(name_of(best), Style.GOOD))
    if best is not None:
        yield from _what_it_gives(sheet, found, best)
    yield sheet.rule()


def _what_it_gives(sheet: Sheet, found: Capacity, best: Plant) -> Iterator[Line]:
    mark = " EXTRAPOLATION" if best.beyond else ""
    sure = "" if best.reaches is None else f"; P(reaches) {wording.probability(best.reaches)}"
    yield from sheet.fact("gives", f"{wording.hertz(best.hz)}{sure}", Span(mark, Style.WARN))
    if found.goal.hz is not None:
        yield from sheet.fact("headroom", wording.percent(best.hz.value / found.goal.hz - 1))
    yield from sheet.fact("cost", cost(best, found))
    yield from sheet.fact("N−1", _lost(best, found))


def cost(plant: Plant, found: Capacity) -> str:
    """`USD 317 a month (USD 7,600 once, spread over 24 months)`; in words where there is no figure."""
    bill, currency = plant.bill, found.source.currency
    if plant.monthly is None:
        known = _paid(bill, currency)
        return f"not known: no price of {', '.join(bill.missing)}{f'; besides {known}' if known else ''}"
    if plant.monthly == 0:
        return "nothing to buy"
    spread = f", spread over {found.months:g} months" if bill.once else ""
    return f"{currency} {plant.monthly:,.0f} a month ({_paid(bill, currency)}{spread})"


def _paid(bill: Bill, currency: str) -> str:
    parts = [
        f"{wording.amount(bill.once, currency)} once" if bill.once else "",
        f"{wording.amount(bill.hourly, currency)} an hour" if bill.hourly else "",
    ]
    return " and ".join(part for part in parts if part)


def _lost(plant: Plant, found: Capacity) -> str:
    parts = [f"{_left(plant.without_head, found)} without the head"]
    if plant.without_worker is not None:
        parts.append(f"{_left(plant.without_worker, found)} without a remote worker")
    return "; ".join(parts)


def _left(hertz: float, found: Capacity) -> str:
    if hertz <= 0:
        return "nothing"
    enough = found.goal.hz is not None and hertz >= found.goal.hz
    return f"{wording.hertz_value(hertz)}{' (still enough)' if enough else ''}"


def _plants(sheet: Sheet, found: Capacity) -> Iterator[Line]:
    if not found.plants:
        return
    surely = f"; ▶ the first whose P is {format_share(SURE)} or more" if found.recommended else ""
    title = ("LAYOUTS THAT MAY DO IT", f"cheapest first{surely}")
    yield from sheet.title(*(title if found.goal.hz else ("LAYOUTS WITHIN IT", f"most {speed()} first")))
    columns = (
        Column(""),
        Column("layout", flexible=True),
        Column(f"{kilohertz()} [95 %]", right=True),
        Column("P", right=True),
        Column("a month", right=True),
        Column("N−1", right=True),
        Column("hosts", right=True),
    )
    rows: list[Row] = [_row(found, plant) for plant in found.plants]
    yield from table(columns, rows, sheet.width)
    what = [f"N−1: {kilohertz()} that are left without the worst host to lose, a cluster's head"]
    if found.goal.hz:
        what.insert(0, f"P: that it gives at least {wording.hertz_value(found.goal.hz)}")
    yield from sheet.bullets(what, Style.DIM)


def _row(found: Capacity, plant: Plant) -> Row:
    chosen = plant == found.recommended
    style = Style.GOOD if chosen else Style.PLAIN
    hz = plant.hz
    return (
        Span("▶" if chosen else "", style),
        Span(f"{name_of(plant)}{' (E)' if plant.beyond else ''}", style),
        Span(f"{hz.value / 1e3:,.0f} [{hz.low / 1e3:,.0f}, {hz.high / 1e3:,.0f}]"),
        Span("" if plant.reaches is None else wording.probability(plant.reaches)),
        Span("no price" if plant.monthly is None else f"{plant.monthly:,.0f}"),
        Span(f"{plant.without_head / 1e3:,.0f}"),
        Span(str(plant.hosts)),
    )


def _beyond(sheet: Sheet, found: Capacity) -> Iterator[Line]:
    """How what is recommended leaves the measured range; else how the first layout does."""
    shown = found.recommended or next(iter(found.plants), None)
    if shown is not None and shown.beyond:
        yield from sheet.heading(f"EXTRAPOLATION of {name_of(shown)}")
        yield from sheet.bullets((beyond.text for beyond in shown.beyond), Style.WARN)


def _peaks(sheet: Sheet, found: Capacity) -> Iterator[Line]:
    if kilohertz() != "kHz":  # only a prover's broker is promised anything
        return
    yield from sheet.title("WHAT TO PROMISE", "peak_prove_khz")
    yield from sheet.fact("now", *_peak(found.peak_now))
    if found.peak_then is not None:
        yield from sheet.fact("then", *_peak(found.peak_then))


def _peak(peak: Peak) -> tuple[Span, Span]:
    return Span(f"{peak.khz:,}", Style.STRONG), Span(f"  = {peak.why}, {wording.hertz_value(peak.worst)}", Style.DIM)


def _notes(sheet: Sheet, found: Capacity) -> Iterator[Line]:
    yield from sheet.heading("TO KEEP IN MIND")
    yield from sheet.bullets(found.notes)
