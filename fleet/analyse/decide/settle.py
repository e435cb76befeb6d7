"""How far the decision stands while a campaign runs: what is sure already, and which layouts another trial would help.

The campaign stops on the width of the interval that decides, not on a fixed count, and it skips what cannot change the
verdict: where other settings are surely worth it nothing else is measured, as they come first and cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleet.analyse.decide.options import candidates_of, lasts, tune_candidate
from fleet.analyse.decide.regret import THRESHOLDS, ZONE
from fleet.analyse.decide.rules import Case, decide
from fleet.analyse.decide.worth import NOTHING, worths
from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings, findings
from fleet.model.facts import Survey
from fleet.model.inventory import Inventory
from fleet.model.record import Observation, RunLog
from fleet.model.trial import Layout, Plan
from fleet.model.verdict import SURE, Choice

OPEN = frozenset({"undecided", "tune_undecided", "little_to_lose"})
"""The answers that more trials of what was measured can make surer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the decision stands. `answer`: the layout that it would name; `contested`: what to measure again."""

    answer: Layout | None = None
    contested: tuple[Layout, ...] = ()


def settings_standing(plan: Plan, inventory: Inventory, seen: Sequence[Observation]) -> tuple[float, Standing]:
    """P(other settings are worth it), and the two layouts between which that lies.

    Where it is sure, what is left is which settings: the best so far and its strongest rival, if there is one.
    """
    found = _findings(plan, inventory, seen)
    base = found.base
    if base is None:
        return 0.0, Standing()
    tune = tune_candidate(found, base)
    if tune.gains is None or tune.layout is None:
        return 0.0, Standing()
    chance = tune.probability(THRESHOLDS[0])
    contested = (base.layout, tune.layout) if chance < SURE else _rivals(found, base, tune.layout)
    return chance, Standing(answer=tune.layout, contested=contested)


def _rivals(found: Findings, base: Arm, best: Layout) -> tuple[Layout, ...]:
    """The best settings and those that most likely give notably more; nothing where none may."""
    leader = found.arm(best)
    if leader is None:
        return ()
    rates = found.draws(leader)
    chances = {
        arm.layout: float(np.mean(found.draws(arm) / rates > 1 + ZONE))
        for arm in found.on_devices(base.layout)
        if arm is not leader and lasts(found, arm.layout)
    }
    rival = max(chances, key=lambda layout: chances[layout], default=None)
    return (best, rival) if rival and chances[rival] > 1 - SURE else ()


def standing(plan: Plan, inventory: Inventory, seen: Sequence[Observation]) -> Standing:
    """Where the decision stands after these trials. Nothing is contested where more of the same would not help."""
    found = _findings(plan, inventory, seen)
    base = found.base
    if base is None:
        return Standing()
    case = Case(found=found, base=base, candidates=candidates_of(found, base))
    decision = decide(case)
    answer = decision.about.layout if decision.about else None
    if decision.code not in OPEN:
        return Standing(answer=answer)
    worth = worths(found, base, case.candidates)
    if decision.choice is not Choice.INCONCLUSIVE:
        worth = tuple(one for one in worth if one.forgone > NOTHING)
    return Standing(answer=answer, contested=tuple(one.layout for one in worth))


def _findings(plan: Plan, inventory: Inventory, seen: Sequence[Observation]) -> Findings:
    survey = Survey(facts=())
    log = RunLog(
        id=plan.run, created=0.0, version="", inventory=inventory, survey=survey, plan=plan, observations=tuple(seen)
    )
    return findings(log)
