"""How good an answer is: what following it would forgo, draw by draw, and the chance that this is next to nothing.

Two things are matters of taste, not of measurement: whether a gain of 4.9 or 5.1 % is worth an operator's time, and
which of two options to take that give nearly the same. More trials would settle them at any price and nobody would be
better off. So the threshold is soft by `ZONE` either way, and an answer that forgoes at most `ZONE` of the throughput
is as good as the best (indifference-zone selection, Bechhofer 1954).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fleet.analyse.decide.options import HARDWARE, WORTH, Candidate, comparable
from fleet.analyse.stats import DRAWS, Draws
from fleet.model.verdict import Choice

ZONE = 0.02
"""The gain, and the share of throughput, below which two answers are equally good."""

THRESHOLDS = (WORTH - ZONE, WORTH, WORTH + ZONE)

Gains = Mapping[Choice, Draws]


def good_enough(candidates: Sequence[Candidate]) -> dict[Choice, float]:
    """P(the answer forgoes at most ZONE), for every option that is open and for hold."""
    return {choice: float(np.mean(lost <= ZONE)) for choice, lost in losses(candidates).items()}


def unrivalled(rivals: Draws) -> float:
    """P(what rivals give beyond a candidate is at most ZONE)."""
    return float(np.mean(rivals <= ZONE))


def expected_losses(candidates: Sequence[Candidate]) -> dict[Choice, float]:
    """The mean share of throughput that each answer forgoes."""
    return {choice: float(np.mean(lost)) for choice, lost in losses(candidates).items()}


def losses(candidates: Sequence[Candidate]) -> dict[Choice, Draws]:
    """The share of throughput that each answer forgoes, by draw: the least over the thresholds."""
    gains = {c.choice: c.gains for c in candidates if c.open and c.gains is not None}
    priced = comparable(candidates)
    costs = {c.choice: c.cost.amount if priced and c.cost else 1.0 for c in candidates if c.choice in HARDWARE}
    answers = (*gains, Choice.HOLD)
    by_threshold = [_losses(gains, costs, threshold) for threshold in THRESHOLDS]
    return {answer: np.minimum.reduce([lost[answer] for lost in by_threshold]) for answer in answers}


def _losses(gains: Gains, costs: Mapping[Choice, float], threshold: float) -> dict[Choice, Draws]:
    """By decision.md's order: settings where they are worth it, else the most gain per cost, else nothing."""
    tune = gains.get(Choice.TUNE, np.full(DRAWS, -1.0))
    bought = [choice for choice in gains if choice in HARDWARE]
    tuning = tune >= threshold
    worth = {h: np.where(gains[h] >= threshold, gains[h] / costs[h], 0.0) for h in bought}
    best_worth = np.max([*worth.values(), np.zeros(DRAWS)], axis=0)
    buying = ~tuning & (best_worth > 0)
    best_gain = np.max([*(np.where(worth[h] == best_worth, gains[h], 0.0) for h in bought), np.zeros(DRAWS)], axis=0)

    def lost(tuned: Draws, money: Draws, idle: Draws) -> Draws:
        """`tuned` of the settings' gain and `money`'s worth of the best buy's are had; `idle` where nothing pays."""
        free = np.maximum(tune - tuned, 0.0) / (1 + np.maximum(tune, 0.0))
        spent = np.maximum(best_gain - money, 0.0) / (1 + best_gain)
        return np.where(tuning, free, np.where(buying, spent, idle))

    nothing = np.zeros(DRAWS)
    found = {Choice.HOLD: lost(nothing, nothing, nothing)}
    if Choice.TUNE in gains:
        found[Choice.TUNE] = lost(tune, tune, np.maximum(-tune, 0.0))
    for h in bought:
        scale = np.divide(gains[h] / costs[h], best_worth, out=nothing.copy(), where=best_worth > 0)
        found[h] = lost(nothing, scale * best_gain, np.maximum(threshold - gains[h], 0.0))
    return found
