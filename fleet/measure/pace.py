"""How long the rest of a run takes: what its trials took so far by their work, with what passed before each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from fleet.model.inventory import Inventory
from fleet.model.record import Observation, Outcome
from fleet.model.spending import spent
from fleet.model.trial import Experiment, Load, Plan

BREAK = 300.0
"""Seconds: longer than this between two trials nothing was done, as the run had been interrupted."""


def seconds_left(plan: Plan, inventory: Inventory, seen: Sequence[Observation], left: Sequence[Load]) -> float | None:
    """About how long trials of these loads take, the budget's seconds at most; None before a pace is known.

    A warm-up sets no pace, as its job is tiny, and neither does what ended early; making its agents ready is part of
    what a trial takes, for the most part: once it may take long.
    """
    paced = [one for one in seen if one.outcome is Outcome.OK and one.trial.experiment is not Experiment.WARMUP]
    if not paced:
        return None
    pace = sum(one.elapsed for one in paced) / sum(_work(one.trial.load) for one in paced)
    between = [_between(before, one) for before, one in pairwise(seen) if one in paced]
    allowed = max(plan.budget.seconds - spent(plan, inventory, seen).seconds, 0.0)
    return min(sum(pace * _work(load) for load in left) + len(left) * median(between or [0.0]), allowed)


def _work(load: Load) -> int:
    return load.jobs * load.iterations


def _between(before: Observation, one: Observation) -> float:
    """Seconds from one trial's end to the next one's start."""
    passed = one.started - before.started - before.elapsed
    return passed if 0 < passed < BREAK else 0.0
