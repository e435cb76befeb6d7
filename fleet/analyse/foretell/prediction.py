"""What is said of an outlook: its gain over the layout in service, its rate, and how far either may be off.

The rate is anchored at the measured one: Hz = measured Hz of the layout in service × ratio of the replays.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fleet.analyse.evidence.arms import estimate
from fleet.analyse.foretell.outlook import Outlook, Workbench
from fleet.analyse.stats import Draws, central, generator_for
from fleet.model.estimate import Estimate
from fleet.model.simulation import Beyond, Prediction
from fleet.model.trial import Layout

MODEL_ERROR = 0.015
"""Standard error of a replayed ratio inside the measured range: half of the 3 % that decision.md asks of the twin."""

STEP_ERROR = 0.03
"""… and for each step (a doubling, a setting never tried) outside it."""

DISPATCH_ERROR = 0.5
"""How long agents wait for dispatch elsewhere, where they wait notably, is a guess: its standard error, as a part of
the share of their time that they wait now."""


def error_of(beyond: Iterable[Beyond]) -> float:
    """The standard error of a replayed ratio that leaves the measured range so far."""
    return MODEL_ERROR + STEP_ERROR * sum(one.steps for one in beyond)


def gains_of(bench: Workbench, view: Outlook) -> Draws:
    """Relative gains over the layout in service, by draw, with the replay's own error around them.

    Where other trials tell its times than those in service, neither's luck cancels: of the latter it is the luck that
    the measured rate has as well, so that Hz have the other trials' only.

    The replay takes a claim's cost as it is; where agents wait for dispatch, at worst that waiting grows with the
    claims, so that twice its share of a gain is lost, or all of it; less is likelier (the square of an even chance).
    """
    ratios = view.rates / bench.now.rates[: len(view.seconds)]
    if view.layout == bench.base.layout and not view.beyond:
        return np.asarray(ratios - 1, dtype=np.float64)
    generator = generator_for(bench.seed, f"replay {view.layout}")
    error = error_of(view.beyond) + DISPATCH_ERROR * bench.waiting
    luck = view.noise * generator.standard_t(bench.found.spread.freedom, len(ratios))
    luck -= view.other * np.log(bench.noise[: len(ratios)])
    ratios = ratios * np.exp(error * generator.standard_normal(len(ratios)) + luck)
    held_up = min(1.0, 2 * bench.waiting * _claims(view.layout) / _claims(bench.base.layout))
    gains = ratios - 1
    return np.asarray(np.where(gains > 0, gains * (1 - held_up * generator.random(len(ratios)) ** 2), gains))


def _claims(layout: Layout) -> float:
    """What a layout's claims in a second are in proportion to: agents, and tasks for each cycle."""
    return len(layout.agents) * 2.0**-layout.po2


def hertz_of(bench: Workbench, gains: Draws) -> Draws:
    """Hz by draw, anchored at the measured rate of the layout in service."""
    return np.asarray(bench.base.hz * bench.noise[: len(gains)] * (1 + gains), dtype=np.float64)


def estimated(draws: Draws, unit: str) -> Estimate:
    """The middle of the draws with their central 95 %; n = 0, as it was not measured."""
    low, high = central(draws)
    return Estimate(value=float(np.median(draws)), low=low, high=high, n=0, unit=unit)


def prediction(bench: Workbench, view: Outlook) -> Prediction:
    """An outlook in figures."""
    gains = gains_of(bench, view)
    arm = None if view.beyond else bench.found.arm(view.layout)
    return Prediction(
        layout=view.layout,
        hz=estimated(hertz_of(bench, gains), "Hz"),
        gain=estimated(gains, ""),
        better=float((gains > 0).mean()),
        beyond=view.beyond,
        basis=view.basis,
        measured=estimate(arm, bench.found.spread) if arm else None,
    )
