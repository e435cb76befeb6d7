"""Surveys, plans and steps as small tables. Pure: what `screen` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.model.facts import Facts, Survey
from fleet.model.inventory import Current, Host, Inventory, Prices
from fleet.model.playbook import StepReport, StepState
from fleet.model.spending import limits
from fleet.model.trial import Plan
from fleet.report.lines import Line, Span, Style, clip, line, wrap
from fleet.report.table import Column, table
from fleet.report.wording import NOTHING, money
from fleet.ui.stepwords import STEP_STYLES, STEP_WORDS
from fleet.units import device_word, format_bytes, format_iterations, format_setting

_LABEL = 14
_LONGEST = 2000


def survey_lines(survey: Survey, width: int) -> tuple[Line, ...]:
    """The hosts as they were found, then those that failed."""
    offsets = {offset.host: f"{offset.offset * 1e3:+.0f} ± {offset.error * 1e3:.0f} ms" for offset in survey.offsets}
    columns = (
        Column("host"),
        Column("system", flexible=True),
        Column("processor", flexible=True),
        Column("cores", right=True),
        Column("memory", right=True),
        Column("python"),
        Column("ray"),
        Column("clock", right=True),
        Column("GPUs", flexible=True),
    )
    rows = [_facts(facts, offsets.get(facts.host, NOTHING)) for facts in survey.facts]
    lines = [*_title("HOSTS"), *table(columns, rows, width)]
    for failure in survey.failures:
        cure = [Span(f"  {failure.hint}", Style.STRONG)] if failure.hint else []
        said = Span(f" at {failure.stage}: {clip(failure.message, _LONGEST)}")
        lines += wrap([Span(failure.host, Style.BAD), said, *cure], width, first="  ✗ ")
    return tuple(lines)


def _facts(facts: Facts, offset: str) -> tuple[Span, ...]:
    return (
        Span(facts.host, Style.STRONG),
        Span(f"{facts.system} {facts.kernel}".strip()),
        Span(facts.cpu_model or NOTHING),
        Span(str(facts.cores)),
        Span(format_bytes(facts.memory)),
        Span(facts.python or NOTHING),
        Span(facts.ray or NOTHING),
        Span(offset),
        Span(", ".join(facts.gpus)),
    )


def plan_lines(plan: Plan, inventory: Inventory, width: int) -> tuple[Line, ...]:
    """What would be measured, on which devices, relative to what, and what the inventory left open."""
    budget = plan.budget
    jobs = "one job" if plan.load.jobs == 1 else f"{plan.load.jobs} jobs at once, each"
    load = f"{jobs} of {format_iterations(plan.load.iterations)}"
    mark: tuple[Span | str, ...] = (" ", Span("(emulated devices)", Style.EMULATED)) if inventory.emulated else ()
    facts = (
        ("inventory", f"{inventory.name} ({inventory.path})"),
        ("in service", plan.current.label),
        ("stated", _stated(inventory.current, inventory.prices)),
        ("assumed", ", ".join(plan.assumed)),
        ("goal", plan.goal.value),
        ("load", load),
        ("experiments", " → ".join(experiment.value for experiment in plan.experiments)),
        (
            "budget",
            f"{limits(budget, inventory.prices.currency)}, {budget.repeats} repeats",
        ),
        ("seed", str(plan.seed)),
    )
    lines = [Line(), line(Span("PLAN", Style.HEADING), *mark)]
    for label, text in facts:
        lines += wrap([text], width, first="  " + label.ljust(_LABEL)) if text else ()
    return (*lines, *_devices(plan, inventory, width))


def _stated(current: Current, prices: Prices) -> str:
    found = (
        current.po2 is not None and format_setting(current.po2),
        current.agents_per_device and f"agents on each device: {current.agents_per_device}",
        prices.gpu and f"a {device_word()} {money(prices.gpu, prices.currency)}",
        prices.worker and f"a worker {money(prices.worker, prices.currency)}",
        prices.replica and f"a second cluster {money(prices.replica, prices.currency)}",
    )
    return ", ".join(part for part in found if part) or "nothing"


def _devices(plan: Plan, inventory: Inventory, width: int) -> Iterator[Line]:
    yield from _title("DEVICES")
    columns = (
        Column("host"),
        Column("role"),
        Column("devices", flexible=True),
        Column("free slots", right=True),
        Column("state"),
    )
    yield from table(columns, [_host(host, used=host.name in plan.hosts) for host in inventory.hosts], width)


def _host(host: Host, *, used: bool) -> tuple[Span, ...]:
    counts: dict[str, int] = {}
    for device in host.devices:
        size = f", {format_bytes(device.memory)}" if device.memory else ""
        what = f"{device.model} ({device.kind.value}{size})"
        counts[what] = counts.get(what, 0) + 1
    state = ("candidate" if host.candidate else "in service") if used else "left out"
    return (
        Span(host.name, Style.STRONG),
        Span(host.role.value),
        Span(", ".join(f"{count} × {what}" for what, count in counts.items())),
        Span(NOTHING if host.free_slots is None else str(host.free_slots)),
        Span(state, Style.PLAIN if used else Style.BAD),
    )


def step_lines(reports: Sequence[StepReport], width: int) -> tuple[Line, ...]:
    """What each step found or did on each host, and the totals."""
    columns = (Column("host"), Column("step", flexible=True), Column("state"), Column("", flexible=True))
    rows = [
        (
            Span(report.host, Style.STRONG),
            Span(report.step),
            Span(STEP_WORDS[report.state], STEP_STYLES[report.state]),
            Span(clip(_detail(report), _LONGEST)),
        )
        for report in reports
    ]
    counts = ((state, sum(report.state is state for report in reports)) for state in StepState)
    total = ", ".join(f"{count} {STEP_WORDS[state]}" for state, count in counts if count) or "no steps"
    return (*_title("STEPS"), *table(columns, rows, width), *wrap([Span(total, Style.STRONG)], width, first="  "))


def _detail(report: StepReport) -> str:
    if report.state in {StepState.RIGHT, StepState.SKIPPED}:
        return ""
    return f"{report.summary}: {report.detail}" if report.detail else report.summary


def _title(title: str) -> tuple[Line, Line]:
    return Line(), line(Span(title, Style.HEADING))
