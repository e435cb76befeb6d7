"""The truth of a cluster by brute force: what every option really gives, what is right, what a wrong answer costs.

A layout's true rate is what the planted machine gives without trial noise, over several jobs: their task noise and
timer phases stay in, so that no figure hangs on one lucky interleaving. No statistics, no model: every option is run.

What is right follows decision.md, step 7: settings first if the best of the whole feasible grid gains 5 % or more; else
the hardware with the most gain per cost (plain gain where prices are missing) that gains 5 % or more; else hold. An
answer's loss is what following it forgoes, as a share of the throughput that following the right one would give. The
threshold of 5 % is itself a matter of taste, so a loss is the least over thresholds of 3, 5 and 7 %, and answers that
lose less than 2 % are all right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from planted_fleets import layout as planted_layout
from planted_machine import Truth, observe

from fleet.model.inventory import Inventory
from fleet.model.rates import job_cycles, job_seconds
from fleet.model.record import Outcome
from fleet.model.trial import Experiment, Layout, Load, Trial
from fleet.model.verdict import Choice
from tests.benchmarks.decision.clusters import (
    APART,
    BOX,
    WORKER,
    Cluster,
    card_apart,
    cluster,
    feasible_settings,
    larger_box,
    settled,
)
from tests.benchmarks.decision.foreign import HOME

THRESHOLDS = (0.03, 0.05, 0.07)
INDIFFERENT = 0.02
JOBS, JOBS_POLLING, REFINED = 2, 4, 3
RESTLESS, RESTLESS_FROM = 3, 0.1
"""So many times the jobs where one job says little of the next: tasks whose times vary by more than that."""

HARDWARE = (Choice.ADD_GPU, Choice.ADD_REMOTE_WORKER)


@dataclass
class Oracle:
    """True rates of layouts on one machine; each job is run once however often it is asked for."""

    inventory: Inventory
    truth: Truth
    known: dict[Layout, list[tuple[int, float]]] = field(default_factory=dict)

    def hz(self, layout: Layout, effort: int = 1) -> float:
        """Total cycles over total seconds; `effort` multiplies the jobs."""
        jobs = (JOBS_POLLING if self.truth.poll > 0 else JOBS) * effort
        jobs *= RESTLESS if self.truth.task_noise > RESTLESS_FROM or self.truth.background else 1
        seen = self.known.setdefault(layout, [])
        while len(seen) < jobs:
            seen.append(self._job(layout, len(seen)))
        return sum(cycles for cycles, _ in seen) / sum(seconds for _, seconds in seen)

    def _job(self, layout: Layout, number: int) -> tuple[int, float]:
        load = Load(iterations=self.inventory.workload.iterations)
        trial = Trial(experiment=Experiment.BASELINE, layout=layout, load=load, repeat=number, seed=-1)
        quiet = replace(self.truth, trial_noise=0.0, locked=False, tempo=(1.0,))
        seen = observe(self.inventory, quiet, trial, number)
        if seen.outcome is not Outcome.OK:
            raise ValueError(f"{layout.label} cannot run: {seen.cause}")
        return job_cycles(seen.jobs), job_seconds(seen.jobs)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A cluster with its truth. `gains` of tune (the best), GPU and worker; `grid`: rates of every feasible setting.

    `ideal`: the gain of a card that disturbs nobody, the most that one more in the box could give.
    """

    cluster: Cluster
    oracle: Oracle
    current: Layout
    grid: Mapping[Layout, float]
    gains: Mapping[Choice, float]
    costs: Mapping[Choice, float]
    blocked: frozenset[Choice]
    ideal: float

    def rate(self, layout: Layout) -> float:
        """The true rate of a layout that can be run."""
        return self.oracle.hz(layout, REFINED)

    def gain(self, layout: Layout) -> float:
        """Its true gain over the one in service."""
        return self.rate(layout) / self.rate(self.current) - 1

    def loss(self, choice: Choice, layout: Layout | None = None) -> float:
        """What following an answer forgoes; `layout`: the settings that a `tune` names."""
        tuned = self.gain(layout) if choice is Choice.TUNE and layout else 0.0
        return min(self._loss(choice, tuned, threshold) for threshold in THRESHOLDS)

    def best(self, threshold: float = THRESHOLDS[1]) -> Choice:
        """The right answer by the rule."""
        if self.gains[Choice.TUNE] >= threshold:
            return Choice.TUNE
        worth = [c for c in HARDWARE if c not in self.blocked and self.gains[c] >= threshold]
        return max(worth, key=lambda c: self.gains[c] / self.costs[c], default=Choice.HOLD)

    def right(self, choice: Choice, layout: Layout | None = None) -> bool:
        """Whether the answer is as good as the right one."""
        return self.loss(choice, layout) <= INDIFFERENT

    @property
    def open(self) -> bool:
        """Whether no trial on the hardware that is there could tell the answer, so that INCONCLUSIVE is the right one.

        Either the right buy is a worker that nobody lends, or a card beside a lone one, whose company nobody has seen,
        is right or wrong depending on whether the two disturb each other.
        """
        if not self.cluster.lent and self.best() is Choice.ADD_REMOTE_WORKER:
            return True
        if len(self.cluster.inventory.host(BOX).devices) > 1 or Choice.ADD_GPU in self.blocked:
            return False
        ends = {replace(self, gains={**self.gains, Choice.ADD_GPU: gain}).best() for gain in (0.0, self.ideal)}
        return len(ends) > 1

    def _loss(self, choice: Choice, tuned: float, threshold: float) -> float:
        best = self.best(threshold)
        match best:
            case Choice.TUNE:
                return max(0.0, self.gains[best] - tuned) / (1 + self.gains[best])
            case Choice.HOLD:
                return max(0.0, -tuned, threshold - self.gains[choice] if choice in HARDWARE else 0.0)
            case _:
                worth = self.gains[best] / self.costs[best]
                got = tuned
                if choice in HARDWARE and choice not in self.blocked:
                    got = self.gains[choice] / self.costs[choice] / worth * self.gains[best]
                return max(0.0, self.gains[best] - got) / (1 + self.gains[best])


def case(seed: int, world: str = HOME) -> Case:
    """The case of a seed, at home or in a foreign world."""
    drawn = cluster(seed, world)
    oracle = Oracle(inventory=drawn.inventory, truth=drawn.truth)
    serving = {h.name: len(h.devices) for h in drawn.inventory.hosts if not h.candidate}
    layouts = {
        (po2, agents): planted_layout(po2, agents, **serving)
        for po2, agents in feasible_settings(drawn.inventory, drawn.truth)
    }
    leading = sorted(layouts, key=lambda key: -oracle.hz(layouts[key]))[:3]
    best = max(leading, key=lambda key: oracle.hz(layouts[key], REFINED))
    drawn = settled(drawn, best)
    current = drawn.inventory.current
    po2, agents = current.po2 or 0, current.agents_per_device or 0
    base = oracle.hz(layouts[po2, agents], REFINED)
    workers = len(drawn.inventory.host(WORKER).devices)
    bigger = Oracle(inventory=larger_box(drawn.inventory), truth=drawn.truth)
    with_gpu = bigger.hz(planted_layout(po2, agents, **(serving | {BOX: serving[BOX] + 1})), REFINED)
    apart = Oracle(inventory=card_apart(drawn.inventory), truth=replace(drawn.truth, uplink=None))
    ideal = apart.hz(planted_layout(po2, agents, **serving, **{APART: 1}), REFINED)
    with_worker = oracle.hz(planted_layout(po2, agents, **serving, **{WORKER: workers}), REFINED)
    prices = drawn.inventory.prices
    return Case(
        cluster=drawn,
        oracle=oracle,
        current=layouts[po2, agents],
        grid={layout: oracle.hz(layout) for layout in layouts.values()},
        gains={
            Choice.TUNE: oracle.hz(layouts[best], REFINED) / base - 1,
            Choice.ADD_GPU: with_gpu / base - 1,
            Choice.ADD_REMOTE_WORKER: with_worker / base - 1,
        },
        costs={
            Choice.ADD_GPU: prices.gpu.amount if prices.gpu else 1.0,
            Choice.ADD_REMOTE_WORKER: prices.worker.amount if prices.worker else 1.0,
        },
        blocked=frozenset({Choice.ADD_GPU} if drawn.inventory.host(BOX).free_slots == 0 else ()),
        ideal=ideal / base - 1,
    )
