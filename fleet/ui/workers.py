"""Workers as screens: what one more gives against what was expected of it, and the list of all. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.model.expansion import Marginal, Roster
from fleet.model.inventory import Host, Prices
from fleet.report.lines import Line, Span, Style, clip, line, wrap
from fleet.report.table import Column, table
from fleet.report.wording import NOTHING, gain, hertz, money, share
from fleet.units import format_count

_LABEL = 12
_LONGEST = 300


def marginal_lines(found: Marginal, width: int) -> tuple[Line, ...]:
    """Predicted against measured, the two rates, and whether they agree."""
    mark: tuple[Span | str, ...] = (" ", Span("(emulated devices)", Style.EMULATED)) if found.emulated else ()
    pairs = format_count(found.pairs, "pair")
    wide = "" if found.precise else "; wider than was wanted, as the pairs were spent"
    predicted = gain(found.predicted) if found.predicted else f"{NOTHING} nothing to replay"
    facts = (
        ("predicted", f"{predicted} by the twin, before the first trial with it"),
        ("measured", f"{gain(found.gain)} (95 % interval, {pairs} without and with it, ABBA{wide})"),
        ("without", hertz(found.without)),
        ("with", hertz(found.together)),
        ("agreement", _agreement(found)),
        *(("replayed", basis) for basis in found.basis),
    )
    lines = [Line(), line(Span("WORKER ", Style.HEADING), Span(found.host, Style.STRONG), *mark)]
    for label, text in facts:
        style = Style.STRONG if label == "measured" else Style.PLAIN
        lines += wrap([Span(text, style)], width, first="  " + label.ljust(_LABEL)) if text else ()
    return tuple(lines)


def _agreement(found: Marginal) -> str:
    match found.as_predicted:
        case None:
            return ""
        case True:
            return "the intervals meet: it gives what was expected"
        case False if found.predicted and found.gain.value < found.predicted.value:
            return "it gives less than was expected: look at its link, its clocks and what else runs there"
        case False:
            return "it gives more than was expected: the last run may be out of date"


def roster_lines(rows: Sequence[Roster], prices: Prices, width: int) -> tuple[Line, ...]:
    """A row for each worker, then why some do not answer."""
    columns = (
        Column("worker"),
        Column("address"),
        Column("state"),
        Column("devices", flexible=True),
        Column("answers"),
        Column("share", right=True),
        Column("cost", flexible=True),
    )
    if not rows:
        return (line("There are no workers. Add one: fleet worker add INVENTORY ssh://user@host"),)
    lines = [*table(columns, [_row(row, prices) for row in rows], width, indent=0)]
    for row in rows:
        if row.problem:
            said = Span(f" does not answer: {clip(row.problem, _LONGEST)}")
            lines += wrap([Span(row.host.name, Style.BAD), said], width, first="✗ ")
    return tuple(lines)


def _row(row: Roster, prices: Prices) -> tuple[Span, ...]:
    host, price = row.host, row.host.cost or prices.worker
    return (
        Span(host.name, Style.STRONG),
        Span(_address(host)),
        _state(row),
        Span(_devices(host)),
        Span("no", Style.BAD) if row.problem else Span("yes", Style.GOOD),
        Span(NOTHING if row.share is None else share(row.share)),
        Span(money(price, prices.currency) if price else NOTHING),
    )


def _address(host: Host) -> str:
    address = f"[{host.login.address}]" if ":" in host.login.address else host.login.address
    return f"{address}:{host.login.port}"


def _state(row: Roster) -> Span:
    if row.stage is not None:
        return Span(f"half added ({row.stage.value})", Style.WARN)
    if row.host.drained:
        return Span("drained", Style.WARN)
    return Span("candidate", Style.DIM) if row.host.candidate else Span("in service", Style.GOOD)


def _devices(host: Host) -> str:
    models = [device.model for device in host.devices]
    return ", ".join(f"{models.count(model)} × {model}" for model in dict.fromkeys(models))
