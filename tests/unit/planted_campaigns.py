"""Whole campaigns on planted machines, with the trials that come when the decision stands; and boxes with one fault."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from planted_fleets import GIB, card, fleet_of, guide_box, host, price, survey_of
from planted_machine import Truth, observe

from fleet.model.inventory import Emulation, Inventory
from fleet.model.record import JobRecord, Observation, RunLog
from fleet.model.samples import Telemetry
from fleet.model.trial import Budget, Experiment, Goal
from fleet.plan.trials.experiments import propose
from fleet.plan.trials.make import make_plan

PLAIN_CARD = Emulation(cycles_per_second=1e6, overhead=0.3, join=0.8)
"""It moves no bytes: its bus is never the cause of anything."""

WATCHED = Truth(trial_noise=0.01, task_noise=0.01, dispatch=0.08, watched=True)
"""Hosts and devices tell what real ones would."""


def plain_box(cards: int = 2, agents: int = 1) -> Inventory:
    """Cards that share nothing by themselves, and a worker like them; there are no other settings than today's."""
    memory = agents * 10 * GIB
    near = [card(n, "plain", memory, PLAIN_CARD) for n in range(cards)]
    far = host("far0", card(0, "plain", memory, PLAIN_CARD), candidate=True, slots=0)
    fleet = fleet_of(host("box", *near, head=True), far, po2=20, agents=agents, worker=2000.0)
    return replace(fleet, po2_range=(20, 20), prices=replace(fleet.prices, replica=price(6000.0)))


FAULTS: dict[str, tuple[Inventory, Truth]] = {
    "bus": (guide_box(), WATCHED),
    "cpu": (plain_box(), replace(WATCHED, cpu=2.0, cores=1)),
    "power": (plain_box(), replace(WATCHED, power={"box": 1.0})),
    "dram": (plain_box(), replace(WATCHED, dram=2.0)),
    "time_slicing": (plain_box(agents=2), WATCHED),
}
"""By the suspect's code: a fleet, and the truth in which exactly this is what company does to a prove."""


def whole_campaign(
    inventory: Inventory, truth: Truth, *, goal: Goal = Goal.LATENCY, seed: int = 1, budget: Budget | None = None
) -> RunLog:
    """Everything that propose asks for, causes and the other measure included."""
    survey = survey_of(inventory)
    plan = make_plan(
        inventory,
        survey,
        run="planted",
        seed=seed,
        budget=budget or Budget(),
        goal=goal,
        experiments=tuple(Experiment),
    )
    log = RunLog(id="planted", created=0.0, version="0", inventory=inventory, survey=survey, plan=plan)
    history: list[Observation] = []
    while (trial := propose(plan, inventory, history, frozenset(plan.hosts))) is not None:
        history.append(observe(inventory, truth, trial, len(history)))
    return replace(log, observations=tuple(history), finished=True)


@cache
def faulty(fault: str) -> RunLog:
    """The whole campaign on a fleet with one fault."""
    return whole_campaign(*FAULTS[fault])


def blind(log: RunLog) -> RunLog:
    """The run as it would be without telemetry: the tasks' times are all there is."""

    def untold(job: JobRecord) -> JobRecord:
        return replace(job, tasks=tuple(replace(task, transfer=None) for task in job.tasks))

    seen = (replace(o, telemetry=Telemetry(), jobs=tuple(untold(job) for job in o.jobs)) for o in log.observations)
    return replace(log, observations=tuple(seen))


def without(log: RunLog, *experiments: Experiment) -> RunLog:
    """The run without the trials of these experiments."""
    return replace(log, observations=tuple(o for o in log.observations if o.trial.experiment not in experiments))
