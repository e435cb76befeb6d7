"""What others would do with the same cluster: the guide's "expect n×", and measuring the full grid.

Both are shown the machine's true rates with the trial noise that fleet's trials have, and nothing else.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from statistics import fmean

from planted_fleets import layout as planted_layout

from fleet.model.trial import Layout
from fleet.model.verdict import Choice
from tests.benchmarks.decision.clusters import BOX, WORKER
from tests.benchmarks.decision.truth import HARDWARE, Case

REPEATS = 3
EXPECTED = 0.9
WORTH = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """An answer and what it took."""

    choice: Choice
    layout: Layout | None
    trials: int


def guide(case: Case) -> Advice:
    """Take the largest po2 that fits, one agent each; n GPUs should give n×; less than 90 % of it means the bus.

    Then a remote worker, else a GPU. One run for each figure, and probing the ceiling takes two.
    """
    po2 = max(layout.po2 for layout in case.grid)
    best = next(layout for layout in case.grid if layout.po2 == po2 and layout.agents_per_device == 1)
    if case.current != best:
        return Advice(choice=Choice.TUNE, layout=best, trials=2)
    meter = _Meter(case)
    cards = len(case.cluster.inventory.host(BOX).devices)
    lone = planted_layout(po2, 1, **{BOX: 1})
    many = planted_layout(po2, 1, **{BOX: cards})
    scales = cards == 1 or meter.rate(many, 1) >= EXPECTED * cards * meter.rate(lone, 1)
    choice = Choice.ADD_GPU if scales and Choice.ADD_GPU not in case.blocked else Choice.ADD_REMOTE_WORKER
    return Advice(choice=choice, layout=None, trials=2 + (2 if cards > 1 else 1))


def full_grid(case: Case) -> Advice:
    """Every feasible setting, the box with a card less and the worker where it is lent, three times each.

    The next card is taken to give what the last one gave (a lone one: its double), a worker that is not lent what a
    card gives.
    """
    meter = _Meter(case)
    rates = {layout: meter.rate(layout, REPEATS) for layout in case.grid}
    base = rates[case.current]
    best = max(rates, key=lambda layout: rates[layout])
    gains = {Choice.ADD_GPU: _last_card(case, meter, base)}
    gains[Choice.ADD_REMOTE_WORKER] = _worker(case, meter, base) if case.cluster.lent else gains[Choice.ADD_GPU]
    if rates[best] / base - 1 >= WORTH:
        choice = Choice.TUNE
    else:
        worth = [c for c in HARDWARE if c not in case.blocked and gains[c] >= WORTH]
        choice = max(worth, key=lambda c: gains[c] / case.costs[c], default=Choice.HOLD)
    return Advice(choice=choice, layout=best, trials=meter.trials)


def _last_card(case: Case, meter: _Meter, base: float) -> float:
    serving = {h.name: len(h.devices) for h in case.cluster.inventory.hosts if not h.candidate}
    if sum(serving.values()) == 1:
        return 1.0
    current, fewer = case.current, {name: count for name, count in serving.items() if name != BOX}
    if serving[BOX] > 1:
        fewer |= {BOX: serving[BOX] - 1}
    return base / meter.rate(planted_layout(current.po2, current.agents_per_device, **fewer), REPEATS) - 1


def _worker(case: Case, meter: _Meter, base: float) -> float:
    counts = {h.name: len(h.devices) for h in case.cluster.inventory.hosts if not h.candidate or h.name == WORKER}
    return meter.rate(planted_layout(case.current.po2, case.current.agents_per_device, **counts), REPEATS) / base - 1


class _Meter:
    """Measured rates: true ones with the cluster's trial noise, counted."""

    def __init__(self, case: Case) -> None:
        self.trials = 0
        self._case = case
        self._chance = random.Random(f"rules {case.cluster.seed}")  # noqa: S311 (planted noise, not a secret)

    def rate(self, layout: Layout, repeats: int) -> float:
        """The mean of so many trials."""
        self.trials += repeats
        noise = self._case.cluster.truth.trial_noise
        return self._case.rate(layout) * fmean(math.exp(self._chance.gauss(0.0, noise)) for _ in range(repeats))
