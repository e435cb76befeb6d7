"""Replays asked for a figure: job seconds under resampled services, the ideal speed-up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fleet.twin.calibrate import Pools, completed, mean_services
from fleet.twin.fast import Scenario, draws_of, replay_many
from fleet.twin.graph import Graph
from fleet.twin.replay import Control, Worker, replay


def independent(workers: Iterable[Worker]) -> tuple[Worker, ...]:
    """The workers with a device of their own each: for services that have the waiting inside already."""
    return tuple(replace(worker, device=f"{number}") for number, worker in enumerate(workers))


def sampled_seconds(
    graph: Graph, workers: Sequence[Worker], pools: Pools, control: Control, seeds: Iterable[int]
) -> tuple[float, ...]:
    """The job's seconds, once for each seed. One seed means the same luck in every layout."""
    filled = completed(pools, {worker.pool for worker in workers})
    scenario = Scenario(graph=graph, workers=tuple(workers), pools=filled, control=control)
    return tuple(replay_many([scenario], draws_of(seeds, len(graph.nodes)))[0].tolist())


def mean_seconds(graph: Graph, workers: Sequence[Worker], pools: Pools, control: Control) -> float:
    """The job's seconds when every task takes the mean of its kind and host."""
    filled = completed(pools, {worker.pool for worker in workers})
    return replay(graph, workers, mean_services(graph, filled), control).seconds


def ideal_speedup(graph: Graph, base: Sequence[Worker], layout: Sequence[Worker], pools: Pools) -> float:
    """How much faster the layout is than the base if no task takes longer for it and a claim costs nothing."""
    free = Control()
    before = mean_seconds(graph, independent(base), pools, free)
    return before / mean_seconds(graph, independent(layout), pools, free)
