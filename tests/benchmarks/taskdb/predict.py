"""The twin's job time for a setting, from what runs with one agent showed, and a USL fit to compare it with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, median

import numpy as np

from fleet.analyse.stats import Draws
from fleet.model.record import TaskKind
from fleet.twin import fast
from fleet.twin.calibrate import Pools
from fleet.twin.control import Polling
from fleet.twin.fast import Scenario, draws_of, replay_many
from fleet.twin.graph import Graph, graph_of
from fleet.twin.replay import Control, Service, Worker
from tests.benchmarks.taskdb.plane import AUX_AGENTS, Diary, Pace, Run, Setting

LUCK = 100
"""Draws of service times for each run."""
ANYWHERE = 2000
"""Draws of phases where those of a run are not known."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What runs of `setting`, with one agent, taught, in real seconds. `slower_*`: by how much timers run late."""

    setting: Setting
    late: float
    graph: Graph
    pools: Pools
    claim: float
    slower_poll: float
    slower_refresh: float


def learn(runs: Sequence[Run], pace: Pace) -> Known:
    """Services, the cost of a request and the timers' delays; the graph is the first run's, with its executor."""
    setting = runs[0].setting
    turns = [turn for run in runs for diary in run.agents for turn in diary.turns]
    claim = median(turn.told - turn.asked for turn in turns)
    last = fmean(t.ended - t.told for run in runs for diary in run.helpers for t in diary.turns)
    graph = graph_of(runs[0].job)
    nodes = tuple(node if node.fixed is None else replace(node, fixed=last) for node in graph.nodes)
    pools = {
        ("box", kind): tuple(Service(device=t.ended - t.told) for t in turns if t.kind is kind)
        for kind in (TaskKind.PROVE, TaskKind.JOIN)
    }
    waits = [gap for run in runs for diary in run.helpers for gap in _gaps(diary)]
    ticks = [gap for run in runs for diary in run.refreshers for gap in _gaps(diary)]
    return Known(
        setting=setting,
        late=late(runs, pace),
        graph=Graph(nodes=nodes, cycles=graph.cycles),
        pools=pools,
        claim=claim,
        slower_poll=median(waits) - setting.poll / pace.scale - claim,
        slower_refresh=median(ticks) - setting.refresh / pace.scale,
    )


def late(runs: Sequence[Run], pace: Pace) -> float:
    """By how much tasks took longer than the sleeps that they are."""
    turns = [turn for run in runs for diary in run.agents for turn in diary.turns]
    return sum(turn.ended - turn.told for turn in turns) / sum(pace.of(turn.kind) for turn in turns) - 1


def _gaps(diary: Diary) -> list[float]:
    return [later - earlier for earlier, later in pairwise(diary.asked)]


def with_its_phases(known: Known, run: Run, pace: Pace) -> float:
    """Mean job seconds in the twin when its timers have this run's phases."""
    scenario = _scenario(known, run.setting, pace)
    polling = scenario.control.polling
    assert polling is not None
    firsts = [
        *(_first(diary, run.started) / polling.refresh for diary in run.refreshers),
        *(_first(diary, run.started) / polling.poll for diary in (*run.helpers, *run.agents)),
    ]
    luck = draws_of(range(LUCK), len(known.graph.nodes))
    draws = fast.Draws(luck=luck.luck, shares=np.tile(firsts, (LUCK, 1)))
    return float(replay_many([scenario], draws).mean())


def with_any_phases(known: Known, setting: Setting, pace: Pace) -> Draws:
    """The job's seconds where nobody knows how the timers stand, one for each of many phases."""
    timers = 2 * AUX_AGENTS + setting.agents
    draws = draws_of(range(ANYWHERE), len(known.graph.nodes), timers)
    seconds: Draws = replay_many([_scenario(known, setting, pace)], draws)[0]
    return seconds


def _first(diary: Diary, start: float) -> float:
    """Seconds until the timer first fired in the job."""
    return next(asked - start for asked in diary.asked if asked >= start)


def _scenario(known: Known, setting: Setting, pace: Pace) -> Scenario:
    polling = Polling(
        poll=setting.poll / pace.scale + known.slower_poll,
        refresh=setting.refresh / pace.scale + known.slower_refresh,
        lock=known.claim,
        refreshers=AUX_AGENTS,
        helpers=AUX_AGENTS,
    )
    control = Control(claim=known.claim, polling=polling, joins_first=False)
    workers = tuple(Worker(host="box", device=f"{number}") for number in range(setting.agents))
    return Scenario(graph=known.graph, workers=workers, pools=known.pools, control=control)


def usl(rates: Iterable[tuple[int, float]], at: int) -> float:
    """X(at) of the universal scalability law fitted to (N, X), with its contention and coherency at 0 or above.

    N / X is linear in 1, N − 1 and N(N − 1): of the fits with some of the coefficients left out, the best allowed one.
    """
    points = [(float(n), n / rate) for n, rate in rates]
    terms = (lambda n: n**0, lambda n: n - 1.0, lambda n: n * (n - 1.0))
    fits = []
    for used in ((0, 1, 2), (0, 1), (0, 2), (0,)):
        rows = np.array([[terms[term](n) for term in used] for n, _ in points])
        weights = np.linalg.lstsq(rows, np.array([y for _, y in points]))[0]
        missed = float(np.sum((rows @ weights - [y for _, y in points]) ** 2))
        if min(weights) >= 0:
            there = float(sum(w * terms[term](at) for w, term in zip(weights, used, strict=True)))
            fits.append((missed, at / there))
    return min(fits)[1]
