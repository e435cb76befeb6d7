"""What explains the figures, as blocks that every rendering shows: both measures, company and its causes, a job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from fleet.model.anatomy import Decomposition, ServiceTime
from fleet.model.trial import Goal
from fleet.model.verdict import BothMeasures, Report, Standing, Suspect, TrialSeen
from fleet.report import wording
from fleet.report.table import Column
from fleet.units import format_hertz, format_seconds, kind_word, spoken, task_word, work_word

_STANDINGS = {
    Standing.CAUSE: "the cause",
    Standing.CORRELATED: "suspected",
    Standing.CLEARED: "cleared",
    Standing.UNKNOWN: "not known",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A title with a note, a table of texts, and paragraphs below it."""

    title: str
    note: str = ""
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    bullets: tuple[str, ...] = ()


def blocks(report: Report) -> tuple[Block, ...]:
    """The blocks that this report has something to say in."""
    return tuple(block for write in _WRITERS for block in write(report))


def _measures(report: Report) -> Iterator[Block]:
    found = report.analysis.measures
    if not found:
        return
    many = f"{found[0].jobs} at once"
    goal = "one job" if report.analysis.goal is Goal.LATENCY else many
    yield Block(
        title=f"ONE JOB AGAINST {many.upper()}",
        note=f"the verdict is about {goal}",
        columns=(
            Column("layout", flexible=True),
            Column("one job", right=True),
            Column("against now", right=True),
            Column(many, right=True),
            Column("against now", right=True),
        ),
        rows=tuple(_measure(one) for one in found),
    )


def _measure(one: BothMeasures) -> tuple[str, ...]:
    return (
        one.layout.label,
        wording.hertz_value(one.latency.value),
        wording.percent(one.latency_gain.value) if one.latency_gain else "now",
        wording.hertz_value(one.capacity.value),
        wording.percent(one.capacity_gain.value) if one.capacity_gain else "now",
    )


def _company(report: Report) -> Iterator[Block]:
    found, far = report.analysis.inflations, report.analysis.efficiencies
    if not found and not far:
        return
    yield Block(
        title=f"WHAT COMPANY DOES TO A {task_word().upper()}",
        note="φ, against one agent alone on that host" if found else "",
        columns=(
            Column("layout", flexible=True),
            Column("on"),
            Column("devices", right=True),
            Column("agents each", right=True),
            Column("takes", right=True),
            Column("95 % interval"),
        ),
        rows=tuple(
            (
                one.layout.label,
                one.host,
                str(one.devices),
                str(one.agents),
                f"{one.stretch.value:.2f}×",
                wording.factor_interval(one.stretch),
            )
            for one in found
        ),
        bullets=tuple(
            f"{one.host} {work_word()}s at {one.efficiency.value:.2f} {wording.factor_interval(one.efficiency)} "
            "of a near device's pace (η)"
            for one in far
        ),
    )


def _suspects(report: Report) -> Iterator[Block]:
    found = report.analysis.suspects
    if not found:
        return
    open_ones = [one for one in found if one.standing in (Standing.CORRELATED, Standing.UNKNOWN)]
    convicted = any(one.standing is Standing.CAUSE for one in found)
    yield Block(
        title="WHAT IT COMES FROM",
        note="every suspect, and what one change did",
        columns=(Column("standing"), Column("suspect", flexible=True), Column("seen", flexible=True)),
        rows=tuple((_STANDINGS[one.standing], one.text, _seen(one)) for one in found),
        bullets=() if convicted else (*_results(open_ones), *(f"{one.text}: {one.intervention}" for one in open_ones)),
    )


def _results(suspects: Iterable[Suspect]) -> tuple[str, ...]:
    """What the one change did, once, where it convicted nobody."""
    unknown = (one for one in suspects if one.standing is Standing.UNKNOWN)
    return tuple(dict.fromkeys(one.result for one in unknown if one.result))


def _seen(one: Suspect) -> str:
    shown = one.result if one.standing in (Standing.CAUSE, Standing.CORRELATED) else None
    return "; ".join((*one.seen, *([shown] if shown else [])))


def _parts(report: Report) -> Iterator[Block]:
    found = _current(report)
    if found is None:
        return
    load = "one job" if found.jobs == 1 else f"{found.jobs} jobs at once"
    yield Block(
        title="WHAT A JOB IS MADE OF",
        note=f"{found.layout.label}; {load}",
        columns=(
            Column("task"),
            Column("on", flexible=True),
            Column("seconds each", right=True),
            Column("95 % interval"),
            Column("pieces" if spoken().pieces else "tasks", right=True),
        ),
        rows=tuple(_service(one) for one in found.services),
        bullets=tuple(_sentences(found)),
    )


def _current(report: Report) -> Decomposition | None:
    """The layout in service under the load that the verdict is about."""
    alike = [found for found in report.analysis.decompositions if found.layout == report.current]
    capacity = report.analysis.goal is Goal.CAPACITY
    return next((found for found in alike if (found.jobs > 1) is capacity), None)


def _service(one: ServiceTime) -> tuple[str, ...]:
    return (
        f"piece of a {task_word()}" if spoken().pieces else kind_word(one.kind),
        one.host or wording.NOTHING,
        *wording.seconds_each(one.seconds),
        str(one.count),
    )


def _sentences(found: Decomposition) -> Iterator[str]:
    share = found.share
    if spoken().pieces:
        yield wording.PIECES
    yield (
        f"{format_seconds(found.seconds)} from first start to last end; the agents were busy "
        f"{wording.share(share.busy)}, waited for dispatch {wording.share(share.dispatch)}, had nothing ready "
        f"{wording.share(share.graph)}"
    )
    rate = f" at {format_hertz(found.executor_hz)}" if found.executor_hz is not None else ""
    executor = f"the executor{rate} {format_seconds(found.executor_seconds)}, " if found.executor_seconds else ""
    yield (
        f"no schedule is shorter than its largest part: {executor}the agents' work shared evenly "
        f"{format_seconds(found.work)}, the longest chain of tasks {format_seconds(found.critical_path)}"
    )
    if found.coordinator is not None:
        yield f"handing out tasks keeps the coordinator busy {wording.share(found.coordinator)} of the time, at most"


def _campaign(report: Report) -> Iterator[Block]:
    if report.analysis.campaign:
        yield Block(
            title="THE TRIALS, AND WHY EACH WAS CHOSEN",
            note="in the order in which they ran",
            columns=(
                Column("", right=True),
                Column("layout", flexible=True),
                Column("effective", right=True),
                Column("chosen for", flexible=True),
            ),
            rows=tuple(_trial(one) for one in report.analysis.campaign),
        )


def _trial(one: TrialSeen) -> tuple[str, ...]:
    at_once = f", {one.jobs} jobs" if one.jobs > 1 else ""
    came_of_it = wording.hertz_value(one.hz) if one.hz is not None else wording.fault(one.refused or wording.NOTHING)
    return str(one.number), f"{one.layout.label}{at_once}", came_of_it, f"{one.experiment}: {one.why}"


_WRITERS: tuple[Callable[[Report], Iterator[Block]], ...] = (_measures, _company, _suspects, _parts, _campaign)
