"""What measuring a layout again is worth: by how much it would lower what the best answer forgoes, for its minutes.

P(wrong)·loss is the average share of throughput that the best answer forgoes. A trial cannot lower it unless what it
shows could change the answer. So for each layout the draws are sorted by what as many trials again as it has had would
show of its rate, the best answer is taken in each part of them, and the average over the parts is held against the best
single answer: the expected value of sample information (Raiffa & Schlaifer 1961), read off the draws that are there
(Strong, Oakley & Brennan 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

import numpy as np

from fleet.analyse.decide.options import Candidate
from fleet.analyse.decide.regret import losses
from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings
from fleet.analyse.stats import DRAWS, Draws, generator_for
from fleet.model.trial import Layout

PARTS = 10
"""Parts that the draws are sorted into; a few hundred draws each, so that their averages are not noise."""

SEEN = 0.5
"""The share of a rate's variance that as many trials again resolve: 1/n − 1/2n of 1/n."""

NOTHING = 0.001
"""Less than this share of the throughput is not worth a trial where an answer can be given already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What as many trials of a layout again as it has had would lower the forgone throughput by, and their minutes."""

    layout: Layout
    forgone: float
    minutes: float

    @property
    def rate(self) -> float:
        """For each minute."""
        return self.forgone / self.minutes


def worths(found: Findings, base: Arm, candidates: Sequence[Candidate]) -> tuple[Worth, ...]:
    """The layouts that the answer may hang on, what shrinks P(wrong)·loss most per minute first."""
    lost = losses(candidates)
    if not lost:
        return ()
    table = np.array(list(lost.values()))
    near = found.alone(found.box.name)
    arms = [base, *([near] if near else []), *(arm for c in candidates if c.layout and (arm := found.arm(c.layout)))]
    seen = {arm.layout: _worth(found, arm, table) for arm in arms}
    return tuple(sorted(seen.values(), key=lambda one: -one.rate))


def _worth(found: Findings, arm: Arm, table: Draws) -> Worth:
    generator = generator_for(found.log.plan.seed, f"worth {arm.layout}")
    noise = generator.standard_normal((2, DRAWS))
    shown = np.sqrt(SEEN) * _scores(found.draws(arm)) + np.sqrt(1 - SEEN) * noise[0]
    # What sorting by pure chance seems to gain is the luck of finite draws.
    forgone = _best(table, noise[1]) - _best(table, shown)
    minutes = sum(trial.elapsed for trial in arm.trials) / 60
    return Worth(layout=arm.layout, forgone=max(0.0, forgone), minutes=max(minutes, 1e-6))


def _scores(draws: Draws) -> Draws:
    """Normal scores: the draws' order on a normal scale, whatever their tails are."""
    order = np.argsort(np.argsort(draws))
    return np.asarray(SCORES[order * len(SCORES) // len(draws)], dtype=np.float64)


SCORES = np.array([NormalDist().inv_cdf((k + 0.5) / 200) for k in range(200)])


def _best(table: Draws, shown: Draws) -> float:
    """What the best answer in each part of the draws, sorted by what is shown, forgoes on average."""
    return fmean(float(table[:, part].mean(axis=1).min()) for part in np.array_split(np.argsort(shown), PARTS))
