"""A figure and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval, from `n` admissible trials (0 = predicted, not measured)."""

    value: float
    low: float
    high: float
    n: int
    unit: str
