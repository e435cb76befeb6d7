"""How far the decision stands while a campaign runs: what is sure already, and which layouts another trial would help.

The campaign stops on the width of the interval that decides, not on a fixed count, and it skips what cannot change the
verdict: where other settings are surely worth it nothing else is measured, as they come first and cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.analyse.arms import Arm
from fleet.analyse.decide import Case, decide
from fleet.analyse.findings import Findings, findings
from fleet.analyse.options import Candidate, candidates_of, tune_candidate
from fleet.analyse.regret import THRESHOLDS, good_enough
from fleet.model.facts import Survey
from fleet.model.inventory import Inventory
from fleet.model.record import Observation, RunLog
from fleet.model.trial import Layout, Plan
from fleet.model.verdict import Choice

OPEN = frozenset({"undecided", "tune_undecided", "little_to_lose"})
"""The answers that more trials of what was measured can make surer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the decision stands. `answer`: the layout that it would name; `contested`: what to measure again."""

    answer: Layout | None = None
    contested: tuple[Layout, ...] = ()


def settings_standing(plan: Plan, inventory: Inventory, seen: Sequence[Observation]) -> tuple[float, Standing]:
    """P(other settings are worth it), and the two layouts that say so."""
    found = _findings(plan, inventory, seen)
    base = found.base
    if base is None:
        return 0.0, Standing()
    tune = tune_candidate(found, base)
    if tune.gains is None or tune.layout is None:
        return 0.0, Standing()
    return tune.probability(THRESHOLDS[0]), Standing(answer=tune.layout, contested=(base.layout, tune.layout))


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
    chances = good_enough(case.candidates)
    rivals = sorted((c for c in case.candidates if c.open), key=lambda c: -chances[c.choice])[:2]
    return Standing(answer=answer, contested=(base.layout, *_measured(found, base, rivals)))


def _findings(plan: Plan, inventory: Inventory, seen: Sequence[Observation]) -> Findings:
    survey = Survey(facts=())
    log = RunLog(
        id=plan.run, created=0.0, version="", inventory=inventory, survey=survey, plan=plan, observations=tuple(seen)
    )
    return findings(log)


def _measured(found: Findings, base: Arm, rivals: Sequence[Candidate]) -> tuple[Layout, ...]:
    """The layouts that the rivals' gains were computed from, apart from the base."""
    alone = found.alone(found.box.name)
    layouts = [alone.layout if c.choice is Choice.ADD_GPU and alone else c.layout for c in rivals]
    return tuple(dict.fromkeys(layout for layout in layouts if layout and layout != base.layout))
