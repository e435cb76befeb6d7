"""How long the rest of a run takes: the pace of its trials so far, with what passes between them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from fleet.model.inventory import Inventory
from fleet.model.record import Observation
from fleet.model.spending import spent
from fleet.model.trial import Experiment, Plan

BREAK = 300.0
"""Seconds: longer than this between two trials nothing was done, as the run had been interrupted."""


def seconds_left(plan: Plan, inventory: Inventory, seen: Sequence[Observation], left: int) -> float | None:
    """About how long `left` more trials take, the budget's seconds at most; None before a pace is known.

    A warm-up sets no pace: its job is tiny.
    """
    paced = [one for one in seen if one.trial.experiment is not Experiment.WARMUP]
    if not paced:
        return None
    pace = (sum(_until_next(one, after) for one, after in pairwise(paced)) + paced[-1].elapsed) / len(paced)
    allowed = max(plan.budget.seconds - spent(plan, inventory, seen).seconds, 0.0)
    return min(left * pace, allowed)


def _until_next(one: Observation, after: Observation) -> float:
    """Seconds from one trial's start to the next one's."""
    between = after.started - one.started - one.elapsed
    return one.elapsed + (between if 0 < between < BREAK else 0.0)
