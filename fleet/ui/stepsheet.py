"""Provisioning on the screen: a line a host, what changed, and of what failed the step, the words and a way out. Pure.

A fleet of a hundred hosts with nothing to do is a hundred short lines; what is right is counted, never listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.model.playbook import StepReport, StepState
from fleet.plan.steps.hints import hint
from fleet.report.lines import Line, Span, Style, clip, line, wrap
from fleet.report.table import Column, table
from fleet.ui.stepwords import STEP_STYLES, STEP_WORDS

_LONGEST = 2000
_SAID_LINES = 12
"""Lines of what a host said that are shown, the last ones."""
_NAMED = 4
"""Hosts that are named where many have the same."""
_COLUMNS = (Column("host", flexible=True), Column("step", flexible=True), Column("", flexible=True))
_LISTED = {StepState.CHANGED, StepState.WOULD_CHANGE}
_DIFF_STYLES = {"+": Style.GOOD, "-": Style.BAD, "@": Style.DIM}
_RESTORE_WORDS = STEP_WORDS | {
    StepState.CHANGED: "put back",
    StepState.WOULD_CHANGE: "would be put back",
    StepState.SKIPPED: "cannot be put back",
}


def provision_lines(reports: Sequence[StepReport], width: int, *, diff: bool) -> Iterator[Line]:
    """What provisioning found, did, and could not do."""
    yield from _hosts(reports, width)
    changed = [report for report in reports if report.state in _LISTED]
    if changed:
        yield from _title("CHANGES" if changed[0].state is StepState.CHANGED else "WOULD CHANGE")
        yield from table(_COLUMNS, [*_alike(changed)], width)
    if diff:
        yield from _diffs(changed, width)
    yield from _failures(reports, width)
    yield from _totals(reports, width)


def restore_lines(reports: Sequence[StepReport], width: int) -> Iterator[Line]:
    """What was put back, newest first."""
    if not reports:
        yield line("Nothing is to be put back.")
        return
    yield from _title("PUT BACK")
    columns = (Column("host"), Column("step", flexible=True), Column("state"), Column("", flexible=True))
    yield from table(
        columns,
        [
            (
                Span(report.host, Style.STRONG),
                Span(report.step),
                Span(_RESTORE_WORDS[report.state], STEP_STYLES[report.state]),
                Span(clip(report.summary, _LONGEST)),
            )
            for report in reports
        ],
        width,
    )
    yield from _failures(reports, width)


def _hosts(reports: Sequence[StepReport], width: int) -> Iterator[Line]:
    counts: dict[str, dict[StepState, int]] = {}
    for report in reports:
        of_host = counts.setdefault(report.host, dict.fromkeys(StepState, 0))
        of_host[report.state] += 1
    yield from _title("HOSTS")
    columns = (Column("host"), *(Column(STEP_WORDS[state], right=True) for state in StepState), Column(""))
    rows = [
        (
            Span(host, Style.STRONG),
            *(Span(str(count) if count else "", STEP_STYLES[state]) for state, count in of_host.items()),
            _verdict(of_host),
        )
        for host, of_host in counts.items()
    ]
    yield from table(columns, rows, width)


def _verdict(counts: dict[StepState, int]) -> Span:
    if counts[StepState.FAILED]:
        return Span("not ready", Style.BAD)
    if counts[StepState.SKIPPED]:
        return Span("not begun", Style.WARN)
    if counts[StepState.WOULD_CHANGE]:
        return Span("to be changed", Style.WARN)
    return Span("ready", Style.GOOD)


def _alike(reports: Sequence[StepReport]) -> Iterator[tuple[Span, ...]]:
    """A row for each change, with all hosts that have the same."""
    hosts: dict[tuple[str, str], list[str]] = {}
    for report in reports:
        hosts.setdefault((report.step, report.summary), []).append(report.host)
    for (step, summary), names in hosts.items():
        yield Span(_several(names), Style.STRONG), Span(step), Span(clip(summary, _LONGEST))


def _several(names: Sequence[str]) -> str:
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[: _NAMED - 1])} and {len(names) - _NAMED + 1} more"


def _diffs(reports: Sequence[StepReport], width: int) -> Iterator[Line]:
    """Each difference once, with all hosts that have the same."""
    hosts: dict[tuple[str, str], list[str]] = {}
    for report in reports:
        if report.diff:
            hosts.setdefault((report.step, report.diff), []).append(report.host)
    for (step, diff), names in hosts.items():
        yield from _title(f"DIFFERENCE: {step} on {_several(names)}")
        for text in diff.splitlines():
            style = Style.PLAIN if text.startswith(("+++", "---")) else _DIFF_STYLES.get(text[:1], Style.PLAIN)
            yield line(Span(f"  {clip(text, max(20, width - 2))}", style))


def _failures(reports: Sequence[StepReport], width: int) -> Iterator[Line]:
    failed = [report for report in reports if report.state is StepState.FAILED]
    if failed:
        yield from _title("FAILED")
    for report in failed:
        yield from wrap([Span(report.host, Style.BAD), Span(f"  {report.step}", Style.STRONG)], width, first="  ✗ ")
        yield from wrap([clip(report.summary, _LONGEST)], width, first="      ")
        for text in report.detail.splitlines()[-_SAID_LINES:]:
            yield from wrap([Span(clip(text, _LONGEST), Style.DIM)], width, first="      │ ")
        if cure := hint(f"{report.summary}\n{report.detail}"):
            yield from wrap([Span(cure, Style.STRONG)], width, first="      → ")


def _totals(reports: Sequence[StepReport], width: int) -> Iterator[Line]:
    counts = ((state, sum(report.state is state for report in reports)) for state in StepState)
    total = ", ".join(f"{count} {STEP_WORDS[state]}" for state, count in counts if count) or "no steps"
    yield Line()
    yield from wrap([Span(total, Style.STRONG)], width, first="  ")


def _title(title: str) -> tuple[Line, Line]:
    return Line(), line(Span(title, Style.HEADING))
