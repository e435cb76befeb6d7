"""From the records of measured jobs to what the twin replays: service samples by host and kind.

Three views of a task's time. *Whole*: from start to end, with whatever it waited for inside; right for a layout that
was measured, or one whose hosts do not disturb each other. *Held*: without its way to the agent and back, for which no
device is held; right for asking what agents of one device do to each other. *Split*: seconds of the bus and seconds of
the device as well, from a layout in which nobody waited (one agent); right for asking what devices of one bus do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from fleet.model.rates import by_agent
from fleet.model.record import JobRecord, TaskKind, TaskRecord
from fleet.twin.graph import Graph
from fleet.twin.replay import Service, Services, Worker

_T = TypeVar("_T")
Pools = Mapping[tuple[str, TaskKind], tuple[Service, ...]]
"""Service samples by (pool, kind), each in the order of the records. A pool is a host, or a model of its devices."""

Place = Callable[[TaskRecord], str]
"""The pool that a task's time belongs to."""


def by_host(task: TaskRecord) -> str:
    """All devices of a host in one pool."""
    return task.host or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTimes:
    """Mean seconds of the tasks of one kind on one host; `transfer` and `away` are None where a record did not tell."""

    seconds: float
    transfer: float | None
    count: int
    away: float | None = None


def agent_tasks(jobs: Iterable[JobRecord]) -> tuple[TaskRecord, ...]:
    """The finished tasks that agents ran."""
    return tuple(
        task for job in jobs for task in job.tasks if by_agent(task) and None not in (task.started, task.updated)
    )


def seconds_of(task: TaskRecord) -> float:
    """From its start to its end."""
    return (task.updated or 0.0) - (task.started or 0.0)


def host_times(
    jobs: Iterable[JobRecord], host: str | None, kind: TaskKind, devices: Collection[str] | None = None
) -> HostTimes | None:
    """Mean times of a kind on a host (None: on all of them together); None where it ran none.

    Tasks whose record does not name a host, or a device where only some `devices` are asked for, count for every one.
    """
    tasks = [t for t in agent_tasks(jobs) if t.kind is kind and (host is None or t.host in (None, host))]
    if devices is not None:
        tasks = [t for t in tasks if device_of(t) in (None, *devices)]
    if not tasks:
        return None
    return HostTimes(
        seconds=fmean(seconds_of(t) for t in tasks),
        transfer=_mean_of_all([t.transfer for t in tasks]),
        count=len(tasks),
        away=_mean_of_all([t.away for t in tasks]),
    )


def _mean_of_all(seconds: Sequence[float | None]) -> float | None:
    """Their mean; None where one of them is not known."""
    known = [value for value in seconds if value is not None]
    return fmean(known) if len(known) == len(seconds) else None


def device_of(task: TaskRecord) -> str | None:
    """The device whose agent ran a task, as its host names it; None where the record does not tell."""
    if task.agent is None or "/" not in task.agent:
        return None
    return task.agent.rsplit("/", 1)[1].split("#", 1)[0]


def whole_pools(jobs: Iterable[JobRecord], place: Place = by_host) -> Pools:
    """Service samples with all waiting inside."""
    return _pools(jobs, place, bus=False, way=False)


def held_pools(jobs: Iterable[JobRecord], place: Place = by_host) -> Pools:
    """Service samples as device seconds, and the way there and back where it is known."""
    return _pools(jobs, place, bus=False, way=True)


def split_pools(jobs: Iterable[JobRecord], place: Place = by_host) -> Pools | None:
    """Likewise with the bus's seconds apart; None where a prove's transfer is not known."""
    jobs = tuple(jobs)
    proves = [t for t in agent_tasks(jobs) if t.kind is TaskKind.PROVE]
    if not proves or any(t.transfer is None for t in proves):
        return None
    return _pools(jobs, place, bus=True, way=True)


def _pools(jobs: Iterable[JobRecord], place: Place, *, bus: bool, way: bool) -> Pools:
    pools: dict[tuple[str, TaskKind], list[Service]] = {}
    for task in agent_tasks(jobs):
        away = min(task.away or 0.0, seconds_of(task)) if way else 0.0
        moved = min(task.transfer or 0.0, seconds_of(task) - away) if bus else 0.0
        service = Service(device=seconds_of(task) - moved - away, bus=moved, latency=away)
        pools.setdefault((place(task), task.kind), []).append(service)
    return {key: tuple(samples) for key, samples in pools.items()}


def stand_in(pools: Pools, host: str, model: str) -> Pools:
    """The pools with a host that was never measured, served like `model`."""
    return {**pools, **{(host, kind): samples for (where, kind), samples in pools.items() if where == model}}


def completed(pools: Pools, hosts: Iterable[str]) -> Pools:
    """The pools with gaps filled: a host that ran no task of some kind is served like all hosts together."""
    anywhere: dict[TaskKind, list[Service]] = {}
    for (_, kind), samples in sorted(pools.items()):
        anywhere.setdefault(kind, []).extend(samples)
    gaps = {(host, kind): tuple(samples) for host in hosts for kind, samples in anywhere.items()}
    return {**gaps, **pools}


def stretched(pools: Pools, factors: Mapping[tuple[str, TaskKind], float]) -> Pools:
    """The pools with the device seconds of some (host, kind) multiplied."""
    return {
        key: tuple(replace(s, device=s.device * factors.get(key, 1.0)) for s in samples)
        for key, samples in pools.items()
    }


def mean_services(graph: Graph, pools: Pools) -> Services:
    """Every task takes the mean of its (pool, kind); ValueError where a kind was never seen in a pool."""
    means = {
        key: Service(
            device=fmean(s.device for s in samples),
            bus=fmean(s.bus for s in samples),
            latency=fmean(s.latency for s in samples),
            line=fmean(s.line for s in samples),
        )
        for key, samples in pools.items()
    }
    return lambda number, worker: _look_up(means, graph, number, worker)


def drawn_services(graph: Graph, pools: Pools, luck: Sequence[float] | npt.NDArray[np.float64]) -> Services:
    """Every task takes the sample of its (pool, kind) that its luck in [0, 1), which is by its position, points at.

    So two layouts replayed with one luck are alike in it, and their ratio is about the layouts.
    """

    def service(number: int, worker: Worker) -> Service:
        samples = _look_up(pools, graph, number, worker)
        return samples[int(luck[number] * len(samples))]

    return service


def _look_up(table: Mapping[tuple[str, TaskKind], _T], graph: Graph, number: int, worker: Worker) -> _T:
    kind = graph.nodes[number].kind
    if (worker.pool, kind) not in table:
        raise ValueError(f"no {kind} task was measured on {worker.pool}")
    return table[worker.pool, kind]
