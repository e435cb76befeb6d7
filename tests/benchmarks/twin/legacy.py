"""The legacy control plane in the twin beside what Bento's own task database gave on another machine.

The figures were measured elsewhere with agents that sleep instead of proving (decision.md), one phase of the timers for
each row, which was not recorded. So the twin can only say where they lie among all phases.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fleet.model.record import TaskKind
from fleet.plan.trials.graphs import expected_graph
from fleet.twin.control import Polling
from fleet.twin.fast import Scenario, draws_of, replay_many
from fleet.twin.replay import Control, Service, Worker
from tests.benchmarks.twin.work import JOIN, PROVE

SEGMENTS_ITERATIONS = 4096
"""At po2 20 these are the table's 33 segments."""
HEAD_SECONDS = 1.3
"""What the table's ideal times have on top of proves and joins."""
CLAIM, LOCK = 0.004, 0.004
"""Seconds of a request, and of its hold on the stream: a few milliseconds on a small machine."""
DRAWS = 2000

TABLE = (
    (1, 1.0, 5.0, 151.97, 140.42),
    (2, 1.0, 5.0, 85.39, 73.93),
    (4, 1.0, 5.0, 55.38, 41.90),
    (8, 1.0, 5.0, 40.34, 25.22),
    (8, 1.0, 1.0, 32.35, 25.22),
    (8, 0.0, 1.0, 28.40, 25.22),
)
"""Agents, poll, refresh; seconds measured, and ideal."""


def legacy_table() -> Iterator[str]:
    """All lines."""
    graph = expected_graph(SEGMENTS_ITERATIONS, 20, 1e12, HEAD_SECONDS)
    pools = {("box", TaskKind.PROVE): (Service(device=PROVE),), ("box", TaskKind.JOIN): (Service(device=JOIN),)}
    yield f"THE LEGACY CONTROL PLANE (33 segments, seconds; the twin over {DRAWS:,} phases of two aux agents)"
    yield f"  {'agents':>6} {'poll':>5} {'refresh':>7} {'measured':>9} {'twin':>7} {'1 – 99 %':>15} {'mean off':>9}"
    for agents, poll, refresh, seen, ideal in TABLE:
        polling = Polling(poll=poll, refresh=refresh, lock=LOCK, refreshers=2, helpers=2)
        control = Control(claim=CLAIM, joins_first=False, polling=polling)
        crew = tuple(Worker(host="box", device=f"{number}") for number in range(agents))
        slow = Scenario(graph=graph, workers=crew, pools=pools, control=control)
        free = Scenario(graph=graph, workers=crew, pools=pools)
        seconds, least = replay_many([slow, free], draws_of(range(DRAWS), len(graph.nodes), agents + 4))
        low, high = np.quantile(seconds, (0.01, 0.99))
        mean = float(seconds.mean())
        place = "inside" if low <= seen <= high else "outside"
        yield (
            f"  {agents:6} {poll:5.0f} {refresh:7.0f} {seen:9.2f} {mean:7.2f} {low:6.2f} – {high:6.2f} "
            f"{mean / seen - 1:+9.1%}  {place}; ideal {ideal:.2f}, the twin's {least[0]:.2f}"
        )
