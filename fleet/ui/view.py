"""The live screen as lines: stages, hosts, the running trial, the best so far and the last events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fleet.model.event import Rate
from fleet.report.lines import Line, Span, Style, cells, clip, line, pad, wrap
from fleet.report.wording import hertz_value, percent
from fleet.ui.state import Happening, HostMark, Running, Stage, State, time_left
from fleet.ui.words import against_now, in_width, layout_in_width, rate_of, stamp
from fleet.ui.words import time_left as time_left_words
from fleet.units import format_seconds

ROAD = ("lab", "survey", "provision", "cluster", "measure", "analyse")
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SPINS_PER_SECOND = 8
_NAME, _TOOK = 11, 11
_LABEL = _NAME + 2
_NEXT = 2
"""Layouts that are shown beside the best and the one in service, where there is room."""
_LAST = 3
"""Events for which room is made."""
_KEPT = 3
"""Lines of the best estimate that a very low screen keeps."""
_AS_NOW, _EMULATED = " (as now)", " (emulated)"
_HOST_LINES = 2
_TIED = "\u00a0"
"""A space at which no line is broken."""
_BAR, _BESIDE_BAR = 30, 36
"""The bar's length, and what is kept free for the words behind it, so that it does not change with them."""
_NARROWEST, _WIDEST = 40, 100


def view(state: State, now: float, width: int, height: int) -> tuple[Line, ...]:
    """The screen while the run goes on, at most `width` cells wide and under `height` lines high.

    Where it is low, the stages share a line, then the layout in service and the other stages give way to the last
    events; what runs now and the best estimate stay.
    """
    width, height = min(max(width, _NARROWEST), _WIDEST), max(height - 1, 1)
    events = [_event(happening, width) for happening in state.events]
    lines = _fitting(_shapes(state, now, width), height - min(len(events), _LAST) - 1)
    room = height - len(lines) - 1
    return tuple(_joined([lines, events[-room:] if room > 0 else []])[:height])


def _fitting(shapes: Iterable[list[Line]], height: int) -> list[Line]:
    """The first that is low enough; the last where none is."""
    lines: list[Line] = []
    for lines in shapes:
        if len(lines) <= height:
            break
    return lines


def _shapes(state: State, now: float, width: int) -> Iterator[list[Line]]:
    """The screen without its last events, from the most to the least that it can show."""
    hosts, trial = [*_hosts(state.hosts, width)], [*_trial(state.running, now, width)]
    stages = [_stage(stage, now, width, detail=_detail(state, stage, now)) for stage in state.stages]
    best, others = [*_best(state.rates, width)], [*_others(state.rates, width)]
    yield _joined([[*stages, *_ahead(state)], hosts, trial, [*best, *others]])
    yield _joined([[*stages, *_ahead(state)], hosts, trial, best])
    short = [*_in_brief(state, width), *stages[-1:]]
    yield _joined([short, hosts, trial, best])
    yield _joined([stages[-1:], trial, best])
    yield [*stages[-1:], *trial, *best[:_KEPT]]


def summary(state: State, now: float, width: int) -> tuple[Line, ...]:
    """What stays on the screen when the run is over: the stages, and what the operator should look at."""
    width = min(max(width, _NARROWEST), _WIDEST)
    stages = [_stage(stage, now, width, detail=stage.detail, over=True) for stage in state.stages]
    problems = [found for said in state.problems for found in wrap([said], width, first="  ! ")]
    more = wrap([f"and {state.dropped} more like these"], width, first="  ! ") if state.dropped else ()
    return (*_joined([stages, [*problems, *more]]), Line())


def _joined(blocks: Sequence[Sequence[Line]]) -> list[Line]:
    """The blocks that are not empty, an empty line between them."""
    lines: list[Line] = []
    for block in blocks:
        lines += [*([Line()] if lines and block else []), *block]
    return lines


def _stage(stage: Stage, now: float, width: int, *, detail: str, over: bool = False) -> Line:
    """A stage with its mark, its result and its time; one that never finished was where the run ended."""
    if stage.finished is not None:
        mark = Span("✓", Style.GOOD)
    elif over:
        mark = Span("✗", Style.BAD)
    else:
        mark = Span(_SPINNER[int(now * _SPINS_PER_SECOND) % len(_SPINNER)], Style.WARN)
    took = format_seconds(max((now if stage.finished is None else stage.finished) - stage.started, 0.0))
    style = Style.STRONG if stage.finished is None else Style.PLAIN
    name = Span(pad(clip(stage.name, _NAME), _NAME), style)
    took = took.rjust(_TOOK)  # wider from a hundred minutes on
    room = width - 4 - _NAME - cells(took) - 2
    return line("  ", mark, " ", name, Span(took, Style.DIM), "  ", clip(detail, room))


def _detail(state: State, stage: Stage, now: float) -> str:
    """A stage's result; while trials run, which one of how many, and the time that is left."""
    running = state.running
    if state.stopping is not None and stage.finished is None:
        return f"stopping what was started, {format_seconds(now - state.stopping)}"
    if running is None or stage.finished is not None:
        return stage.detail
    count = f"trial {running.number} of about {running.number + running.remaining}"
    left = time_left(running, now)
    return count if left is None else f"{time_left_words(left)}, {count}"


def _in_brief(state: State, width: int) -> Iterator[Line]:
    """The stages that are done, and those still to come, in a line."""
    spans: list[Span | str] = []
    for stage in state.stages[:-1]:
        spans += [Span(f"✓{_TIED}{stage.name}", Style.GOOD), "  "]
    spans += [Span(f"·{_TIED}{found}  ", Style.DIM) for found in _still(state)]
    yield from wrap(spans, width, first="  ")[:1] if spans else ()


def _ahead(state: State) -> Iterator[Line]:
    for name in _still(state):
        yield line("  ", Span(f"· {name}", Style.DIM))


def _still(state: State) -> tuple[str, ...]:
    """The stages still to come: those of the road after the last one that began."""
    begun = [ROAD.index(stage.name) for stage in state.stages if stage.name in ROAD]
    return ROAD[max(begun, default=-1) + 1 :]


def _hosts(hosts: Sequence[HostMark], width: int) -> Iterator[Line]:
    if not hosts:
        return
    spans: list[Span | str] = []
    for host in sorted(hosts, key=lambda host: host.failure is None):
        if host.failure is None:
            spans += [Span(f"✓{_TIED}{host.name}", Style.GOOD), "  "]
        else:
            spans += [Span(f"✗{_TIED}{host.name} ", Style.BAD), Span(f"({clip(host.failure, width)})  ", Style.DIM)]
    lines = wrap(spans, width, first="  " + "hosts".ljust(_LABEL))
    yield from lines[:_HOST_LINES]
    if len(lines) > _HOST_LINES:
        out = sum(host.failure is not None for host in hosts)
        yield line("  " + " " * _LABEL, Span(f"… {len(hosts) - out} in, {out} out", Style.DIM))


def _trial(running: Running | None, now: float, width: int) -> Iterator[Line]:
    if running is None:
        return
    label = in_width(running.trial, width - _LABEL - 2)
    yield line("  ", f"trial {running.number}".ljust(_LABEL), Span(label, Style.STRONG))
    share = min(running.done / running.total, 1.0) if running.total else 0.0
    room = min(max(width - _LABEL - 2 - _BESIDE_BAR, 8), _BAR)
    solid = round((share if running.ended is None else 1.0) * room)
    spans = (Span("━" * solid, Style.GOOD), Span("─" * (room - solid), Style.DIM), f"  {_progress(running, now)}")
    yield from wrap(spans, width, first=" " * (_LABEL + 2))


def _progress(running: Running, now: float) -> str:
    if running.ended is not None:
        return "done; choosing what comes next"
    if running.began is None:
        return f"making its agents ready, {format_seconds(now - running.started)}"
    return f"{running.done} of {running.total} tasks"


def _best(rates: Sequence[Rate], width: int) -> Iterator[Line]:
    """The best layout so far, its rate and its gain with their intervals; then the layout in service."""
    for at, rate in enumerate(rates):
        if at and not rate.in_service:
            continue
        both = at == 0 and rate.in_service
        label = "best so far" if at == 0 else "now"
        name = layout_in_width(rate.layout, width - _LABEL - 2 - (len(_AS_NOW) if both else 0))
        yield line("  ", label.ljust(_LABEL), Span(name, Style.STRONG if at == 0 else Style.PLAIN), _AS_NOW * both)
        figures = Span(rate_of(rate).removesuffix(_EMULATED), Style.STRONG if at == 0 else Style.PLAIN)
        mark = Span(_EMULATED if rate.emulated else "", Style.EMULATED)
        yield from wrap([figures, mark], width, first=" " * (_LABEL + 2))
        if rate.gain is not None and at == 0:
            style = Style.GOOD if rate.gain.low > 0 else Style.PLAIN
            yield from wrap([Span(against_now(rate.gain), style)], width, first=" " * (_LABEL + 2))


def _others(rates: Sequence[Rate], width: int) -> Iterator[Line]:
    """The next best, a line each."""
    others = [rate for rate in rates[1:] if not rate.in_service][:_NEXT]
    for at, rate in enumerate(others):
        gained = "" if rate.gain is None else f"{percent(rate.gain.value):>10}"
        figures, mark = f"{hertz_value(rate.hz.value)}{gained}", _EMULATED if rate.emulated else ""
        name = layout_in_width(rate.layout, width - _LABEL - 4 - cells(figures + mark))
        label = ("others" if at == 0 else "").ljust(_LABEL)
        yield line("  ", label, figures, Span(mark, Style.EMULATED), "  ", Span(name, Style.DIM))


def _event(happening: Happening, width: int) -> Line:
    when = f"  {stamp(happening.at)}  "
    return line(Span(when, Style.DIM), Span(clip(happening.said.text, width - len(when)), happening.said.style))
