"""How much of a replayed gain the control plane lets through, where more agents were measured than are in service.

A replay takes what a claim costs as it is. Where agents poll, or claim one at a time, more of them wait more: then the
measured gain of any that were added says what becomes of the gain of others.
"""

from __future__ import annotations

import numpy as np

from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings
from fleet.analyse.evidence.identity import claim_seconds
from fleet.analyse.evidence.jobgraph import load_graph
from fleet.analyse.evidence.pools import crew, place_of
from fleet.analyse.stats import Draws
from fleet.twin.calibrate import whole_pools
from fleet.twin.forecast import independent, mean_seconds
from fleet.twin.replay import Control

NOTABLE = 0.05
"""A replayed gain below this is no measure for what becomes of one."""


def let_through(found: Findings, base: Arm) -> Draws | None:
    """Measured gain ÷ replayed gain of the smallest addition that was measured, 0 … 1 by draw; None without any.

    The replay has the times that tasks took in either layout, so that distance and crowding are in both gains.
    """
    place, control = place_of(found), Control(claim=claim_seconds(base))
    for arm, _ in found.with_candidates():
        seconds = [
            mean_seconds(
                load_graph(base), independent(crew(found, one.layout.agents)), whole_pools(one.jobs, place), control
            )
            for one in (base, arm)
        ]
        replayed = seconds[0] / seconds[1] - 1
        if replayed > NOTABLE:
            measured = found.draws(arm) / found.draws(base) - 1
            return np.asarray(np.clip(measured / replayed, 0.0, 1.0), dtype=np.float64)
    return None
