"""What no change of hardware can exceed: the operational laws, X ≤ 1/D for every station a job passes.

A station that is busy for a share U of the job gives at most 1/U of today's pace, whatever stands beside it (Zahorjan
et al. 1982). Two stations stay as they are when devices are added: the executor, and for devices of the box its bus.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

import numpy as np

from fleet.analyse.evidence.arms import Arm
from fleet.analyse.stats import Draws
from fleet.model.rates import AGENT_KINDS, span
from fleet.model.record import TaskKind
from fleet.model.samples import DeviceSample
from fleet.twin.calibrate import seconds_of


def executor_share(arm: Arm) -> float | None:
    """The share of the job during which the executor is at work; None where it is not known."""
    found = []
    for job in arm.jobs:
        start, end = span(job.tasks)
        found += [seconds_of(task) / (end - start) for task in job.tasks if task.kind is TaskKind.EXECUTE]
    return fmean(found) if found else None


def bus_busy(arm: Arm, host: str) -> float | None:
    """The share of the time during which the host's bus moves bytes, as its samples have it; None where none tells."""
    busy = [
        sample.bus_busy
        for trial in arm.trials
        for sample in trial.telemetry.samples
        if isinstance(sample, DeviceSample) and sample.host == host and sample.bus_busy is not None
    ]
    return fmean(busy) if busy else None


def bounded(gains: Draws, bounds: Iterable[float | None]) -> Draws:
    """The gains, none above any of the bounds that are known."""
    return np.minimum(gains, min((bound for bound in bounds if bound is not None), default=np.inf))


def executor_bound(base: Arm, arm: Arm | None = None) -> float | None:
    """The largest gain that the executor's pace allows, for a job cut as in another arm (None: as in the base)."""
    share = executor_share(base)
    if not share:
        return None
    padded = 1.0 if arm is None else fmean(arm.cycles) / fmean(base.cycles)
    return max(0.0, padded / share - 1)


def bus_bound(base: Arm, host: str) -> float | None:
    """The largest gain that a device more in the host can give over the bus that all of them share."""
    busy = bus_busy(base, host)
    if not busy:
        return None
    tasks = [task for job in base.jobs for task in job.tasks if task.kind in AGENT_KINDS]
    here = sum(task.host in (None, host) for task in tasks) / len(tasks)
    return here * max(0.0, 1 / busy - 1)
