"""The one decision, by decision.md's step 7 in its plain form: a list of rules, the first that answers wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fleet.analyse.arms import Arm
from fleet.analyse.findings import Findings
from fleet.analyse.options import HARDWARE, WORTH, Candidate, best_probabilities, comparable, scores
from fleet.analyse.scaling import remote_efficiency
from fleet.analyse.stats import DRAWS
from fleet.model.trial import Layout
from fleet.model.verdict import Choice, Evidence

SURE = 0.95
"""The probability from which an answer is given instead of INCONCLUSIVE."""

EFFICIENT = 0.9
"""The remote efficiency η below which distance eats the gain (decision.md, step 7)."""

LIKELY = 0.5

SEGMENTS_PER_AGENT = 4
"""A job of fewer segments for each agent is mostly start and tail: more agents cannot show what they are worth."""

CERTAIN = 1 - 1 / DRAWS
"""No finite number of draws shows more."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that a decision looks at."""

    found: Findings
    base: Arm
    candidates: tuple[Candidate, ...]

    def candidate(self, choice: Choice) -> Candidate:
        """The candidate of that choice; every choice but hold has one."""
        return next(c for c in self.candidates if c.choice is choice)

    @property
    def hardware(self) -> tuple[Candidate, ...]:
        """What could be bought and helps by some known amount."""
        return tuple(c for c in self.candidates if c.choice in HARDWARE and c.open)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do, how sure that is, and the stable code of the rule that said so. `about`: the option it names."""

    choice: Choice
    confidence: float
    code: str
    about: Candidate | None = None


def decide(case: Case) -> Decision:
    """The answer of the first rule that has one; the last rule always has."""
    answer = next(answer for rule in RULES if (answer := rule(case)) is not None)
    return replace(answer, confidence=min(answer.confidence, CERTAIN))


def confounded(found: Findings) -> tuple[Layout, ...]:
    """The measured layouts that differ from the one in service in devices and settings at once, with no bridge.

    A bridge is a layout with the settings of the one and the devices of the other: it splits the difference.
    """
    current = found.log.plan.current
    near = {arm.layout for arm in (*found.with_settings(current), *found.on_devices(current))}
    bridged = {current.devices} | {layout.devices for layout in near}
    return tuple(arm.layout for arm in found.arms if arm.layout not in near and arm.layout.devices not in bridged)


def leader(case: Case) -> tuple[Candidate, float] | None:
    """The hardware with the best chance of the largest gain per cost at a worthwhile gain, and that chance."""
    hardware = case.hardware
    if not hardware:
        return None
    priced = comparable(hardware)
    values = np.array([scores(c, priced=priced) for c in hardware])
    winner = values.argmax(axis=0)
    chances = [float(((winner == number) & (np.asarray(c.gains) >= WORTH)).mean()) for number, c in enumerate(hardware)]
    best = int(np.argmax(chances))
    return hardware[best], chances[best]


def segments_wanted(case: Case) -> int:
    """How many segments a job needs so that its tail does not decide the figures."""
    return SEGMENTS_PER_AGENT * len(case.base.layout.agents)


def _load_too_small(case: Case) -> Decision | None:
    if min(job.segments for job in case.base.jobs) >= segments_wanted(case):
        return None
    return Decision(choice=Choice.INCONCLUSIVE, confidence=0.0, code="load_too_small")


def _nothing_compared(case: Case) -> Decision | None:
    current = case.base.layout
    if case.found.with_settings(current) or case.found.on_devices(current):
        return None
    code = "confounded" if confounded(case.found) else "nothing_compared"
    return Decision(choice=Choice.INCONCLUSIVE, confidence=0.0, code=code)


def _tune(case: Case) -> Decision | None:
    tune = case.candidate(Choice.TUNE)
    chance = tune.probability()
    if chance >= SURE:
        return Decision(choice=Choice.TUNE, confidence=chance, code="tune_gains", about=tune)
    if chance > LIKELY:
        return Decision(choice=Choice.INCONCLUSIVE, confidence=chance, code="tune_undecided", about=tune)
    return None


def _hold(case: Case) -> Decision | None:
    known = [np.asarray(c.gains) for c in case.candidates if c.open]
    small = float(np.all([gains < WORTH for gains in known], axis=0).mean()) if known else 0.0
    return Decision(choice=Choice.HOLD, confidence=small, code="all_small") if small >= SURE else None


def _hardware(case: Case) -> Decision | None:
    if (first := leader(case)) is None:
        return None
    candidate, chance = first
    if chance < SURE:
        return None
    if candidate.choice is Choice.ADD_REMOTE_WORKER and candidate.evidence is not Evidence.MEASURED:
        return Decision(choice=Choice.INCONCLUSIVE, confidence=chance, code="remote_not_measured", about=candidate)
    best = best_probabilities(case.candidates)[candidate.choice]
    confidence = min(best, chance) * _distance_discount(case, candidate)
    return Decision(choice=candidate.choice, confidence=confidence, code="gain_per_cost", about=candidate)


def _distance_discount(case: Case, candidate: Candidate) -> float:
    efficiency = efficiency_of(case) if candidate.choice is Choice.ADD_REMOTE_WORKER else None
    return 1.0 if efficiency is None else min(1.0, efficiency / EFFICIENT)


def efficiency_of(case: Case) -> float | None:
    """η of the measured candidate where it proves on the same model as the box; None where that is not known."""
    layout = case.candidate(Choice.ADD_REMOTE_WORKER).layout
    near = case.found.alone(case.found.box.name)
    if layout is None or near is None:
        return None
    hosts = sorted({a.host for a in layout.agents} - {a.host for a in case.base.layout.agents})
    far = case.found.alone(hosts[0])
    if far is None or _models(case, far) != _models(case, near):
        return None
    efficiency = remote_efficiency(near, far, case.found.spread)
    return efficiency.value if efficiency else None


def _models(case: Case, arm: Arm) -> Sequence[str]:
    return [device.model for device in case.found.devices(arm.layout)]


def _undecided(case: Case) -> Decision:
    first = leader(case)
    if first is None:
        return Decision(choice=Choice.INCONCLUSIVE, confidence=0.0, code="nothing_open")
    candidate, chance = first
    return Decision(choice=Choice.INCONCLUSIVE, confidence=chance, code="undecided", about=candidate)


RULES: tuple[Callable[[Case], Decision | None], ...] = (
    _load_too_small,
    _nothing_compared,
    _tune,
    _hold,
    _hardware,
    _undecided,
)
