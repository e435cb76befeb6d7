"""What a soak showed: memory that ran out only after a while, proves that took longer towards its end."""

from __future__ import annotations

from statistics import median

from fleet.analyse.evidence.findings import Findings
from fleet.model.rates import flaw
from fleet.model.record import JobRecord, Observation, Outcome, TaskKind
from fleet.model.trial import Experiment
from fleet.units import format_percent, task_word

DRIFT = 0.05
"""Proves that take so much longer in the last third of a soak than in the first drift: heat, or a leak."""

FEW = 12
"""Fewer proves than this in a job tell nothing about its course."""


def soaked(found: Findings) -> list[str]:
    """What the soaks say against the settings that they ran, each in a line."""
    return [line for seen in found.log.observations for line in _lines(seen)]


def _lines(seen: Observation) -> list[str]:
    if seen.trial.experiment is not Experiment.SOAK:
        return []
    label = seen.trial.layout.label
    if seen.outcome is Outcome.OUT_OF_MEMORY:
        return [f"{label} ran out of memory in the soak, though it had completed shorter jobs: the ceiling is lower"]
    if flaw(seen) is not None:
        return []
    drift = max((drift_of(job) for job in seen.jobs), default=0.0)
    if drift <= DRIFT:
        return []
    return [f"{task_word()}s of {label} took {format_percent(drift)} longer at the end of the soak"]


def drift_of(job: JobRecord) -> float:
    """By how much longer the last third of a job's proves took than the first, as a share; 0 where they are few.

    The very first proves meet an executor that is still cutting and a bus that is not yet full: a tenth is left out.
    """
    times = sorted(
        (task.started, task.updated - task.started)
        for task in job.tasks
        if task.kind is TaskKind.PROVE and task.started is not None and task.updated is not None
    )
    seconds = [each for _, each in times][len(times) // 10 :]
    third = len(seconds) // 3
    if len(times) < FEW:
        return 0.0
    first, last = median(seconds[:third]), median(seconds[-third:])
    return last / first - 1 if first > 0 else 0.0
