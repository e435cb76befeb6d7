"""Throughput: admissible trials gathered by layout and load, their effective Hz as totals over totals, intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from fleet.analyse.stats import (
    BOOTSTRAP_FROM,
    Draws,
    Spread,
    bootstrap_interval,
    generator_for,
    scatter,
    t_draws,
    t_interval,
)
from fleet.model.estimate import Estimate
from fleet.model.rates import UNMEASURED, effective_hz, flaw, job_cycles, job_seconds, tasks_of
from fleet.model.record import JobRecord, Observation, TaskKind
from fleet.model.trial import Experiment, Layout, Load
from fleet.model.verdict import Throughput


@dataclass(frozen=True, kw_only=True)
class Arm:
    """The admissible trials of one layout under one load, in the order of their ids."""

    layout: Layout
    load: Load
    trials: tuple[Observation, ...]

    @cached_property
    def cycles(self) -> tuple[float, ...]:
        """Cycles of each trial."""
        return tuple(float(job_cycles(o.jobs)) for o in self.trials)

    @cached_property
    def seconds(self) -> tuple[float, ...]:
        """Seconds of each trial."""
        return tuple(job_seconds(o.jobs) for o in self.trials)

    @cached_property
    def logs(self) -> tuple[float, ...]:
        """The logarithm of each trial's effective Hz."""
        return tuple(math.log(effective_hz(o.jobs)) for o in self.trials)

    @cached_property
    def luck(self) -> float:
        """The variance of `logs` that is there for the luck of its tasks alone."""
        return task_luck(self.trials)

    def spread(self, pooled: Spread) -> Spread:
        """Of its trials: what all of the run have, but no less than the luck of its own, perhaps fewer, tasks."""
        return pooled.at_least(self.luck)

    @property
    def hz(self) -> float:
        """Total cycles over total seconds."""
        return sum(self.cycles) / sum(self.seconds)

    @property
    def jobs(self) -> tuple[JobRecord, ...]:
        """The jobs of all its trials."""
        return tuple(job for o in self.trials for job in o.jobs)

    @property
    def experiments(self) -> tuple[Experiment, ...]:
        """What its trials were run for, in the order of the procedure."""
        ran = {o.trial.experiment for o in self.trials}
        return tuple(experiment for experiment in Experiment if experiment in ran)


def task_luck(trials: Sequence[Observation]) -> float:
    """The variance of the logarithm of a trial's rate that is there for the luck of its tasks alone; their mean.

    A trial's time goes with the sum of its tasks' times. Where each task has luck of its own, the variance of
    that sum is the sum of theirs, so that even one trial tells how far another may be off. An agent's tasks of a kind
    are alike but for the last, smaller segment, which a robust scatter leaves out.
    """
    return fmean(map(_luck, trials))


def _luck(trial: Observation) -> float:
    alike: dict[tuple[TaskKind, str], list[float]] = {}
    for task in tasks_of(trial):
        if task.agent is not None and task.started is not None and task.updated is not None:
            alike.setdefault((task.kind, task.agent), []).append(task.updated - task.started)
    total = sum(map(sum, alike.values()))
    return sum(len(times) * scatter(times) ** 2 for times in alike.values()) / total**2 if total > 0 else 0.0


def sorted_trials(observations: Iterable[Observation]) -> tuple[Observation, ...]:
    """In an order that does not depend on theirs."""
    return tuple(sorted(observations, key=lambda o: (o.trial.id, o.started, o.elapsed, o.outcome)))


def arms_of(observations: Sequence[Observation]) -> tuple[Arm, ...]:
    """The arms, smallest layout first. Warm-up and ceiling probes are none."""
    groups: dict[tuple[Layout, Load], list[Observation]] = {}
    for observation in sorted_trials(observations):
        trial = observation.trial
        if trial.experiment not in UNMEASURED and flaw(observation) is None:
            groups.setdefault((trial.layout, trial.load), []).append(observation)
    arms = [Arm(layout=layout, load=load, trials=tuple(trials)) for (layout, load), trials in groups.items()]
    return tuple(sorted(arms, key=lambda a: (len(a.layout.devices), a.layout.label, a.load.iterations, a.load.jobs)))


def estimate(arm: Arm, spread: Spread, seed: int) -> Estimate:
    """Effective Hz with its 95 % interval: bootstrap over trials from five on, pooled log-t below."""
    if len(arm.trials) >= BOOTSTRAP_FROM:
        low, high = bootstrap_interval(arm.cycles, arm.seconds, generator_for(seed, f"bootstrap {arm.layout}"))
    else:
        low, high = t_interval(arm.hz, arm.logs, arm.spread(spread))
    return Estimate(value=arm.hz, low=min(low, arm.hz), high=max(high, arm.hz), n=len(arm.trials), unit="Hz")


def draws_of(arm: Arm, spread: Spread, seed: int) -> Draws:
    """Plausible true rates of the arm; the same whenever they are asked for, so that shared arms cancel in ratios."""
    return t_draws(arm.hz, arm.logs, arm.spread(spread), generator_for(seed, f"rate {arm.layout} {arm.load}"))


def throughput(arm: Arm, spread: Spread, seed: int) -> Throughput:
    """The arm as the report shows it."""
    return Throughput(
        layout=arm.layout,
        experiments=arm.experiments,
        jobs=arm.load.jobs,
        iterations=arm.load.iterations,
        hz=estimate(arm, spread, seed),
    )
