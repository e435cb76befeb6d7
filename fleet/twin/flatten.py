"""From the twin's values to the flat arrays that the compiled engine runs on."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fleet.model.record import TaskKind
from fleet.twin.arrays import CORE, DEMAND, LOT, MATCH, SLOT, STAGES, TASK, Floats, Records, Shorts, Tasks, World
from fleet.twin.calibrate import Pools
from fleet.twin.control import period_of
from fleet.twin.graph import Graph
from fleet.twin.replay import Control, Service, Services, Worker, resources

KINDS = tuple(TaskKind)
"""Rows of lots that are by kind."""

_WORD = 64


def tasks_of(graph: Graph, *, joins_first: bool) -> Tasks:
    """The graph, with a row of lots for each kind."""
    nodes, size = graph.nodes, len(graph.nodes)
    kinds = np.fromiter((KINDS.index(node.kind) for node in nodes), np.int32, size)
    order = np.argsort(joins_first & (kinds != KINDS.index(TaskKind.JOIN)), kind="stable").astype(np.int32)
    rank = np.empty(size, dtype=np.int32)
    rank[order] = np.arange(size, dtype=np.int32)
    before, after = _edges(graph)
    before, after = rank[before], rank[after]
    tasks = np.zeros(size, dtype=TASK)
    tasks["last"] = np.cumsum(np.bincount(before, minlength=size))
    tasks["first"][1:] = tasks["last"][:-1]
    tasks["needs"] = tasks["missing"] = np.bincount(after, minlength=size) + 1
    tasks["fixed"] = np.fromiter((-1.0 if node.fixed is None else node.fixed for node in nodes), np.float64, size)[
        order
    ]
    tasks["lot"] = np.where(tasks["fixed"] < 0, kinds[order], np.cumsum(tasks["fixed"] >= 0) - 1)
    release = np.fromiter((node.released for node in nodes), np.float64, size)
    released = np.argsort(release, kind="stable")
    return Tasks(
        order=order,
        tasks=tasks,
        released=rank[released],
        release=np.append(release[released], np.inf),
        later=after[np.argsort(before, kind="stable")],
    )


def _edges(graph: Graph) -> tuple[Shorts, Shorts]:
    """Every prerequisite with what waits for it, as two rows, in the order of what waits."""
    counts = np.fromiter((len(node.before) for node in graph.nodes), np.int32, len(graph.nodes))
    chain = itertools.chain.from_iterable(node.before for node in graph.nodes)
    before = np.fromiter(chain, np.int32, int(counts.sum()))
    return before, np.repeat(np.arange(len(counts), dtype=np.int32), counts)


def with_own_lots(tasks: Tasks) -> Tasks:
    """The same graph with a row of lots for each task, for services that are given task by task."""
    records = tasks.tasks.copy()
    records["lot"] = np.where(records["fixed"] < 0, tasks.order, records["lot"])
    return tasks._replace(tasks=records)


class Crew(NamedTuple):
    """Agents: the places at which tasks are served, each agent's column of them, and its resources by stage."""

    places: tuple[Worker, ...]
    column: Shorts
    resource: Shorts


class Supply(NamedTuple):
    """What serves the tasks: `lots` by (row, place), `demands` by (sample, turn)."""

    lots: Records
    demands: Records


def crew_of(workers: Sequence[Worker], *, by_host: bool) -> Crew:
    """Agents that are served alike on all devices of a pool, or differently on each."""
    labels = [worker.pool if by_host else worker for worker in workers]
    columns = {label: column for column, label in enumerate(dict.fromkeys(labels))}
    places = dict(zip(labels, workers, strict=True))
    column = np.array([columns[label] for label in labels], dtype=np.int32)
    return Crew(tuple(places[label] for label in columns), column, _resources(workers))


def sampled_supply(crew: Crew, pools: Pools, control: Control) -> Supply:
    """Samples by (kind, pool); a pair without samples has a lot of none."""
    samples: list[Service] = []
    lots = np.zeros((len(KINDS), len(crew.places)), dtype=LOT)
    starts: dict[int, int] = {}
    for row, kind in enumerate(KINDS):
        for column, place in enumerate(crew.places):
            drawn = pools.get((place.pool, kind), ())
            if id(drawn) not in starts:
                starts[id(drawn)] = len(samples)
                samples.extend(drawn)
            lots[row, column] = (starts[id(drawn)], len(drawn))
    return Supply(lots, _demands(samples, control))


def tabled_supply(crew: Crew, graph: Graph, services: Services, control: Control) -> Supply:
    """One sample by (task, place): every service is asked for beforehand."""
    nothing = Service(device=0.0)
    samples = [
        services(number, place) if node.fixed is None else nothing
        for number, node in enumerate(graph.nodes)
        for place in crew.places
    ]
    lots = np.ones((len(graph.nodes), len(crew.places)), dtype=LOT)
    lots["start"] = np.arange(len(samples)).reshape(lots.shape)
    return Supply(lots, _demands(samples, control))


def _demands(samples: Sequence[Service], control: Control) -> Records:
    """What each sample asks for, as the reference computes it; stages that take no time are left out."""
    share = control.inbound
    rows = [(s.latency, s.line, s.bus * share, s.device, s.bus - s.bus * share) for s in samples]
    seconds = np.array(rows, dtype=np.float64).reshape(-1, STAGES)
    # A stable sort by "takes no time" moves what is left to the front, in order.
    stages = np.argsort(seconds <= 0, axis=1, kind="stable")
    demands = np.zeros((len(rows), STAGES + 1), dtype=DEMAND)
    demands["seconds"][:, :STAGES] = np.maximum(np.take_along_axis(seconds, stages, axis=1), 0.0)
    demands["stage"][:, :STAGES] = stages
    return demands


def world_of(tasks: Tasks, crew: Crew, supply: Supply, control: Control, luck: Floats, phases: Floats) -> World:
    """Everything put together, with room for what changes. `luck` by (draw, rank); `phases` by draw, in seconds."""
    workers = len(crew.column)
    core = _core(control, workers)
    slots = workers + int(core["refreshers"][0]) + int(np.count_nonzero(tasks.tasks["fixed"] >= 0))
    agenda = np.zeros(slots, dtype=SLOT)
    agenda["place"][:workers] = crew.column
    tree = np.zeros(2 * slots, dtype=MATCH)
    core["mask"] = (1 << (slots - 1).bit_length()) - 1
    level, words = _bit_levels(len(tasks.tasks))
    return World(
        *tasks[1:],
        core=core,
        slots=agenda,
        tree=tree,
        bits=np.zeros(words, dtype=np.uint64),
        level=level,
        queue=np.zeros((3, 1 << (workers - 1).bit_length()), dtype=np.int64),
        resource=crew.resource,
        free=np.zeros(int(crew.resource.max()) + 1),
        lots=supply.lots,
        demands=supply.demands,
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
    """The resource that each agent holds in each stage, a number; −1 where no other agent uses it."""
    rows = [resources(number, worker) for number, worker in enumerate(workers)]
    users = Counter(resource for row in rows for resource in set(row))
    shared = (resource for resource, count in users.items() if count > 1)
    numbers = {resource: number for number, resource in enumerate(shared)}
    return np.array([[numbers.get(resource, -1) for resource in row] for row in rows], dtype=np.int32)


def _bit_levels(size: int) -> tuple[Shorts, int]:
    """Where each level of words begins, from the tasks' own bits up to a single word, and how many words in all."""
    starts, total, words = [0], 0, max(1, size)
    while words > 1 or not total:
        words = -(-words // _WORD)
        total += words
        starts.append(total)
    return np.array(starts[:-1], dtype=np.int32), total
