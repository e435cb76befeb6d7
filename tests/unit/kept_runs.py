"""What is kept of runs, for tests: digests of planted figures, and whole runs of a planted machine at some day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from model_values import layout
from planted_fleets import campaign, guide_box
from planted_machine import Truth

from fleet.analyse import analyse
from fleet.analyse.across.compare import Judged
from fleet.model.catalogue import Answer, Circumstance, Digest, Figure
from fleet.model.record import JobRecord, Observation, RunLog
from fleet.model.trial import Budget, Goal, Layout, Load
from fleet.model.verdict import Choice

LOAD = Load(iterations=4096)
DAY = 86400.0
UNDER = (Circumstance(name="fleet", value="0.1.0"), Circumstance(name="box kernel", value="6.1"))


def digest(
    run: str,
    *figures: tuple[Layout, Sequence[float]],
    created: float = 0.0,
    inventory: str = "lab",
    choice: Choice = Choice.TUNE,
) -> Digest:
    """What a run with these figures came to; without any, of one layout at 100 kHz."""
    given = figures or ((layout(), (1e5, 1.01e5)),)
    return Digest(
        run=run,
        created=created,
        inventory=inventory,
        goal=Goal.LATENCY,
        current=given[0][0],
        load=LOAD,
        answer=Answer(choice=choice, confidence=0.99),
        terms=(Circumstance(name="figures", value="emulated"),),
        figures=tuple(Figure(layout=where, load=LOAD, rates=tuple(rates)) for where, rates in given),
    )


@cache
def planted_run(day: int, *, slower: float = 0.0, seed: int | None = None) -> RunLog:
    """A campaign on the guide's box at some day; `slower`: the share by which every task takes longer."""
    inventory = guide_box()
    truth = Truth(trial_noise=0.01, task_noise=0.01)
    log = campaign(inventory, truth, seed=day if seed is None else seed, budget=Budget())
    log = replace(log, id=f"day-{day:03}", created=day * DAY, plan=replace(log.plan, run=f"day-{day:03}"))
    return replace(log, observations=tuple(stretched(seen, 1 + slower) for seen in log.observations))


@cache
def judged_run(day: int, *, slower: float = 0.0) -> Judged:
    """Such a campaign with its verdict."""
    log = planted_run(day, slower=slower)
    return Judged(log=log, verdict=analyse(log).verdict)


def stretched(seen: Observation, factor: float) -> Observation:
    """The trial, had all of it taken `factor` times as long."""
    return replace(seen, jobs=tuple(_longer(job, factor) for job in seen.jobs))


def _longer(job: JobRecord, factor: float) -> JobRecord:
    tasks = (
        replace(
            task,
            created=task.created * factor,
            started=None if task.started is None else task.started * factor,
            updated=None if task.updated is None else task.updated * factor,
        )
        for task in job.tasks
    )
    return replace(job, tasks=tuple(tasks))
