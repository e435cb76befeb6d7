"""The search: settings × GPUs in the box × remote workers, all replayed under one luck; which is best, how surely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from fleet.analyse.foretell.changes import changed_layout
from fleet.analyse.foretell.costs import bill_of, monthly
from fleet.analyse.foretell.outlook import Outlook, Workbench, outlook
from fleet.analyse.foretell.prediction import gains_of, prediction
from fleet.analyse.foretell.room import no_room, too_large
from fleet.analyse.stats import Draws
from fleet.errors import ConfigurationError
from fleet.model.simulation import Alternative, Bill, Change

SCREENED = 24
"""Draws for every candidate; only those that come far get all of them."""

FINALISTS = 6
"""How many candidates by Hz, and how many by gain per cost, are replayed in full."""

MOST_REMOTES = 4
MOST_AGENTS = 3


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a search found; `left_out`: why candidates could not be compared, each reason once."""

    ranking: tuple[Alternative, ...] = ()
    searched: int = 0
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    change: Change
    view: Outlook
    bill: Bill
    monthly: float | None


def optimise(bench: Workbench, months: float) -> Search:
    """The finalists, most Hz first."""
    reasons: dict[str, None] = {}
    screened = []
    for change in _grid(bench):
        try:
            screened.append(_candidate(bench, change, months, SCREENED))
        except ConfigurationError as error:
            reasons.setdefault(error.message)
    finalists = [_candidate(bench, one.change, months) for one in _pick(bench, screened)]
    return Search(ranking=_ranked(bench, finalists), searched=len(screened), left_out=tuple(reasons))


def _grid(bench: Workbench) -> Iterator[Change]:
    """What is feasible: sizes next to the measured ones, free slots, candidates of the inventory or a few."""
    found = bench.found
    measured = {arm.layout.po2 for arm in found.arms}
    low, high = found.log.inventory.po2_range
    sizes = list(range(max(low, min(measured) - 1), min(high, max(measured) + 1) + 1))
    agents = range(1, min(MOST_AGENTS, max(arm.layout.agents_per_device for arm in found.arms) + 1) + 1)
    if found.log.inventory.command is not None:
        sizes = sorted(measured)  # settings of a command are no sizes: nothing follows from one for another
        agents = range(1, max(arm.layout.agents_per_device for arm in found.arms) + 1)
    slots = 1 if found.box.free_slots is None else found.box.free_slots
    spare = sum(host.candidate for host in found.log.inventory.hosts)
    remotes = range(min(MOST_REMOTES, max(2, spare)) + 1)
    for po2, each, gpus, more in product(sizes, agents, range(slots + 1), remotes):
        change = Change(gpus=gpus, remotes=more, po2=po2, agents=each)
        if not (gpus and no_room(found, gpus)) and not too_large(bench, changed_layout(found, change)):
            yield change


def _candidate(bench: Workbench, change: Change, months: float, replays: int | None = None) -> _Candidate:
    layout = changed_layout(bench.found, change)
    bill = bill_of(bench.found.log.inventory.prices, change.gpus, change.remotes)
    view = outlook(bench, layout) if replays is None else outlook(bench, layout, replays=replays)
    return _Candidate(change=change, view=view, bill=bill, monthly=monthly(bill, months))


def _pick(bench: Workbench, screened: Sequence[_Candidate]) -> list[_Candidate]:
    """The best by Hz, the best by gain per cost, and the layout in service."""
    middle = {id(one): float(np.median(gains_of(bench, one.view))) for one in screened}
    free = max((middle[id(one)] for one in screened if one.monthly == 0), default=0.0)
    by_hz = sorted(screened, key=lambda one: -middle[id(one)])[:FINALISTS]
    paid = [one for one in screened if one.monthly]
    by_value = sorted(paid, key=lambda one: -(middle[id(one)] - free) / (one.monthly or 1.0))[:FINALISTS]
    costless = sorted((one for one in screened if one.monthly == 0), key=lambda one: -middle[id(one)])[:2]
    service = [one for one in screened if one.view.layout == bench.base.layout]
    picked = {id(one): one for one in (*by_hz, *by_value, *costless, *service)}
    return list(picked.values())


def _ranked(bench: Workbench, finalists: Sequence[_Candidate]) -> tuple[Alternative, ...]:
    gains = np.array([gains_of(bench, one.view) for one in finalists])
    best = _wins(gains)
    value = _wins(_values(finalists, gains))
    ranking = [
        Alternative(
            prediction=prediction(bench, one.view),
            change=one.change,
            bill=one.bill,
            monthly=one.monthly,
            best=float(best[number]),
            value=float(value[number]),
        )
        for number, one in enumerate(finalists)
    ]
    return tuple(sorted(ranking, key=lambda one: -one.prediction.hz.value))


def _values(finalists: Sequence[_Candidate], gains: Draws) -> Draws:
    """What each gains over the best that costs nothing, for each unit of money a month; −∞ for what has no cost."""
    free = np.array([one.monthly == 0 for one in finalists])
    settled = gains[free].max(axis=0) if free.any() else np.zeros(gains.shape[1])
    rows = [
        (row - settled) / one.monthly if one.monthly else np.full(len(row), -np.inf)
        for one, row in zip(finalists, gains, strict=True)
    ]
    return np.array(rows)


def _wins(scores: Draws) -> npt.NDArray[np.float64]:
    """The share of draws in which each row has the largest score; draws without a finite one are nobody's."""
    finite = np.isfinite(scores.max(axis=0))
    winners = scores.argmax(axis=0)[finite]
    return np.asarray(np.bincount(winners, minlength=len(scores)) / scores.shape[1], dtype=np.float64)
