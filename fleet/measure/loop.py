"""The experiment loop: propose, run, keep, until nothing is left to learn or the budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fleet.measure.pace import seconds_left
from fleet.model.event import Estimated, Note, TrialFinished, TrialProgress, TrialStarted
from fleet.model.inventory import Inventory
from fleet.model.record import Observation
from fleet.model.trial import Plan, Trial
from fleet.plan.trials.experiments import propose, remaining
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
    if seen:
        observe(_estimated(plan, inventory, seen))
    while (trial := propose(plan, inventory, seen, workload.alive())) is not None:
        after = remaining(plan, inventory, seen, workload.alive())[1:]
        left = seconds_left(plan, inventory, seen, after)
        observe(TrialStarted(trial=trial, number=len(seen) + 1, remaining=len(after), seconds=left))
        observation = workload.run(trial, _progress(trial, observe))
        keep(observation)
        seen.append(observation)
        observe(TrialFinished(observation=observation))
        observe(_estimated(plan, inventory, seen))
        if observation.lost:
            observe(Note(text=f"going on without {', '.join(observation.lost)}", warning=True))


def _progress(trial: Trial, observe: Observer) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        observe(TrialProgress(trial=trial.id, done=done, total=total))

    return report


def _estimated(plan: Plan, inventory: Inventory, seen: Sequence[Observation]) -> Estimated:
    from fleet.analyse.evidence.sofar import rates_so_far  # noqa: PLC0415 (numpy is loaded when something is analysed)

    return Estimated(rates=rates_so_far(plan, inventory, seen))
