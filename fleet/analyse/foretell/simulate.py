"""What-if from a stored run: a change asked about, where the time goes before and after it, what else would help."""

from __future__ import annotations

from collections.abc import Callable

from fleet.analyse.foretell.changes import changed_layout
from fleet.analyse.foretell.optimise import Search, optimise
from fleet.analyse.foretell.outlook import Premises, Workbench, outlook, source_of, workbench
from fleet.analyse.foretell.prediction import prediction
from fleet.analyse.foretell.room import no_room, too_large
from fleet.analyse.foretell.timeline import job_time, speedups
from fleet.errors import ConfigurationError
from fleet.model.record import RunLog
from fleet.model.simulation import Change, Simulation
from fleet.model.trial import Layout
from fleet.units import format_iterations


def simulate(
    log: RunLog, change: Change, premises: Premises, *, search: bool = False, months: float = 24.0
) -> Simulation:
    """What a change would give. ConfigurationError where the run says nothing about it.

    `search`: also compare all settings, GPUs and remote workers that are feasible; `months` spreads prices paid once.
    """
    bench = workbench(log, premises)
    layout = changed_layout(bench.found, change)
    _must_fit(bench, layout)
    asked = outlook(bench, layout, change) if change != Change() else None
    view = asked or bench.now
    found = optimise(bench, months) if search else Search()
    return Simulation(
        source=source_of(log),
        current=bench.base.layout,
        now=bench.measured,
        before=job_time(bench.now),
        asked=prediction(bench, asked) if asked else None,
        after=job_time(asked) if asked else None,
        curve_of=view.layout,
        curve=speedups(bench, view),
        notes=(*(note for look in _NOTES for note in look(bench, change)), *_as_it_is(change, search=search)),
        ranking=found.ranking,
        searched=found.searched,
        left_out=found.left_out,
        months=months,
    )


def _must_fit(bench: Workbench, layout: Layout) -> None:
    if why := too_large(bench, layout):
        raise ConfigurationError(why, hint="a smaller po2 or fewer agents a device")


def _room(bench: Workbench, change: Change) -> list[str]:
    blocked = no_room(bench.found, change.gpus)
    return [blocked] if blocked and change.gpus > 0 else []


def _trips(_: Workbench, change: Change) -> list[str]:
    if not change.rtt:
        return []
    return [
        "the round trip is taken to come on top of what was measured, five times a task, on hosts other than the head"
    ]


def _polling(_: Workbench, change: Change) -> list[str]:
    if change.poll is None and change.refresh is None:
        return []
    return [
        "agents are taken to ask for work, one claim at a time; the layout in service is replayed as it was measured"
    ]


def _as_it_is(change: Change, *, search: bool) -> list[str]:
    if not search or (change.rtt == 0 and change.poll is None and change.refresh is None):
        return []
    return ["what is feasible was compared with links and control plane as they were measured"]


def _load(bench: Workbench, _: Change) -> list[str]:
    load = bench.found.log.plan.load
    jobs = "one job" if load.jobs == 1 else f"{load.jobs} jobs"
    return [
        f"for {jobs} of {format_iterations(load.iterations)} at a time, as measured: larger jobs use more agents better"
    ]


_NOTES: tuple[Callable[[Workbench, Change], list[str]], ...] = (_room, _trips, _polling, _load)
