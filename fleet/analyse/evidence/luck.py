"""The luck of tasks: by how much a trial's rate may be off for the times that its tasks happened to take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean, median

import numpy as np

from fleet.analyse.stats import OUTLIER_Z, scatter
from fleet.model.rates import tasks_of
from fleet.model.record import Observation, TaskKind

WINDOWS = 8
"""Parts of a trial whose sums are taken to be independent of each other; each should be several tasks long."""

Span = tuple[float, float]


def task_luck(trials: Iterable[Observation]) -> float:
    """The variance of the logarithm of a trial's rate that is there for the luck of its tasks alone; their mean.

    A trial's time goes with the sum of its tasks' times, so that even one trial tells how far another may be off. Its
    tasks are not independent: cards take turns at a bus, and one's long task is another's short one. So what all agents
    together took beyond their usual times is summed within windows of the trial's own time, and it is the scatter of
    these sums that counts (batch means, Conway 1963).

    Of few tasks an agent that is a lower bound: windows are no longer than a task then, and one task is in several. Of
    independent tasks it finds 60 % of the variance where each agent had 8, 77 % of 16 and 90 % of 64.
    """
    return fmean(map(_luck, trials))


def _luck(trial: Observation) -> float:
    alike: dict[tuple[TaskKind, str], list[Span]] = {}
    for task in tasks_of(trial):
        if task.agent is not None and task.started is not None and task.updated is not None:
            alike.setdefault((task.kind, task.agent), []).append((task.started, task.updated))
    total = sum(end - start for spans in alike.values() for start, end in spans)
    if total <= 0:
        return 0.0
    excess = np.array([row for spans in alike.values() for row in _excess(spans)])
    edges = np.linspace(excess[:, 0].min(), excess[:, 1].max(), WINDOWS + 1)[:, np.newaxis]
    inside = np.minimum(excess[:, 1], edges[1:]) - np.maximum(excess[:, 0], edges[:-1])
    sums = np.maximum(inside, 0.0) @ excess[:, 2]
    return float(WINDOWS * np.var(sums, ddof=1) / total**2)


def _excess(spans: Sequence[Span]) -> Iterator[tuple[float, float, float]]:
    """(start, end, seconds beyond the usual for each second) of one agent's tasks of a kind.

    They are alike but for the last, smaller segment: an odd one counts as usual.
    """
    times = [end - start for start, end in spans]
    usual, most = median(times), OUTLIER_Z * scatter(times)
    for (start, end), seconds in zip(spans, times, strict=True):
        beyond = seconds - usual
        yield start, end, beyond / seconds if seconds > 0 and abs(beyond) <= most else 0.0
