"""Where the level of a series has changed: binary segmentation by Student's largest t.

A series is split where the t between both sides is largest (Worsley 1979), if that is larger than chance allows: how
large the largest of all splits gets without a change is drawn, for every length, from series of Gaussian noise. Each
side is then asked likewise with half the level, and in the end every point once more between its neighbours. So the
chance of any false point is at most the level asked for, whatever the length, the noise and the true points: parts of
the series in which nothing changes share the level among them. Noise with heavy tails or with a memory raises it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fleet.analyse.stats import Draws, generator_for

SHORTEST = 2
"""So many values make a level; one alone may be a bad day."""

FEWEST = 5
"""In fewer values nothing is looked for."""

_NOTHING = 1e-24
"""The least variance of noise: rounding is no noise."""

_SERIES = 4000
_CHUNK = 200_000
"""Values of noise that are drawn at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A new level begins with the `at`-th value; `p` of so clear a step anywhere between its neighbours."""

    at: int
    p: float


def change_points(values: Sequence[float], level: float) -> tuple[Break, ...]:
    """The breaks of a series, in order; `level` is the chance of any where there is none."""
    series = np.asarray(values, dtype=np.float64)
    found = sorted(_split(series, 0, len(series), level))
    while True:
        edges = (0, *found, len(series))
        asked = [(at, *_clearest(series[edges[k] : edges[k + 2]])) for k, at in enumerate(found)]
        weakest = max(asked, key=lambda one: one[2], default=None)
        if weakest is None or weakest[2] < level:
            return tuple(Break(at=at, p=p) for at, _, p in asked)
        found.remove(weakest[0])


def _split(series: Draws, first: int, last: int, level: float) -> list[int]:
    """The places where values `first` to `last` are to be split, each half split again."""
    if last - first < FEWEST:
        return []
    at, p = _clearest(series[first:last])
    if p >= level:
        return []
    half = level / 2
    return [*_split(series, first, first + at, half), first + at, *_split(series, first + at, last, half)]


def _clearest(series: Draws) -> tuple[int, float]:
    """Where the step is clearest, and how probable one so clear is without a change."""
    squared = _squared_t(series[None, :])[0]
    at = int(squared.argmax())
    null = _largest_by_chance(len(series))
    beyond = len(null) - int(np.searchsorted(null, squared[at], side="left"))
    return at + SHORTEST, (1 + beyond) / (1 + len(null))


def _squared_t(series: Draws) -> Draws:
    """t² of every split of every row, with SHORTEST values at least on each side.

    The noise is what is left within both sides, or what neighbours differ by (von Neumann 1941) where that is less:
    the one is inflated by a level that comes back, the other by many steps.
    """
    length = series.shape[1]
    left = np.arange(SHORTEST, length - SHORTEST + 1)
    centred = series - series.mean(axis=1, keepdims=True)
    sums = np.cumsum(centred, axis=1)[:, left - 1]
    between = sums**2 * length / (left * (length - left))
    within = ((centred**2).sum(axis=1, keepdims=True) - between) / (length - 2)
    neighbours = (np.diff(series, axis=1) ** 2).mean(axis=1, keepdims=True) / 2
    return np.asarray(between / np.maximum(np.minimum(within, neighbours), _NOTHING), dtype=np.float64)


@lru_cache(maxsize=256)
def _largest_by_chance(length: int) -> Draws:
    """The largest t² of series of noise of that length, sorted."""
    generator = generator_for(length, "change points")
    rows = max(1, _CHUNK // length)
    parts = [
        _squared_t(generator.standard_normal((min(rows, _SERIES - begun), length))).max(axis=1)
        for begun in range(0, _SERIES, rows)
    ]
    return np.sort(np.concatenate(parts))
