"""What the decider of experiments knows: the plan, the fleet, what was seen, and who is alive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from fleet.model.inventory import Inventory
from fleet.model.rates import effective_hz, fits, flaw
from fleet.model.record import Observation, Outcome
from fleet.model.trial import Experiment, Layout, Load, Plan, Trial

RETRIES = {Outcome.OUT_OF_MEMORY: 0, Outcome.TIMEOUT: 0}
"""How often a layout that ended so is tried again; all other failures `RETRIES_ELSE` times."""

RETRIES_ELSE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One moment of the campaign. `history` has no aborted observations: what was aborted was not run.

    `hosts` are those in the plan that are alive.
    """

    plan: Plan
    inventory: Inventory
    history: tuple[Observation, ...]
    hosts: frozenset[str]

    def seen(self, layout: Layout, load: Load) -> tuple[Observation, ...]:
        """The observations of a layout under a load, of whatever experiment."""
        return tuple(o for o in self.history if o.trial.layout == layout and o.trial.load == load)

    def counted(self, layout: Layout) -> tuple[Observation, ...]:
        """Those of them under the plan's load that may become a number."""
        return tuple(o for o in self.seen(layout, self.plan.load) if flaw(o) is None)

    def rate(self, layout: Layout) -> float | None:
        """Its mean effective Hz so far; None before the first admissible trial."""
        rates = [effective_hz(o.jobs) for o in self.counted(layout)]
        return fmean(rates) if rates else None

    def of(self, *experiments: Experiment) -> tuple[Observation, ...]:
        """The observations of these experiments."""
        return tuple(o for o in self.history if o.trial.experiment in experiments)

    def can_run(self, layout: Layout, load: Load) -> bool:
        """Whether its hosts are alive and it has not failed once too often."""
        return fits(layout, self.hosts) and not given_up(self.seen(layout, load))

    def trial(self, experiment: Experiment, layout: Layout, load: Load) -> Trial:
        """The next trial of a layout; its repeat and seed follow from how often it was tried in this experiment."""
        repeat = sum(o.trial.experiment is experiment for o in self.seen(layout, load))
        return Trial(experiment=experiment, layout=layout, load=load, repeat=repeat, seed=self.plan.seed + repeat)


def given_up(observations: Iterable[Observation]) -> bool:
    """Whether these trials of one layout failed more often than its failures are retried."""
    failures = [o for o in observations if flaw(o) is not None]
    return bool(failures) and len(failures) > min(RETRIES.get(o.outcome, RETRIES_ELSE) for o in failures)
