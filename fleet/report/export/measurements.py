"""A run as named measurements with labels: what the Prometheus text file and OTLP are two writings of.

Names follow Prometheus' conventions: base units, the unit at the end, ratios from 0 to 1. An emulated run says so in a
label of everything. What is not known is left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from fleet.model.estimate import Estimate
from fleet.model.record import Observation
from fleet.model.samples import DeviceSample, HostSample
from fleet.model.trial import Layout
from fleet.report.export.tables import Exported
from fleet.units import format_setting

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One figure in all its cases. `unit` is UCUM's word for it, as OTLP wants it; `points`: (labels, value)."""

    name: str
    about: str
    unit: str
    points: tuple[tuple[Labels, float], ...]


def measurements(exported: Exported) -> tuple[Measurement, ...]:
    """All that have any point, in a fixed order."""
    made = (
        Measurement(name=name, about=about, unit=unit, points=_finite(points(exported), _common(exported)))
        for name, about, unit, points in _ALL
    )
    return tuple(one for one in made if one.points)


def _common(exported: Exported) -> Labels:
    return {"inventory": exported.log.inventory.name, "emulated": "true" if exported.report.emulated else "false"}


def _finite(points: Iterable[tuple[Labels, float]], common: Labels) -> tuple[tuple[Labels, float], ...]:
    return tuple(({**common, **labels}, value) for labels, value in points if math.isfinite(value))


_Points = Iterator[tuple[Labels, float]]


def _layout(layout: Layout | None) -> Labels:
    if layout is None:
        return {}
    each = str(layout.agents_per_device)
    return {"layout": layout.where, "setting": format_setting(layout.po2), "agents_per_device": each}


def _info(exported: Exported) -> _Points:
    log, verdict = exported.log, exported.report.analysis.verdict
    goal = log.plan.goal.value
    yield {"run": log.id, "version": log.version, "goal": goal, "verdict": verdict.choice.value}, 1.0


def _created(exported: Exported) -> _Points:
    yield {}, exported.log.created


def _confidence(exported: Exported) -> _Points:
    verdict = exported.report.analysis.verdict
    yield {"verdict": verdict.choice.value}, verdict.confidence


def _trials(exported: Exported) -> _Points:
    counts = Counter(seen.outcome.value for seen in exported.log.observations)
    yield from (({"outcome": outcome}, float(count)) for outcome, count in sorted(counts.items()))


def _refused(exported: Exported) -> _Points:
    counts = Counter(one.code for one in exported.report.analysis.refused)
    yield from (({"code": code}, float(count)) for code, count in sorted(counts.items()))


def _rates(end: Callable[[Estimate], float]) -> Callable[[Exported], _Points]:
    def points(exported: Exported) -> _Points:
        for one in exported.report.analysis.throughputs:
            current = "true" if one.layout == exported.report.current else "false"
            load = {"jobs": str(one.jobs), "iterations": str(one.iterations), "unit": exported.unit, "current": current}
            yield {**_layout(one.layout), **load}, exported.rate(end(one.hz))

    return points


def _gains(end: Callable[[Estimate], float]) -> Callable[[Exported], _Points]:
    def points(exported: Exported) -> _Points:
        for one in exported.report.analysis.options:
            if one.gain is not None:
                labels = {"choice": one.choice.value, "option": one.label, "evidence": one.evidence.value}
                yield labels, end(one.gain)

    return points


def _best(exported: Exported) -> _Points:
    for one in exported.report.analysis.options:
        yield {"choice": one.choice.value, "option": one.label, "evidence": one.evidence.value}, one.best


def _costs(exported: Exported) -> _Points:
    for one in exported.report.analysis.options:
        if one.cost is not None:
            paid = {"currency": exported.report.currency, "per": one.cost.per.value}
            yield {"choice": one.choice.value, "option": one.label, **paid}, one.cost.amount


def _host_up(exported: Exported) -> _Points:
    failed = {failure.host for failure in exported.log.survey.failures}
    for host in exported.log.inventory.hosts:
        if not host.drained:
            yield {"host": host.name}, 0.0 if host.name in failed else 1.0


def _device(of: Callable[[DeviceSample], float | None]) -> Callable[[Exported], _Points]:
    """The mean of a figure over the samples of trials, by device."""

    def points(exported: Exported) -> _Points:
        found: dict[tuple[str, str], list[float]] = {}
        for sample in _samples(exported.log.observations):
            if isinstance(sample, DeviceSample) and (value := of(sample)) is not None:
                found.setdefault((sample.host, sample.device), []).append(value)
        for (host, device), values in sorted(found.items()):
            yield {"host": host, "device": device}, fmean(values)

    return points


def _host(of: Callable[[HostSample], float | None]) -> Callable[[Exported], _Points]:
    def points(exported: Exported) -> _Points:
        found: dict[str, list[float]] = {}
        for sample in _samples(exported.log.observations):
            if isinstance(sample, HostSample) and (value := of(sample)) is not None:
                found.setdefault(sample.host, []).append(value)
        for host, values in sorted(found.items()):
            yield {"host": host}, fmean(values)

    return points


def _samples(observations: Iterable[Observation]) -> Iterator[object]:
    return (sample for seen in observations for sample in seen.telemetry.samples)


def _value(estimate: Estimate) -> float:
    return estimate.value


def _low(estimate: Estimate) -> float:
    return estimate.low


def _high(estimate: Estimate) -> float:
    return estimate.high


_ALL: tuple[tuple[str, str, str, Callable[[Exported], _Points]], ...] = (
    ("fleet_run_info", "The run that these figures are from, and its verdict.", "1", _info),
    ("fleet_run_created_timestamp_seconds", "When the run began, in Unix time.", "s", _created),
    ("fleet_run_trials", "Trials of the run by their outcome.", "{trial}", _trials),
    ("fleet_run_refused_trials", "Trials that the validity gate keeps out of every figure.", "{trial}", _refused),
    ("fleet_verdict_confidence_ratio", "Probability that nothing else gives notably more.", "1", _confidence),
    ("fleet_layout_work_per_second", "Work done per second by a layout, in its unit.", "{work}/s", _rates(_value)),
    ("fleet_layout_work_per_second_low", "Lower end of the 95 % interval of the rate.", "{work}/s", _rates(_low)),
    ("fleet_layout_work_per_second_high", "Upper end of the 95 % interval of the rate.", "{work}/s", _rates(_high)),
    ("fleet_option_gain_ratio", "Relative gain of an option over the layout in service.", "1", _gains(_value)),
    ("fleet_option_gain_low_ratio", "Lower end of the 95 % interval of the gain.", "1", _gains(_low)),
    ("fleet_option_gain_high_ratio", "Upper end of the 95 % interval of the gain.", "1", _gains(_high)),
    ("fleet_option_best_ratio", "Probability that an option is the best.", "1", _best),
    ("fleet_option_cost", "Price of an option in its currency.", "{money}", _costs),
    ("fleet_host_up", "Whether a host could be used (1) or not (0).", "1", _host_up),
    ("fleet_host_cpu_busy_ratio", "Mean share of the host's CPUs that was busy.", "1", _host(lambda s: s.cpu_busy)),
    ("fleet_device_busy_ratio", "Mean share of time that a device was busy.", "1", _device(lambda s: s.busy)),
    (
        "fleet_device_memory_used_bytes",
        "Mean device memory in use.",
        "By",
        _device(lambda s: None if s.memory_used is None else float(s.memory_used)),
    ),
    ("fleet_device_power_watts", "Mean power drawn by a device.", "W", _device(lambda s: s.power)),
    ("fleet_device_temperature_celsius", "Mean temperature of a device.", "Cel", _device(lambda s: s.temperature)),
    ("fleet_device_clock_hertz", "Mean SM clock of a device.", "Hz", _device(lambda s: s.sm_clock)),
)
