"""The live screen as lines: stages, hosts, the running trial, the best so far and the last events. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.report.lines import Line, Span, Style, cells, clip, line, pad, wrap
from fleet.report.wording import hertz_value
from fleet.ui.state import HostMark, Running, Stage, State, Tally, best, time_left
from fleet.ui.words import emulated, trial_label
from fleet.ui.words import time_left as time_left_words
from fleet.units import format_seconds

ROAD = ("lab", "survey", "provision", "cluster", "measure", "analyse")
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SPINS_PER_SECOND = 8
_NAME, _TOOK = 11, 11
_BEST = 3
_HOST_LINES = 2
_TIED = "\u00a0"
"""A space at which no line is broken."""
_BAR, _BESIDE_BAR = 30, 42
"""The bar's length, and what is kept free for the words behind it, so that it does not change with them."""
_NARROWEST, _WIDEST = 40, 100


def view(state: State, now: float, width: int, height: int) -> tuple[Line, ...]:
    """The screen while the run goes on, at most `width` cells wide and under `height` lines high.

    Where it is low, the last events give way first, then the stages still to come, then the finished ones.
    """
    width, height = min(max(width, _NARROWEST), _WIDEST), max(height - 1, 1)
    stages = [_stage(stage, now, width) for stage in state.stages]
    others = [[*_hosts(state.hosts, width)], [*_running(state.running, now, width)], [*_tallies(state, width)]]
    lines = _joined([[*stages, *_ahead(state)], *others])
    if len(lines) > height:
        lines = _joined([stages, *others])
    if len(lines) > height:
        lines = _joined([stages[-1:], *others])
    room = height - len(lines) - 1
    events = [line("  ", Span(clip(said.text, width - 2), said.style)) for said in state.events]
    return tuple(_joined([lines, events[-room:] if room > 0 else []])[:height])


def summary(state: State, now: float, width: int) -> tuple[Line, ...]:
    """What stays on the screen when the run is over: the stages, and what the operator should look at."""
    width = min(max(width, _NARROWEST), _WIDEST)
    stages = [_stage(stage, now, width, over=True) for stage in state.stages]
    problems = [found for said in state.problems for found in wrap([said], width, first="  ! ")]
    more = wrap([f"and {state.dropped} more like these"], width, first="  ! ") if state.dropped else ()
    return (*_joined([stages, [*problems, *more]]), Line())


def _joined(blocks: Sequence[Sequence[Line]]) -> list[Line]:
    """The blocks that are not empty, an empty line between them."""
    lines: list[Line] = []
    for block in blocks:
        lines += [*([Line()] if lines and block else []), *block]
    return lines


def _stage(stage: Stage, now: float, width: int, *, over: bool = False) -> Line:
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
    detail = clip(stage.detail, width - 4 - _NAME - _TOOK - 2)
    return line("  ", mark, " ", name, Span(took.rjust(_TOOK), Style.DIM), "  ", detail)


def _ahead(state: State) -> Iterator[Line]:
    """The stages still to come: those of the road after the last one that began."""
    begun = [ROAD.index(stage.name) for stage in state.stages if stage.name in ROAD]
    for name in ROAD[max(begun, default=-1) + 1 :]:
        yield line("  ", Span(f"· {name}", Style.DIM))


def _hosts(hosts: Sequence[HostMark], width: int) -> Iterator[Line]:
    if not hosts:
        return
    spans: list[Span | str] = []
    for host in sorted(hosts, key=lambda host: host.failure is None):
        if host.failure is None:
            spans += [Span(f"✓{_TIED}", Style.GOOD), f"{host.name}  "]
        else:
            spans += [Span(f"✗{_TIED}{host.name} ", Style.BAD), Span(f"({clip(host.failure, width)})  ", Style.DIM)]
    lines = wrap(spans, width, first="  " + "hosts".ljust(_NAME + 2))
    yield from lines[:_HOST_LINES]
    if len(lines) > _HOST_LINES:
        out = sum(host.failure is not None for host in hosts)
        yield line("  " + " " * (_NAME + 2), Span(f"… {len(hosts) - out} in, {out} out", Style.DIM))


def _running(running: Running | None, now: float, width: int) -> Iterator[Line]:
    if running is None:
        return
    label = clip(trial_label(running.trial), width - _NAME - 4)
    yield line("  ", f"trial {running.number}".ljust(_NAME + 2), Span(label, Style.STRONG))
    share = min(running.done / running.total, 1.0) if running.total else 0.0
    room = min(max(width - _NAME - 4 - _BESIDE_BAR, 8), _BAR)
    solid = round(share * room)
    tasks = f"  {running.done} of {running.total} tasks" if running.total else "  starting"
    left = time_left(running, now)
    eta = f", {_after(running.remaining) if left is None else time_left_words(left)}"
    spans = (Span("━" * solid, Style.GOOD), Span("─" * (room - solid), Style.DIM), tasks, Span(eta, Style.DIM))
    yield from wrap(spans, width, first=" " * (_NAME + 4))


def _after(remaining: int) -> str:
    return f"about {remaining} trials after it" if remaining else "the last trial"


def _tallies(state: State, width: int) -> Iterator[Line]:
    for at, tally in enumerate(best(state)[:_BEST]):
        lead = "best so far" if at == 0 else ""
        mark = Span(emulated(is_so=tally.emulated), Style.EMULATED)
        value = Span(f"{hertz_value(tally.hz):>11}", Style.STRONG if at == 0 else Style.PLAIN)
        room = width - 2 - _NAME - 2 - 11 - cells(mark.text) - 2
        yield line("  ", lead.ljust(_NAME + 2), value, mark, "  ", Span(clip(_where(tally), room), Style.DIM))


def _where(tally: Tally) -> str:
    jobs = "" if tally.load.jobs == 1 else f"{tally.load.jobs} jobs, "
    return f"n = {tally.n}  {jobs}{tally.layout.label}"
