"""Two independent samples of log rates: their difference, its interval, and how clear it is.

Welch's test (1947) on logarithms, with the spread of few repeats pooled as everywhere (`stats`). Where it is known how
much runs differ from one to the next by themselves, no run's mean is taken to be surer than that. Several differences
are judged together by Holm's step-down correction (1979), which keeps the chance of one false claim among all at 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from fleet.analyse.stats import Spread, t_975
from fleet.model.catalogue import Digest
from fleet.model.estimate import Estimate
from fleet.model.trial import Layout, Load

ALPHA = 0.05
FEWEST_STEPS = 4
"""So many steps from one run to the next must be known before they say how runs differ by themselves."""

_MAD_TO_SIGMA = 1.4826
_TINY = 1e-300
_ROUNDS = 300
_CLOSE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A figure of one run: its value, the variance of its logarithm, and the degrees of freedom that is known with."""

    value: float
    variance: float
    freedom: int
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From one mean to another, in logarithms: `size` ± `error` with `freedom` degrees of freedom."""

    size: float
    error: float
    freedom: float
    n: int

    def beyond(self, up: float, down: float) -> float:
        """The two-sided p of a step that goes beyond these; 1 where it does not."""
        excess = max(self.size - up, down - self.size)
        return p_of(excess / self.error, self.freedom) if excess > 0 else 1.0

    @property
    def relative(self) -> Estimate:
        """The relative change with its 95 % interval."""
        half = t_975(math.floor(self.freedom)) * self.error
        low, value, high = (math.expm1(self.size + part) for part in (-half, 0.0, half))
        return Estimate(value=value, low=low, high=high, n=self.n, unit="")


def mean_of(value: float, logs: Sequence[float], spread: Spread, wander: Spread | None = None) -> Mean:
    """A run's figure from its trials; `wander`: what runs differ by from one to the next."""
    variance, freedom = spread.of_mean(logs) ** 2, spread.freedom
    if wander is not None and wander.variance > variance:
        variance, freedom = wander.variance, wander.freedom
    return Mean(value=value, variance=variance, freedom=freedom, n=len(logs))


def step(one: Mean, other: Mean) -> Step:
    """From the one to the other, by Welch and Satterthwaite."""
    variance = one.variance + other.variance
    freedom = variance**2 / (one.variance**2 / one.freedom + other.variance**2 / other.freedom)
    return Step(size=math.log(other.value / one.value), error=math.sqrt(variance), freedom=freedom, n=other.n)


def interval(found: Mean, unit: str) -> Estimate:
    """The figure with its own 95 % interval."""
    half = t_975(found.freedom) * math.sqrt(found.variance)
    low, high = found.value * math.exp(-half), found.value * math.exp(half)
    return Estimate(value=found.value, low=low, high=high, n=found.n, unit=unit)


def holm(ps: Sequence[float]) -> tuple[float, ...]:
    """The p values corrected for being several, in their order."""
    adjusted, highest = [0.0] * len(ps), 0.0
    for rank, at in enumerate(sorted(range(len(ps)), key=lambda at: ps[at])):
        highest = max(highest, min(1.0, ps[at] * (len(ps) - rank)))
        adjusted[at] = highest
    return tuple(adjusted)


def wander_of(digests: Iterable[Digest]) -> Spread | None:
    """How much comparable runs differ by themselves, from the steps between each and the next; None from too few.

    The median step is taken, so that the few that a change has made do not count.
    """
    series: dict[tuple[Layout, Load], list[float]] = {}
    for digest in digests:
        for figure in digest.figures:
            series.setdefault((figure.layout, figure.load), []).append(math.log(figure.hz))
    longest = max((len(logs) - 1 for logs in series.values()), default=0)
    if longest < FEWEST_STEPS:
        return None
    steps = [abs(after - before) for logs in series.values() for before, after in pairwise(logs)]
    # A step is the difference of two means, so that its variance is twice theirs. Layouts of one run wander together.
    return Spread(variance=(_MAD_TO_SIGMA * median(steps)) ** 2 / 2, freedom=longest)


def p_of(t: float, freedom: float) -> float:
    """The two-sided p of Student's t: the regularised incomplete beta function I of f/(f + t²) at f/2, 1/2."""
    x = freedom / (freedom + t * t)
    if not 0 < x < 1:
        return min(1.0, max(0.0, x))
    a, b = freedom / 2, 0.5
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function (Abramowitz & Stegun 26.5.8), by Lentz's method."""
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _ROUNDS):
        for part in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away(1 + part * d)
            c = _away(1 + part / c)
            value *= c * d
        if abs(c * d - 1) < _CLOSE:
            break
    return value


def _away(value: float) -> float:
    """Not zero."""
    return value if abs(value) > _TINY else _TINY
