"""From the twin's values to the flat arrays that the compiled engine runs on."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fleet.model.record import TaskKind
from fleet.twin.arrays import CORE, LOT, SLOT, STAGES, TASK, Floats, Records, Shorts, Tasks, World
from fleet.twin.calibrate import Pools
from fleet.twin.control import period_of
from fleet.twin.graph import Graph
from fleet.twin.replay import Control, Service, Services, Worker

KINDS = tuple(TaskKind)
"""Rows of lots that are by kind."""

_WORD = 64


def tasks_of(graph: Graph, *, joins_first: bool) -> Tasks:
    """The graph, with a row of lots for each kind."""
    nodes, size = graph.nodes, len(graph.nodes)
    before, after = _edges(graph)
    tasks = np.zeros(size, dtype=TASK)
    tasks["last"] = np.cumsum(np.bincount(before, minlength=size))
    tasks["first"][1:] = tasks["last"][:-1]
    tasks["needs"] = np.bincount(after, minlength=size) + 1
    tasks["fixed"] = np.fromiter((-1.0 if node.fixed is None else node.fixed for node in nodes), np.float64, size)
    kinds = np.fromiter((KINDS.index(node.kind) for node in nodes), np.int32, size)
    tasks["lot"] = np.where(tasks["fixed"] < 0, kinds, np.cumsum(tasks["fixed"] >= 0) - 1)
    order = np.argsort(joins_first & (kinds != KINDS.index(TaskKind.JOIN)), kind="stable").astype(np.int32)
    tasks["rank"][order] = np.arange(size)
    release = np.fromiter((node.released for node in nodes), np.float64, size)
    released = np.argsort(release, kind="stable").astype(np.int32)
    later = after[np.argsort(before, kind="stable")]
    return Tasks(tasks=tasks, order=order, released=released, release=np.append(release[released], np.inf), later=later)


def _edges(graph: Graph) -> tuple[Shorts, Shorts]:
    """Every prerequisite with what waits for it, as two rows, in the order of what waits."""
    counts = np.fromiter((len(node.before) for node in graph.nodes), np.int32, len(graph.nodes))
    chain = itertools.chain.from_iterable(node.before for node in graph.nodes)
    before = np.fromiter(chain, np.int32, int(counts.sum()))
    return before, np.repeat(np.arange(len(counts), dtype=np.int32), counts)


def with_own_lots(tasks: Tasks) -> Tasks:
    """The same graph with a row of lots for each task, for services that are given task by task."""
    records = tasks.tasks.copy()
    records["lot"] = np.where(records["fixed"] < 0, np.arange(len(records)), records["lot"])
    return tasks._replace(tasks=records)


class Supply(NamedTuple):
    """What serves the tasks: `lots` by (row, place), `seconds` by (sample, stage), and the place of each agent."""

    lots: Records
    seconds: Floats
    places: Sequence[int]


def sampled_supply(workers: Sequence[Worker], pools: Pools, control: Control) -> Supply:
    """Samples by (kind, host); a pair without samples has a lot of none."""
    hosts = list(dict.fromkeys(worker.host for worker in workers))
    samples: list[Service] = []
    lots = np.zeros((len(KINDS), len(hosts)), dtype=LOT)
    for row, kind in enumerate(KINDS):
        for column, host in enumerate(hosts):
            drawn = pools.get((host, kind), ())
            lots[row, column] = (len(samples), len(drawn))
            samples.extend(drawn)
    return Supply(lots, _stages(samples, control), [hosts.index(worker.host) for worker in workers])


def tabled_supply(workers: Sequence[Worker], graph: Graph, services: Services, control: Control) -> Supply:
    """One sample by (task, agent's place): every service is asked for beforehand."""
    size, places = len(graph.nodes), list(dict.fromkeys(workers))
    nothing = Service(device=0.0)
    samples = [
        services(number, place) if node.fixed is None else nothing
        for number, node in enumerate(graph.nodes)
        for place in places
    ]
    lots = np.ones((size, len(places)), dtype=LOT)
    lots["start"] = np.arange(size * len(places)).reshape(lots.shape)
    return Supply(lots, _stages(samples, control), [places.index(worker) for worker in workers])


def _stages(samples: Iterable[Service], control: Control) -> Floats:
    """Seconds by (sample, stage), rounded as the reference rounds them."""
    share = control.inbound
    rows = [(s.latency, s.line, s.bus * share, s.device, s.bus - s.bus * share) for s in samples]
    return np.array(rows, dtype=np.float64).reshape(-1, STAGES)


def world_of(
    tasks: Tasks, workers: Sequence[Worker], supply: Supply, control: Control, luck: Floats, phases: Floats
) -> World:
    """Everything put together, with room for what changes. `luck` and `phases` by draw; phases in seconds."""
    core, size = _core(control, len(workers)), len(tasks.tasks)
    slots = len(workers) + int(core["refreshers"][0]) + int(np.count_nonzero(tasks.tasks["fixed"] >= 0))
    # A tournament needs a power of two, and a match to play.
    leaves = 1 << max(1, (slots - 1).bit_length())
    agenda = np.zeros(leaves, dtype=SLOT)
    agenda["place"][: len(workers)] = supply.places
    level, words = _bit_levels(size)
    resource = _resources(workers)
    return World(
        **tasks._asdict(),
        core=core,
        slots=agenda,
        tree=np.zeros(2 * leaves, dtype=np.int32),
        bits=np.zeros(words, dtype=np.uint64),
        level=level,
        queue=np.zeros((3, leaves), dtype=np.int32),
        resource=resource,
        free=np.zeros(int(resource.max()) + 1),
        lots=supply.lots,
        seconds=supply.seconds,
        luck=luck,
        phases=phases,
    )


def _core(control: Control, workers: int) -> Records:
    core, polling = np.zeros(1, dtype=CORE), control.polling
    core["workers"], core["claim"] = workers, control.claim
    if polling is not None:
        core["polled"], core["period"] = True, period_of(polling, control.claim)
        core["refresh"], core["lock"] = polling.refresh, polling.lock
        core["refreshers"], core["helpers"] = polling.refreshers, polling.helpers
    return core


def _resources(workers: Sequence[Worker]) -> Shorts:
    """The resource that each agent holds in each stage: trips of its own, its host's line and bus, its device."""
    numbers: dict[tuple[str, ...], int] = {}
    rows = []
    for row, worker in enumerate(workers):
        line, bus, device = (worker.host, "", "line"), (worker.host,), (worker.host, worker.device)
        keys = ((worker.host, f"{row}", "trips"), line, bus, device, bus)
        rows.append([numbers.setdefault(key, len(numbers)) for key in keys])
    return np.array(rows, dtype=np.int32)


def _bit_levels(size: int) -> tuple[Shorts, int]:
    """Where each level of words begins, from the tasks' own bits up to a single word, and how many words in all."""
    starts, total, words = [0], 0, max(1, size)
    while words > 1 or not total:
        words = -(-words // _WORD)
        total += words
        starts.append(total)
    return np.array(starts[:-1], dtype=np.int32), total
