"""The one decision, by decision.md's step 7 in its plain form: a list of rules, the first that answers wins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fleet.analyse.causes.contrasts import efficiencies
from fleet.analyse.decide.options import HARDWARE, Candidate, best_probabilities
from fleet.analyse.decide.regret import ZONE, expected_losses, good_enough, unrivalled
from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings
from fleet.analyse.stats import DRAWS
from fleet.model.trial import Layout
from fleet.model.verdict import SURE, Choice, Evidence

LEADING, CHEAP = 0.5, ZONE
"""An answer that more likely than not is as good as the best is given where it forgoes next to nothing on average."""

EFFICIENT = 0.9
"""The remote efficiency η below which distance eats the gain (decision.md, step 7)."""

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

    @property
    def unrivalled(self) -> float:
        """Of settings that are named, P(no others that were measured give notably more); 1 where there are none."""
        if self.choice is not Choice.TUNE or self.about is None or self.about.rivals is None:
            return 1.0
        return min(unrivalled(self.about.rivals), CERTAIN)


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


def segments_had(case: Case) -> int:
    """The fewest segments of a trial in service, of all its jobs: while one job ends the others go on."""
    return min(sum(job.segments for job in trial.jobs) for trial in case.base.trials)


def segments_wanted(case: Case) -> int:
    """How many segments a trial needs so that its tail does not decide the figures."""
    return SEGMENTS_PER_AGENT * len(case.base.layout.agents)


def _load_too_small(case: Case) -> Decision | None:
    if segments_had(case) >= segments_wanted(case):
        return None
    return Decision(choice=Choice.INCONCLUSIVE, confidence=0.0, code="load_too_small")


def _nothing_compared(case: Case) -> Decision | None:
    current = case.base.layout
    if case.found.with_settings(current) or case.found.on_devices(current):
        return None
    code = "confounded" if confounded(case.found) else "nothing_compared"
    return Decision(choice=Choice.INCONCLUSIVE, confidence=0.0, code=code)


def _sure(case: Case) -> Decision | None:
    """Of the answers that are surely good enough the one that is most probably the best.

    That settings are worth changing is surer than to which: that a rival may give notably more is said beside it, and
    is no reason to name none.

    Step 7's conditions on a worker, η ≥ 0.9 and a coordinator under 0.7, guard a gain that is foretold. A measured one
    has both in it: what breaks them is said (`reasons`, beside this), as it bounds the next worker, not this one. To
    hold such a worker back was tried on the 44 planted clusters of seeds 8000–8199 whose limit is the claims or the
    network: it changed three verdicts (coordinators 81 and 83 % busy, η = 0.86). All three were right; doing nothing
    instead forgoes 32 to 60 % of the throughput.
    """
    chances = good_enough(case.candidates)
    sure = [choice for choice, chance in chances.items() if chance >= SURE]
    if not sure:
        return None
    best = best_probabilities(case.candidates)
    measured = [choice for choice in sure if not _unseen_worker(case, choice)]
    choice = max(measured or sure, key=lambda c: best.get(c, 0.0))
    chance = chances[choice]
    if choice is Choice.HOLD:
        return Decision(choice=choice, confidence=chance, code="all_small")
    about = case.candidate(choice)
    if not measured:
        return Decision(choice=Choice.INCONCLUSIVE, confidence=chance, code="remote_not_measured", about=about)
    code = "tune_gains" if choice is Choice.TUNE else "gain_per_cost"
    return Decision(choice=choice, confidence=chance, code=code, about=about)


def _cheap(case: Case) -> Decision | None:
    """Trials do not make it surer, but neither is there much to lose: the answer that leads, with its probability."""
    chances, forgone = good_enough(case.candidates), expected_losses(case.candidates)
    choice = min(forgone, key=lambda c: forgone[c])
    if chances[choice] < LEADING or forgone[choice] > CHEAP or _unseen_worker(case, choice):
        return None
    about = None if choice is Choice.HOLD else case.candidate(choice)
    return Decision(choice=choice, confidence=chances[choice], code="little_to_lose", about=about)


def _unseen_worker(case: Case, choice: Choice) -> bool:
    """A remote worker never measured is never recommended."""
    if choice is not Choice.ADD_REMOTE_WORKER:
        return False
    return case.candidate(choice).evidence is not Evidence.MEASURED


def efficiency_of(case: Case) -> float | None:
    """η of the measured candidate where it proves on the same model as the box; None where that is not known."""
    layout = case.candidate(Choice.ADD_REMOTE_WORKER).layout
    if layout is None:
        return None
    host = min({a.host for a in layout.agents} - {a.host for a in case.base.layout.agents})
    return next((far.efficiency.value for far in efficiencies(case.found) if far.host == host), None)


def _undecided(case: Case) -> Decision:
    """What leads; settings before hardware where it is they that are open."""
    chances = good_enough(case.candidates)
    about = max((c for c in case.candidates if c.open), key=lambda c: chances[c.choice], default=None)
    if about is None:
        return Decision(choice=Choice.INCONCLUSIVE, confidence=0.0, code="nothing_open")
    code = "tune_undecided" if about.choice is Choice.TUNE else "undecided"
    return Decision(choice=Choice.INCONCLUSIVE, confidence=chances[about.choice], code=code, about=about)


BASELESS = frozenset({"load_too_small", "confounded", "nothing_compared"})
"""The answers that come before any option is weighed: figures of options would claim what nobody measured."""

RULES: tuple[Callable[[Case], Decision | None], ...] = (
    _load_too_small,
    _nothing_compared,
    _sure,
    _cheap,
    _undecided,
)
