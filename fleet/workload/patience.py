"""How long a trial may take before it is given up. Pure."""

from __future__ import annotations

from fleet.model.inventory import Emulation, Host, Inventory
from fleet.model.trial import Trial
from fleet.plan.trials.segments import segments

FIXED = 30.0
FACTOR = 3.0
"""A trial that takes three times what its slowest device would take alone hangs, or measures something else."""
UNKNOWN = 900.0
"""Seconds where a device declares nothing about its speed."""


def patience(trial: Trial, inventory: Inventory) -> float:
    """Real seconds from the barrier on."""
    devices = {(host.name, device.name): (host, device) for host in inventory.hosts for device in host.devices}
    alone = []
    for host, device in (devices[place] for place in trial.layout.devices):
        if device.emulation is None:
            return UNKNOWN
        alone.append(_alone(trial, host, device.emulation))
    return FIXED + FACTOR * max(alone) / inventory.time_scale


def _alone(trial: Trial, host: Host, declared: Emulation) -> float:
    """Emulated seconds in which one agent on the device would do all tasks of the trial."""
    each = tuple(segments(trial.load.iterations, trial.layout.po2))
    cycles = sum(segment.cycles for segment in each)
    moving = declared.traffic * cycles / host.bus if host.bus else 0.0
    tasks = len(each) * (declared.overhead + declared.join)
    return trial.load.jobs * (cycles / declared.cycles_per_second + moving + tasks)
