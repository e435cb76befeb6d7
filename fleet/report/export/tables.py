"""Every table of a run, flat, for spreadsheets and data frames: one row a thing, one column a fact, names with units.

A cell is None where the fact is not known, never 0. Times of tasks are seconds since their trial's start, as recorded
(emulated seconds where devices are emulated); `started` of a trial and `time` of a sample are Unix seconds.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from fleet.model.command import CYCLES_PER_UNIT
from fleet.model.estimate import Estimate
from fleet.model.rates import effective_hz, flaw
from fleet.model.record import Observation, RunLog
from fleet.model.samples import AgentSample, DeviceSample, HostSample, Sample
from fleet.model.trial import Layout
from fleet.model.verdict import Analysis, Option, Report
from fleet.units import format_setting, kind_word

Cell = str | int | float | bool | None
Kind = type[str] | type[int] | type[float] | type[bool]


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its name, and what its cells are where they are not None."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of a run; every row has a cell for every field."""

    name: str
    fields: tuple[Field, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A run with what analysis made of it: what every export is made from."""

    log: RunLog
    report: Report

    @property
    def unit(self) -> str:
        """What work is counted in: `cycles`, or the unit of the operator's command."""
        command = self.log.inventory.command
        return command.unit if command else "cycles"

    @property
    def per_cycle(self) -> float:
        """Units of work that a recorded cycle stands for."""
        return 1 / CYCLES_PER_UNIT if self.log.inventory.command else 1.0

    def rate(self, hz: float) -> float:
        """A recorded rate in units a second."""
        return hz * self.per_cycle


def tables(exported: Exported) -> tuple[Table, ...]:
    """All of them, in the order in which a reader goes deeper."""
    return tuple(make(exported) for make in TABLES.values())


def _layout(layout: Layout | None) -> tuple[Cell, ...]:
    if layout is None:
        return (None,) * len(_LAYOUT)
    return layout.where, layout.po2, format_setting(layout.po2), layout.agents_per_device, len(layout.devices)


_LAYOUT = (
    Field("layout", str),
    Field("po2", int),
    Field("setting", str),
    Field("agents_per_device", int),
    Field("devices", int),
)


def _interval(name: str) -> tuple[Field, ...]:
    return Field(name, float), Field(f"{name}_low", float), Field(f"{name}_high", float)


def _ends(estimate: Estimate | None, factor: float = 1.0) -> tuple[Cell, ...]:
    if estimate is None:
        return None, None, None
    return estimate.value * factor, estimate.low * factor, estimate.high * factor


def _run(exported: Exported) -> Table:
    log, report, verdict = exported.log, exported.report, exported.report.analysis.verdict
    fields = (
        Field("run", str),
        Field("created", float),
        Field("fleet_version", str),
        Field("inventory", str),
        Field("emulated", bool),
        Field("finished", bool),
        Field("seed", int),
        Field("goal", str),
        Field("unit", str),
        Field("verdict", str),
        Field("label", str),
        Field("confidence", float),
        *_interval("gain"),
        Field("bottleneck", str),
    )
    row: tuple[Cell, ...] = (
        log.id,
        log.created,
        log.version,
        log.inventory.name,
        report.emulated,
        log.finished,
        log.plan.seed,
        log.plan.goal.value,
        exported.unit,
        verdict.choice.value,
        verdict.label,
        verdict.confidence,
        *_ends(verdict.gain),
        verdict.bottleneck.code,
    )
    return Table(name="run", fields=fields, rows=(row,))


def _throughput(exported: Exported) -> Table:
    fields = (*_LAYOUT, Field("jobs", int), Field("iterations", int), *_interval("rate"), Field("trials", int))
    rows = tuple(
        (*_layout(one.layout), one.jobs, one.iterations, *_ends(one.hz, exported.per_cycle), one.hz.n)
        for one in exported.report.analysis.throughputs
    )
    return Table(name="throughput", fields=fields, rows=rows)


def _options(exported: Exported) -> Table:
    fields = (
        Field("choice", str),
        Field("label", str),
        Field("evidence", str),
        *_interval("gain"),
        Field("cost", float),
        Field("currency", str),
        Field("paid", str),
        Field("probability_best", float),
        Field("blocked", str),
        *_LAYOUT,
    )
    report = exported.report
    rows = tuple(_option(one, report.currency) for one in report.analysis.options)
    return Table(name="options", fields=fields, rows=rows)


def _option(one: Option, currency: str) -> tuple[Cell, ...]:
    paid = (one.cost.amount, currency, one.cost.per.value) if one.cost else (None, None, None)
    evidence = (one.choice.value, one.label, one.evidence.value)
    return (*evidence, *_ends(one.gain), *paid, one.best, one.blocked, *_layout(one.layout))


def _hosts(exported: Exported) -> Table:
    fields = (
        Field("host", str),
        Field("role", str),
        Field("candidate", bool),
        Field("devices", int),
        Field("models", str),
        Field("used", bool),
        Field("failure", str),
    )
    failures = {failure.host: failure.message for failure in exported.log.survey.failures}
    rows = tuple(
        (
            host.name,
            host.role.value,
            host.candidate,
            len(host.devices),
            ", ".join(dict.fromkeys(device.model for device in host.devices)),
            host.name in exported.log.plan.hosts,
            failures.get(host.name),
        )
        for host in exported.log.inventory.hosts
    )
    return Table(name="hosts", fields=fields, rows=rows)


def _trials(exported: Exported) -> Table:
    fields = (
        Field("number", int),
        Field("trial", str),
        Field("experiment", str),
        *_LAYOUT,
        Field("jobs", int),
        Field("iterations", int),
        Field("repeat", int),
        Field("started", float),
        Field("elapsed", float),
        Field("outcome", str),
        Field("refused", str),
        Field("rate", float),
        Field("cause", str),
    )
    rows = tuple(_trial(exported, number, seen) for number, seen in enumerate(exported.log.observations, start=1))
    return Table(name="trials", fields=fields, rows=rows)


def _trial(exported: Exported, number: int, seen: Observation) -> tuple[Cell, ...]:
    refused = flaw(seen)
    rate = exported.rate(effective_hz(seen.jobs)) if refused is None else None
    trial = seen.trial
    return (
        *(number, trial.id, trial.experiment.value, *_layout(trial.layout)),
        *(trial.load.jobs, trial.load.iterations, trial.repeat),
        *(seen.started, seen.elapsed, seen.outcome.value, refused, rate, seen.cause),
    )


def _tasks(exported: Exported) -> Table:
    fields = (
        *(Field("trial", str), Field("job", str), Field("task", str), Field("kind", str), Field("state", str)),
        *(Field("agent", str), Field("host", str)),
        *(Field("created", float), Field("started", float), Field("updated", float)),
        *(Field("retries", int), Field("transfer", float), Field("away", float)),
    )
    rows = tuple(
        (
            *(seen.trial.id, job.id, task.id, kind_word(task.kind.value), task.state.value, task.agent, task.host),
            *(task.created, task.started, task.updated, task.retries, task.transfer, task.away),
        )
        for seen in exported.log.observations
        for job in seen.jobs
        for task in job.tasks
    )
    return Table(name="tasks", fields=fields, rows=rows)


def _samples(name: str, kind: type[HostSample | DeviceSample | AgentSample]) -> Callable[[Exported], Table]:
    """The table of one class of samples, with a column for each of its fields."""
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    fields = (Field("trial", str), *(Field(each, _kind(hints[each])) for each in names))

    def make(exported: Exported) -> Table:
        rows = (
            (seen.trial.id, *(_cell(getattr(sample, each)) for each in names))
            for seen, sample in _sampled(exported.log.observations)
            if isinstance(sample, kind)
        )
        return Table(name=name, fields=fields, rows=tuple(rows))

    return make


def _sampled(observations: Iterable[Observation]) -> Iterator[tuple[Observation, Sample]]:
    return ((seen, sample) for seen in observations for sample in seen.telemetry.samples)


_KINDS: dict[str, Kind] = {str(kind): kind for kind in (str, int, float, bool)}


def _kind(hint: object) -> Kind:
    """What a sample's field holds where it is not None; lists are their JSON text."""
    bare = next((kind for kind in typing.get_args(hint) if kind is not types.NoneType), hint)
    return _KINDS.get(str(bare), str)


def _cell(value: object) -> Cell:
    return value if value is None or isinstance(value, str | int | float | bool) else json.dumps(value)


def _refused(exported: Exported) -> Table:
    fields = tuple(Field(name, str) for name in ("trial", "layout", "code", "seen", "cure"))
    found: Analysis = exported.report.analysis
    rows = tuple((one.trial, one.label, one.code, one.seen, one.cure) for one in found.refused)
    return Table(name="refused", fields=fields, rows=rows)


TABLES: dict[str, Callable[[Exported], Table]] = {
    "run": _run,
    "throughput": _throughput,
    "options": _options,
    "hosts": _hosts,
    "trials": _trials,
    "refused": _refused,
    "tasks": _tasks,
    "host_samples": _samples("host_samples", HostSample),
    "device_samples": _samples("device_samples", DeviceSample),
    "agent_samples": _samples("agent_samples", AgentSample),
}
"""Every table by its name."""
