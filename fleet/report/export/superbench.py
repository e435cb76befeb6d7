"""A run as SuperBench's `results-summary.jsonl`: a JSON object a host, with `node` and `benchmark/metric:rank`.

The ranks are the host's devices in the inventory's order. So its tools, and `fleet superbench diagnose`, judge hosts of
a fleet against each other or against a baseline. Only admissible trials count.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from statistics import fmean, median

from fleet.model.inventory import Host
from fleet.model.rates import AGENT_KINDS, flaw
from fleet.model.record import Observation, RunLog, TaskKind, TaskRecord
from fleet.model.samples import DeviceSample
from fleet.report.export.tables import Exported
from fleet.units import kind_word

NODE = "node"
"""The field that names the host."""

_FIGURES: Mapping[str, Callable[[DeviceSample], float | None]] = {
    "device_busy_ratio": lambda s: s.busy,
    "device_memory_used_bytes": lambda s: s.memory_used,
    "device_power_watts": lambda s: s.power,
    "device_temperature_celsius": lambda s: s.temperature,
    "device_clock_hertz": lambda s: s.sm_clock,
}


def results_summary(exported: Exported) -> str:
    """A line for each host, a host that failed included: its `return_code` is 1 and it has no figures."""
    log = exported.log
    failed = {failure.host for failure in log.survey.failures}
    lines = []
    for host in log.inventory.hosts:
        figures = dict(_figures(exported, host))
        code = 1 if host.name in failed or (host.name in log.plan.hosts and not figures) else 0
        lines.append(json.dumps({NODE: host.name, "fleet/return_code": code, **figures}, allow_nan=False))
    return "".join(f"{line}\n" for line in lines)


def _figures(exported: Exported, host: Host) -> Iterator[tuple[str, float]]:
    """What is known of a host's devices; what is not known is left out."""
    tasks = _tasks(exported.log, host.name)
    samples = [
        sample
        for seen in exported.log.observations
        if flaw(seen) is None
        for sample in seen.telemetry.samples
        if isinstance(sample, DeviceSample) and sample.host == host.name
    ]
    for rank, device in enumerate(host.devices):
        for kind, seconds in sorted(tasks.get(device.name, {}).items()):
            if not _cut(exported.log):
                yield f"fleet/{kind_word(kind.value)}_seconds:{rank}", median(seconds)
        if paces := _paces(exported, host.name, device.name):
            yield f"fleet/agent_work_per_second:{rank}", median(paces)
        own = [sample for sample in samples if sample.device == device.name]
        for name, figure in _FIGURES.items():
            values = [float(value) for sample in own if (value := figure(sample)) is not None]
            if values:
                yield f"fleet/{name}:{rank}", fmean(values)


def _cut(log: RunLog) -> bool:
    """Whether tasks are pieces that rates were cut into, whose seconds mean nothing."""
    return log.inventory.command is not None and log.inventory.command.tells_rate


def _paces(exported: Exported, host: str, device: str) -> list[float]:
    """Units of work a second of one agent on the device while it is at work, trial by trial."""
    found = []
    for seen in _in_service(exported.log):
        units = busy = 0.0
        for job in seen.jobs:
            proves = [task for task in job.tasks if task.kind is TaskKind.PROVE]
            own = [_seconds(task) for task in proves if _device(task, host) == device]
            units += job.total_cycles * len(own) / len(proves) if own else 0.0
            busy += sum(own)
        if busy > 0:
            found.append(exported.rate(units / busy))
    return found


def _in_service(log: RunLog) -> Iterator[Observation]:
    """The admissible trials with the settings in service."""
    return (o for o in log.observations if flaw(o) is None and o.trial.layout.po2 == log.plan.current.po2)


def _seconds(task: TaskRecord) -> float:
    return (task.updated or 0.0) - (task.started or 0.0)


def _tasks(log: RunLog, host: str) -> Mapping[str, Mapping[TaskKind, list[float]]]:
    """Seconds of the agents' tasks with the settings in service, by device and kind."""
    found: dict[str, dict[TaskKind, list[float]]] = {}
    for task in (task for seen in _in_service(log) for job in seen.jobs for task in job.tasks):
        if (device := _device(task, host)) is not None:
            found.setdefault(device, {}).setdefault(task.kind, []).append(_seconds(task))
    return found


def _device(task: TaskRecord, host: str) -> str | None:
    """The device of this host that a task ran on; None where it was another's, or nobody knows."""
    if task.host != host or task.agent is None or task.kind not in AGENT_KINDS:
        return None
    return task.agent.partition("/")[2].partition("#")[0]
