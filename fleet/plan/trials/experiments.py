"""One decider for the whole campaign: what was seen so far → the next trial, or None when nothing is left to learn.

Warm-up and ceiling come first, one probe after the other. Then the layout in service and other settings are measured,
every arm once, in an order drawn by the plan's seed and run backwards in every second round, so that drift hits all
arms alike. Where other settings are surely worth it, that is the verdict and nothing else can change it; else what
hardware gives is measured. From then on the next trial is the one that shrinks P(wrong)·loss most per minute
(`analyse.decide.worth`), until the decision stands, no trial is worth its time, or the budget of trials, minutes and
money is spent. What the verdict names is measured twice at least. Then come the trials that explain: one change that
tells what an inflation comes from, and the other measure of the layouts that matter. Nothing is remembered between
calls: to resume a run is to call `propose` with the stored history. The budget is counted here, so the campaign ends
whatever happens.

Successive halving of the settings in ABBA blocks (each twice there and back, the better half twice more) was tried in
the place of "once, then where it is worth most": on 100 planted clusters (seeds 9000–9099) 96 right answers instead of
95 and 0.4 % forgone instead of 0.5 %, for 16 trials in the median instead of 9.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from fleet.model.inventory import Inventory
from fleet.model.rates import effective_hz, flaw
from fleet.model.record import JobRecord, Observation, Outcome, TaskKind, TaskRecord, TaskState
from fleet.model.spending import exhausted
from fleet.model.trial import Experiment, Layout, Load, Plan, Trial
from fleet.model.verdict import SURE
from fleet.plan.trials.afterwards import apart, cause_trial, measures_trial, one_agent_each, other_load
from fleet.plan.trials.arms import Arm, baseline_arms, gpus_arms, packing_arms, remote_arms
from fleet.plan.trials.ceiling import probe_ceiling, warm_up
from fleet.plan.trials.context import Context
from fleet.plan.trials.layouts import devices_of, feasible
from fleet.plan.trials.soak import LONGER, at_the_edge, soak_trial

MOST = 2
"""An arm gets this many times the budget's repeats at most, however much hangs on it."""

LIKELY = 0.5
"""Between this probability and SURE other settings lead: whether they pay is settled before hardware is looked at."""

DULL = 0.5
"""The pace at which other settings are imagined to run when trials are counted ahead: nobody would want them."""

BY_BOTH = 2
"""Layouts that are measured by both measures: the one in service and the likely answer."""

_SETTINGS = ((Experiment.BASELINE, baseline_arms), (Experiment.PACKING, packing_arms))
_HARDWARE = ((Experiment.GPUS, gpus_arms), (Experiment.REMOTE, remote_arms))
_Rounds = tuple[tuple[Experiment, Callable[[Context], tuple[Arm, ...]]], ...]


def propose(plan: Plan, inventory: Inventory, history: Sequence[Observation], alive: frozenset[str]) -> Trial | None:
    """The next trial, on hosts that are alive only; None when all is measured or the budget is spent.

    An aborted observation counts as not run: its trial comes back under the same id and replaces it in the store.
    """
    if exhausted(plan, inventory, history):
        return None
    context = _context(plan, inventory, history, alive)
    if inventory.head.name not in context.hosts:
        return None
    return next((trial for stage in _stages(plan) if (trial := stage(context)) is not None), None)


def remaining(
    plan: Plan, inventory: Inventory, history: Sequence[Observation], alive: frozenset[str]
) -> tuple[Load, ...]:
    """About the trials that are left, each by its load, the next one first, if no surprise asks for more."""
    coming = propose(plan, inventory, history, alive)
    if coming is None:
        return ()
    rates: dict[Layout, float] = {o.trial.layout: effective_hz(o.jobs) for o in history if flaw(o) is None}
    pace = max((rate / len(layout.devices) for layout, rate in rates.items()), default=1.0)
    context = _context(plan, inventory, history, alive)
    seen, stages = list(history), [stage for stage in _stages(plan) if stage not in _AFTERWARDS]
    while len(seen) < plan.budget.trials:
        trial = next((trial for stage in stages if (trial := stage(context)) is not None), None)
        if trial is None:
            break
        usual = pace * len(trial.layout.devices) * (DULL if trial.experiment is Experiment.PACKING else 1.0)
        seen.append(_imagined(inventory, trial, rates.get(trial.layout, usual)))
        context = _context(plan, inventory, seen, alive)
    loads = [*(one.trial.load for one in seen[len(history) :]), *_later(context)]
    if coming.load in loads:
        loads.remove(coming.load)
    return (coming.load, *loads)[: plan.budget.trials - len(history)]


def _context(plan: Plan, inventory: Inventory, history: Sequence[Observation], alive: frozenset[str]) -> Context:
    return Context(
        plan=plan,
        inventory=inventory,
        history=tuple(o for o in history if o.outcome is not Outcome.ABORTED),
        hosts=frozenset(plan.hosts) & alive,
    )


def _stages(plan: Plan) -> list[Callable[[Context], Trial | None]]:
    stages = ((Experiment.WARMUP, warm_up), (Experiment.CEILING, probe_ceiling))
    wanted = [stage for experiment, stage in stages if experiment in plan.experiments]
    return [*wanted, _settings_round, _hardware_round, *_AFTERWARDS]


def _settings_round(context: Context) -> Trial | None:
    return _next_of(context, _of(context, _SETTINGS))


def _hardware_round(context: Context) -> Trial | None:
    """What hardware gives, unless other settings are the verdict anyway."""
    from fleet.analyse.decide.settle import settings_standing  # noqa: PLC0415 (numpy is loaded only when something is analysed)

    chance, standing = settings_standing(context.plan, context.inventory, context.history)
    if chance >= LIKELY and (trial := _again(context, standing.contested)) is not None:
        return trial
    return None if chance >= SURE else _next_of(context, _of(context, _HARDWARE))


def _settle(context: Context) -> Trial | None:
    """Another trial of what the decision hangs on; then what the verdict names, twice at least."""
    from fleet.analyse.decide.settle import standing  # noqa: PLC0415 (as above)

    now = standing(context.plan, context.inventory, context.history)
    for layout in now.contested:
        if (trial := _again(context, [layout])) is not None:
            return trial
    if Experiment.CONFIRM not in context.plan.experiments or now.answer is None:
        return None
    twice = min(2, context.plan.budget.repeats)
    return _next_of(context, [Arm(experiment=Experiment.CONFIRM, layout=now.answer, trials=twice)])


def _soak(context: Context) -> Trial | None:
    """What is to be run, for longer, where memory leaves no room for a larger size."""
    if Experiment.SOAK not in context.plan.experiments:
        return None
    from fleet.analyse.decide.settle import standing  # noqa: PLC0415 (as above)

    return soak_trial(context, standing(context.plan, context.inventory, context.history).answer)


def _causes(context: Context) -> Trial | None:
    """The one change that shows what makes a prove take longer in company, where something does."""
    if Experiment.CAUSE not in context.plan.experiments:
        return None
    from fleet.analyse.causes.contrasts import inflated  # noqa: PLC0415 (as above)

    by_neighbours, by_agents = inflated(context.plan, context.inventory, context.history)
    changes = (apart(context) if by_neighbours else None, one_agent_each(context.plan.current) if by_agents else None)
    return cause_trial(context, [layout for layout in changes if layout is not None])


def _measures(context: Context) -> Trial | None:
    """The layout in service and the likely answer by the other measure: one job, or several at once."""
    if Experiment.MEASURES not in context.plan.experiments:
        return None
    from fleet.analyse.decide.settle import standing  # noqa: PLC0415 (as above)

    answer = standing(context.plan, context.inventory, context.history).answer
    others = [answer] if answer else [arm.layout for arm in remote_arms(context) if context.counted(arm.layout)]
    return measures_trial(context, [context.plan.current, *others])


def _later(context: Context) -> Iterator[Load]:
    """The loads of what comes when every arm has had its turn, as far as that can be told before."""
    plan = context.plan
    if Experiment.SOAK in plan.experiments and not context.of(Experiment.SOAK) and at_the_edge(context, plan.current):
        yield replace(plan.load, iterations=LONGER * plan.load.iterations)
    if Experiment.MEASURES in plan.experiments:
        load = other_load(plan.load)
        done = sum(o.trial.load == load and flaw(o) is None for o in context.of(Experiment.MEASURES))
        yield from [load] * (BY_BOTH - done)


def _again(context: Context, layouts: Sequence[Layout]) -> Trial | None:
    """The contested layout with the fewest trials so far, under the experiment that asked for it first."""
    most = MOST * context.plan.budget.repeats
    arms = {arm.layout: arm for arm in _of(context, (*_HARDWARE, *_SETTINGS))}
    return _next_of(context, [replace(arms[layout], trials=most) for layout in layouts if layout in arms])


def _of(context: Context, rounds: _Rounds) -> list[Arm]:
    return [arm for experiment, arms_of in rounds if experiment in context.plan.experiments for arm in arms_of(context)]


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


_AFTERWARDS: tuple[Callable[[Context], Trial | None], ...] = (_settle, _soak, _causes, _measures)
"""What comes when every arm has had its turn."""
