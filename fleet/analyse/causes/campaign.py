"""The campaign told as it went: every trial in its order, why it was chosen, and what came of it.

The reasons are read off the history alone, by the rules that chose (`fleet.plan.trials.experiments`): an arm's first
trial is run for what the experiment asks; later ones for what the decision hung on.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleet.model.rates import effective_hz, flaw
from fleet.model.record import Observation, RunLog
from fleet.model.trial import Experiment
from fleet.model.verdict import TrialSeen

_FIRST = {
    Experiment.WARMUP: "the first job compiles and connects; its time counts for nothing",
    Experiment.CEILING: "whether a larger segment fits in memory",
    Experiment.BASELINE: "what everything else is compared with",
    Experiment.PACKING: "other settings on the same devices, which cost nothing",
    Experiment.GPUS: "one device alone: what its neighbours take from it",
    Experiment.REMOTE: "what a candidate adds, and how far distance slows it",
    Experiment.CONFIRM: "the likely answer again",
    Experiment.SOAK: "the settings at the edge of memory, for longer",
    Experiment.CAUSE: "one change that shows what a longer prove comes from",
    Experiment.MEASURES: "the same layout by the other measure",
}
"""By experiment: why its layouts are measured at all."""

_SCHEDULED = {Experiment.BASELINE: 2, Experiment.CONFIRM: 2}
"""Trials that an arm has whatever they show: two tell how far repeats spread."""

_HARDWARE = frozenset({Experiment.GPUS, Experiment.REMOTE})


def campaign(log: RunLog) -> tuple[TrialSeen, ...]:
    """Every trial of a run, in the order in which they began."""
    seen = sorted(log.observations, key=lambda one: (one.started, one.trial.id))
    return tuple(_told(one, seen[:number], number + 1) for number, one in enumerate(seen))


def _told(one: Observation, before: Sequence[Observation], number: int) -> TrialSeen:
    trial, spoilt = one.trial, flaw(one)
    return TrialSeen(
        number=number,
        trial=trial.id,
        experiment=trial.experiment,
        why=_why(one, before),
        layout=trial.layout,
        jobs=trial.load.jobs,
        iterations=trial.load.iterations,
        refused=spoilt,
        hz=effective_hz(one.jobs) if spoilt is None and trial.experiment is not Experiment.WARMUP else None,
        seconds=one.elapsed,
    )


def _why(one: Observation, before: Sequence[Observation]) -> str:
    """The first trial of a layout asks what its experiment asks; another one repeats it for a reason of its own."""
    trial = one.trial
    same = [o for o in before if o.trial.layout == trial.layout and o.trial.load == trial.load]
    counted = [o for o in same if flaw(o) is None and o.trial.experiment is not Experiment.WARMUP]
    spoilt = [o for o in same if flaw(o) is not None and o.trial.experiment is trial.experiment]
    if not counted:
        return f"again, as the last did not count: {_FIRST[trial.experiment]}" if spoilt else _FIRST[trial.experiment]
    if trial.experiment is Experiment.CONFIRM:
        return "what the verdict names is measured twice"
    if len(counted) < _SCHEDULED.get(trial.experiment, 1):
        return "again, to see how far repeats spread"
    if not any(o.trial.experiment in _HARDWARE for o in before):
        return "again: whether other settings pay hung on it"
    return "again: the decision hung on it most for its minutes"
