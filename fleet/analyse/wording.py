"""Gains and prices in the operator's words, as all reasons have them."""

from __future__ import annotations

from dataclasses import replace

from fleet.model.estimate import Estimate
from fleet.model.inventory import Price
from fleet.units import format_percent

LEAST, MOST = 0.01, 0.99
"""Beyond them no probability is told, here as in every report."""


def chance(probability: float) -> str:
    """`99 %`, `more than 99 %`, `less than 1 %`."""
    if probability < LEAST:
        return "less than 1 %"
    return f"{probability * 100:.0f} %" if probability <= MOST else "more than 99 %"


def gained(estimate: Estimate | None) -> str:
    """`+48.2 % (95 %: +44.0 % to +52.6 %)`."""
    if estimate is None:
        return "unknown"
    return f"{format_percent(estimate.value)} (95 %: {format_percent(estimate.low)} to {format_percent(estimate.high)})"


def roughly(price: Price, factor: float) -> Price:
    """A price times a factor, to two digits: more would claim what gains that were measured a few times do not bear."""
    return replace(price, amount=float(f"{price.amount * factor:.2g}"))


def money(price: Price, currency: str) -> str:
    """`USD 1,600 once`, `USD 1.20 an hour`, as the report writes prices."""
    amount = f"{price.amount:,.0f}" if price.amount >= 100 else f"{price.amount:,.2f}"  # noqa: PLR2004 (cents)
    return f"{currency} {amount} {'once' if price.per.value == 'once' else 'an hour'}"
