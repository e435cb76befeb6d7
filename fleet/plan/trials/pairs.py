"""Which trial is next when one worker's marginal gain is measured: a warm-up, then pairs without and with it, ABBA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.model.rates import effective_hz, flaw
from fleet.model.record import Observation, Outcome
from fleet.model.trial import Experiment, Layout, Plan, Trial
from fleet.plan.trials.context import given_up

MAX_WARMUPS = 2
ORDER = "ABBA"
"""A: without the worker, B: with it. Whatever drifts in a straight line cancels within a round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """What a marginal gain is measured with: the plan, the layout with the worker, and when it is enough.

    `wanted`: half of the interval's width, relative; `most` pairs however wide it is then.
    """

    plan: Plan
    together: Layout
    wanted: float
    most: int


def next_trial(pairs: Pairs, history: Sequence[Observation], *, fresh: bool = False) -> Trial | None:
    """The next trial; None when the interval is narrow enough, the pairs are spent, or one side fails for good.

    `fresh`: the cluster has just come up. Then it is warmed up even where an earlier one was.
    """
    history = [o for o in history if o.outcome is not Outcome.ABORTED]
    if (trial := _warm_up(pairs, history)) is not None:
        return trial
    if fresh and _measured(pairs, history) is not None:
        return _warming(pairs, history)
    return _measured(pairs, history)


def _measured(pairs: Pairs, history: Sequence[Observation]) -> Trial | None:
    """The next trial that counts."""
    from fleet.analyse.foretell.marginal import counted, paired_gain, precise  # noqa: PLC0415 (numpy is loaded only to analyse)

    sides = {"A": pairs.plan.current, "B": pairs.together}
    done = {side: counted(history, layout, pairs.plan.load) for side, layout in sides.items()}
    both = min(len(trials) for trials in done.values())
    if both == max(len(trials) for trials in done.values()):
        rates = [[effective_hz(o.jobs) for o in trials] for trials in done.values()]
        if both >= pairs.most or (both and precise(paired_gain(*rates), pairs.wanted)):
            return None
    side = ORDER[sum(len(trials) for trials in done.values()) % len(ORDER)]
    seen = [o for o in history if o.trial.layout == sides[side] and o.trial.experiment is not Experiment.WARMUP]
    if given_up(seen):
        return None
    return Trial(
        experiment=Experiment.BASELINE if side == "A" else Experiment.REMOTE,
        layout=sides[side],
        load=pairs.plan.load,
        repeat=len(seen),
        seed=pairs.plan.seed + len(seen),
    )


def _warm_up(pairs: Pairs, history: Sequence[Observation]) -> Trial | None:
    """One job on everything, which counts for nothing: what compiles or connects late does it here."""
    tried = [o for o in history if o.trial.experiment is Experiment.WARMUP]
    if len(tried) >= MAX_WARMUPS or any(flaw(o) is None for o in tried):
        return None
    return _warming(pairs, history)


def _warming(pairs: Pairs, history: Sequence[Observation]) -> Trial:
    tried = [o for o in history if o.trial.experiment is Experiment.WARMUP]
    return Trial(
        experiment=Experiment.WARMUP,
        layout=pairs.together,
        load=pairs.plan.load,
        repeat=len(tried),
        seed=pairs.plan.seed + len(tried),
    )
