"""The experiment loop: propose, run, keep, until nothing is left to learn or the budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fleet.model.event import Note, TrialFinished, TrialProgress, TrialStarted
from fleet.model.inventory import Inventory
from fleet.model.record import Observation, Outcome
from fleet.model.trial import Plan, Trial
from fleet.plan.experiments import propose, remaining
from fleet.ports import Observer, Workload


def measure(
    plan: Plan,
    inventory: Inventory,
    workload: Workload,
    *,
    history: Sequence[Observation],
    keep: Callable[[Observation], None],
    observe: Observer,
) -> None:
    """Run trials until `propose` has none left. `keep` is called with each observation before the next trial starts.

    `history` is what an interrupted run has measured already; those trials are not run again.
    """
    seen = list(history)
    while (trial := propose(plan, inventory, seen, workload.alive())) is not None:
        left = remaining(plan, inventory, seen, workload.alive())
        observe(
            TrialStarted(
                trial=trial, number=len(seen) + 1, remaining=max(left - 1, 0), seconds=_eta(seen, max(left - 1, 0))
            )
        )
        observation = workload.run(trial, _progress(trial, observe))
        keep(observation)
        seen.append(observation)
        observe(TrialFinished(observation=observation))
        if observation.lost:
            observe(Note(text=f"going on without {', '.join(observation.lost)}", warning=True))


def _progress(trial: Trial, observe: Observer) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        observe(TrialProgress(trial=trial.id, done=done, total=total))

    return report


def _eta(seen: Sequence[Observation], left: int) -> float | None:
    """Seconds for `left` trials at the mean pace of those that went well; None before the first."""
    paces = [observation.elapsed for observation in seen if observation.outcome is Outcome.OK]
    return left * sum(paces) / len(paces) if paces else None
