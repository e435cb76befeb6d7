"""The page's last panels: what is left after a loss, what was refused, every trial, method and how to do it again."""

from __future__ import annotations

from fleet.model.capacity import Capacity, Plant
from fleet.model.rates import UNMEASURED, effective_hz, flaw
from fleet.model.record import Observation
from fleet.model.trial import Goal
from fleet.report import wording
from fleet.report.figures import refused_alike
from fleet.report.html.dossier import Dossier
from fleet.report.html.markup import Html, Node, bullets, cls, coded, el, heads, join, table
from fleet.report.screens.capacity import name_of
from fleet.units import (
    example_rate,
    format_count,
    format_iterations,
    format_seconds,
    kilohertz,
    length_title,
    sizes_title,
    spoken,
    work_word,
)

_MOST_ROWS = 500
"""Trials that are listed one by one."""


def losses(capacity: Capacity) -> Html:
    """N−1: what is left when a host is lost, now and with what could be built."""
    currency = capacity.source.currency
    mark = " (emulated)" if capacity.source.emulated else ""
    rows = [_plant(plant) for plant in (capacity.now, *(p for p in capacity.plants if not p.current))]
    columns = heads(
        "layout",
        ">gives",
        ">without one worker",
        ">without a cluster's head",
        f">{currency} a month",
        ">hosts",
        "known by",
    )
    return join(
        [
            el("p", coded(f"Layouts that give {capacity.goal.text}, and what each leaves when a host dies. For another "
                          f"target: `fleet capacity {capacity.source.run} --target {example_rate()}`.")),
            table("What is left when a host is lost" + mark, columns, rows),
            bullets(map(coded, capacity.notes)),
        ]
    )  # fmt: skip


def _plant(plant: Plant) -> tuple[Node, ...]:
    label = name_of(plant)
    return (
        f"{label} (now)" if plant.current else label,
        wording.hertz(plant.hz),
        wording.NOTHING if plant.without_worker is None else wording.hertz_value(plant.without_worker),
        wording.hertz_value(plant.without_head) if plant.without_head else "nothing",
        wording.NOTHING if plant.monthly is None else f"{plant.monthly:,.0f}",
        str(plant.hosts),
        "measured" if plant.current else "replay (E)" if plant.beyond else "replay",
    )


def gate(dossier: Dossier) -> Html:
    """What was refused and why, and every trial with what became of it."""
    refused = refused_alike(dossier.report.analysis.refused)
    seen = dossier.log.observations
    every = "Every trial in order" + (f" (the first {_MOST_ROWS})" if len(seen) > _MOST_ROWS else "")
    return join(
        [
            el(
                "p",
                f"{format_count(len(seen), 'trial')} ran; what failed the gate is shown here and is no figure.",
            ),
            table(
                "Refused",
                heads("fault", "layout", "trials", "seen", "cure"),
                [
                    (
                        wording.fault(g.refusal.code),
                        g.refusal.label,
                        ", ".join(g.trials),
                        g.refusal.seen,
                        g.refusal.cure,
                    )
                    for g in refused
                ],
                caption="Refused",
            )
            if refused
            else el("p", "Nothing was refused."),
            table(
                every,
                heads(
                    "trial",
                    "why",
                    "layout",
                    f">jobs × {length_title()}",
                    ">took",
                    ">effective",
                    "verdict of the gate",
                ),
                [_trial(one) for one in seen[:_MOST_ROWS]],
                caption=every,
            ),
        ]
    )


def _trial(seen: Observation) -> tuple[Node, ...]:
    trial, spoilt = seen.trial, flaw(seen)
    counts = spoilt is None and trial.experiment not in UNMEASURED
    verdict_of = wording.fault(spoilt) if spoilt else ("counts" if counts else "counts for nothing: a short load")
    return (
        trial.id,
        trial.experiment.value,
        trial.layout.label,
        f"{trial.load.jobs} × {trial.load.iterations:,}",
        format_seconds(seen.elapsed),
        wording.hertz_value(effective_hz(seen.jobs)) if counts else wording.NOTHING,
        el("span", verdict_of, at=cls("badge bad")) if spoilt else verdict_of,
    )


def method(dossier: Dossier) -> Html:
    """How the figures came to be, on what, and how to make them again."""
    report, log = dossier.report, dossier.log
    plan = log.plan
    rows = [
        ("run", report.run),
        ("begun", wording.moment(report.created)),
        ("inventory", report.inventory),
        ("fleet", report.version),
        ("seed", str(report.seed)),
        ("goal", plan.goal.value),
        ("load", f"{plan.load.jobs} × {format_iterations(plan.load.iterations)}"),
        (
            "budget",
            f"{plan.budget.trials} trials, {format_seconds(plan.budget.seconds)}, {plan.budget.repeats} repeats",
        ),
        ("measured", wording.measured(report)),
        ("assumed", ", ".join(plan.assumed) or "nothing: the inventory states it all"),
        ("time", f"{report.time_scale:g} emulated seconds to a real one" if report.emulated else "real"),
        ("finished", "yes" if log.finished else "no: it is under way" if log.running else "no: it was interrupted"),
    ]
    return join(
        [
            el("dl", *(join([el("dt", name), el("dd", value)]) for name, value in rows), at=cls("facts")),
            el("h3", "How it decides"),
            bullets(_how()),
            el("h3", "How to make it again"),
            el("ul", *(el("li", el("code", command)) for command in _commands(dossier)), at=cls("commands")),
        ]
    )


def _commands(dossier: Dossier) -> tuple[str, ...]:
    """What measures the same again, and what makes this page again."""
    log = dossier.log
    name = log.inventory.path.rpartition("/")[2] or f"{log.inventory.name}.yaml"
    goal = "" if log.plan.goal is Goal.LATENCY else f" --goal {log.plan.goal}"
    bench = f"fleet bench {name} --iterations {log.plan.load.iterations} --seed {log.plan.seed}{goal}"
    return bench, f"fleet report {log.id} --html report.html"


def _how() -> tuple[str, ...]:
    """How it decides, in the words of the fleet."""
    rate = (
        f"Effective {kilohertz()} is what all agents got done over the time from the first run's start to the last "
        "one's end, or the sum of the rates that the runs told."
        if spoken().runs
        else "Effective Hz is the job's total cycles over the time from its first task's start to its last task's end."
    )
    layout = f"which agents {work_word()}, at which {sizes_title()}"
    return (f"A trial is one layout ({layout}) under one load, on a warm cluster.", rate, *_METHOD)


_METHOD = (
    "Only a trial whose every task was done, once, on known clocks, without throttling, becomes a number.",
    "Intervals are 95 % and come from repeated trials of the same layout; n is how many counted.",
    "Gains are over the layout in service. A predicted gain replays the recorded task graph; it says so.",
    "Hardware is chosen by gain for its cost, settings by gain alone, and nothing below what is worth a change.",
)
