"""One decider for the whole campaign: what was seen so far → the next trial, or None when nothing is left to learn.

Warm-up and ceiling come first, one probe after the other. Then all arms are measured in rounds: every arm once, then
every arm again that deserves it, in an order drawn by the plan's seed and run backwards in every second round (ABBA),
so that drift hits all arms alike. The confirmation is last. Nothing is remembered between calls: to resume a run is
to call `propose` with the stored history. The budget is counted here, so the campaign ends whatever happens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

from fleet.model.inventory import Inventory
from fleet.model.rates import effective_hz, flaw
from fleet.model.record import JobRecord, Observation, Outcome, TaskKind, TaskRecord, TaskState
from fleet.model.trial import Experiment, Layout, Plan, Trial
from fleet.plan.arms import Arm, baseline_arms, confirm_arms, gpus_arms, packing_arms, remote_arms
from fleet.plan.ceiling import probe_ceiling, warm_up
from fleet.plan.context import Context
from fleet.plan.layouts import devices_of, feasible

DULL = 0.5
"""The pace at which other settings are imagined to run when trials are counted ahead: too slow to be pursued."""

_ROUNDS: tuple[tuple[Experiment, Callable[[Context], tuple[Arm, ...]]], ...] = (
    (Experiment.BASELINE, baseline_arms),
    (Experiment.PACKING, packing_arms),
    (Experiment.GPUS, gpus_arms),
    (Experiment.REMOTE, remote_arms),
)


def propose(plan: Plan, inventory: Inventory, history: Sequence[Observation], alive: frozenset[str]) -> Trial | None:
    """The next trial, on hosts that are alive only; None when all is measured or the budget is spent.

    An aborted observation counts as not run: its trial comes back under the same id and replaces it in the store.
    """
    if len(history) >= plan.budget.trials or sum(o.elapsed for o in history) >= plan.budget.seconds:
        return None
    context = Context(
        plan=plan,
        inventory=inventory,
        history=tuple(o for o in history if o.outcome is not Outcome.ABORTED),
        hosts=frozenset(plan.hosts) & alive,
    )
    if inventory.head.name not in context.hosts:
        return None
    return next((trial for stage in _stages(plan) if (trial := stage(context)) is not None), None)


def remaining(plan: Plan, inventory: Inventory, history: Sequence[Observation], alive: frozenset[str]) -> int:
    """About how many trials are left, the next one included, if all goes well and no surprise asks for more."""
    rates: dict[Layout, float] = {o.trial.layout: effective_hz(o.jobs) for o in history if flaw(o) is None}
    pace = max((rate / len(layout.devices) for layout, rate in rates.items()), default=1.0)
    seen = list(history)
    while (trial := propose(plan, inventory, seen, alive)) is not None:
        usual = pace * len(trial.layout.devices) * (DULL if trial.experiment is Experiment.PACKING else 1.0)
        seen.append(_imagined(inventory, trial, rates.get(trial.layout, usual)))
    return len(seen) - len(history)


def _stages(plan: Plan) -> list[Callable[[Context], Trial | None]]:
    stages = ((Experiment.WARMUP, warm_up), (Experiment.CEILING, probe_ceiling))
    wanted = [stage for experiment, stage in stages if experiment in plan.experiments]
    return [*wanted, _next_in_rounds, _next_confirmation]


def _next_in_rounds(context: Context) -> Trial | None:
    arms = [
        arm for experiment, arms_of in _ROUNDS if experiment in context.plan.experiments for arm in arms_of(context)
    ]
    return _next_of(context, arms)


def _next_confirmation(context: Context) -> Trial | None:
    return _next_of(context, confirm_arms(context)) if Experiment.CONFIRM in context.plan.experiments else None


def _next_of(context: Context, arms: Iterable[Arm]) -> Trial | None:
    """The next trial of the first unfinished round. A layout that several arms ask for belongs to the first."""
    open_arms = {
        arm.layout: (len(context.counted(arm.layout)), arm)
        for arm in reversed(tuple(arms))
        if context.can_run(arm.layout, context.plan.load) and len(context.counted(arm.layout)) < arm.trials
    }
    if not open_arms:
        return None
    number = min(done for done, _ in open_arms.values())
    block = [arm for done, arm in open_arms.values() if done == number]
    chosen = min(
        block, key=lambda arm: (number == 0 and arm.experiment is not Experiment.BASELINE, _turn(context, arm))
    )
    if number % 2:
        chosen = max(block, key=lambda arm: _turn(context, arm))
    return context.trial(chosen.experiment, chosen.layout, context.plan.load)


def _turn(context: Context, arm: Arm) -> str:
    """The arm's place in the random order of a pair of rounds."""
    text = f"{context.plan.seed}|{len(context.counted(arm.layout)) // 2}|{arm.layout}"
    return hashlib.sha256(text.encode()).hexdigest()


def _imagined(inventory: Inventory, trial: Trial, rate: float) -> Observation:
    """What a trial would give on a fleet whose memory is as the prior has it."""
    layout = trial.layout
    if not feasible(devices_of(inventory, layout), layout.agents_per_device, layout.po2):
        return Observation(trial=trial, outcome=Outcome.OUT_OF_MEMORY, started=0.0, elapsed=0.0, emulated=True)
    cycles = 1 << layout.po2
    task = TaskRecord(
        id="0",
        kind=TaskKind.PROVE,
        state=TaskState.DONE,
        prerequisites=(),
        created=0.0,
        started=0.0,
        updated=cycles / rate,
    )
    job = JobRecord(
        id=trial.id, state=TaskState.DONE, segments=1, user_cycles=cycles, total_cycles=cycles, tasks=(task,)
    )
    return Observation(trial=trial, outcome=Outcome.OK, started=0.0, elapsed=0.0, emulated=True, jobs=(job,))
