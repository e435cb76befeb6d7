"""Throughput: admissible trials gathered by layout and load, their effective Hz as totals over totals, intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from fleet.analyse.evidence.luck import task_luck
from fleet.analyse.stats import Draws, Spread, generator_for, pooled, t_draws, t_interval
from fleet.model.estimate import Estimate
from fleet.model.rates import UNMEASURED, effective_hz, flaw, job_cycles, job_seconds
from fleet.model.record import JobRecord, Observation
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
        """Of its trials: what all of the run have, and by how much its own, perhaps fewer, tasks leave more to luck."""
        return pooled.with_luck(self.luck)

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


def spread_of(arms: Iterable[Arm]) -> Spread:
    """How much trials of these differ, as far as their repeats and the luck of their tasks tell."""
    known = tuple(arms)
    return pooled((arm.logs for arm in known), fmean([arm.luck for arm in known] or [0.0]))


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


def estimate(arm: Arm, spread: Spread) -> Estimate:
    """Effective Hz with its 95 % interval."""
    low, high = t_interval(arm.hz, arm.logs, arm.spread(spread))
    return Estimate(value=arm.hz, low=min(low, arm.hz), high=max(high, arm.hz), n=len(arm.trials), unit="Hz")


def draws_of(arm: Arm, spread: Spread, seed: int) -> Draws:
    """Plausible true rates of the arm; the same whenever they are asked for, so that shared arms cancel in ratios."""
    return t_draws(arm.hz, arm.logs, arm.spread(spread), generator_for(seed, f"rate {arm.layout} {arm.load}"))


def throughput(arm: Arm, spread: Spread) -> Throughput:
    """The arm as the report shows it."""
    return Throughput(
        layout=arm.layout,
        experiments=arm.experiments,
        jobs=arm.load.jobs,
        iterations=arm.load.iterations,
        hz=estimate(arm, spread),
    )
