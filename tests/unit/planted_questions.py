"""Planted campaigns to ask what-if questions of, and the planted truth to hold the answers against."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from statistics import fmean

from planted_fleets import campaign, guide_box, mistuned_box, roomy_box, starved_box
from planted_machine import Truth, observe

from fleet.analyse.foretell.outlook import Premises, Workbench, workbench
from fleet.model.inventory import Device, Host, Inventory
from fleet.model.rates import effective_hz
from fleet.model.record import RunLog
from fleet.model.trial import Experiment, Layout, Load, Trial
from fleet.plan.trials.graphs import expected_graph
from fleet.plan.trials.layouts import feasible

CALM = Truth(trial_noise=0.01, task_noise=0.01, dispatch=0.08)
QUIET = replace(CALM, trial_noise=0.0)
PREMISES = Premises(graph=expected_graph, fits=feasible)
FLEETS = {"guide": guide_box, "roomy": roomy_box, "mistuned": mistuned_box, "starved": starved_box}


@cache
def run_of(fleet: str, seed: int = 1) -> RunLog:
    """A whole campaign on a planted fleet."""
    return campaign(FLEETS[fleet](), CALM, seed)


@cache
def bench_of(fleet: str, seed: int = 1) -> Workbench:
    """The campaign made ready for questions."""
    return workbench(run_of(fleet, seed), PREMISES)


def true_hz(fleet: str, layout: Layout) -> float:
    """What the planted machine gives in a layout, devices and hosts added where the fleet lacks them."""
    inventory = FLEETS[fleet]()
    known = {host.name for host in inventory.hosts}
    missing = sorted({agent.host for agent in layout.agents} - known)
    hosts = (*inventory.hosts, *(replace(inventory.hosts[-1], name=name) for name in missing))
    grown = replace(inventory, hosts=tuple(_with_devices(host, layout) for host in hosts))
    return fmean(_rate(grown, layout, repeat) for repeat in range(3))


def _with_devices(host: Host, layout: Layout) -> Host:
    named = {device.name: device for device in host.devices}
    wanted = [name for where, name in layout.devices if where == host.name and name not in named]
    new: list[Device] = [replace(host.devices[0], name=name) for name in wanted]
    return replace(host, devices=(*host.devices, *new))


def _rate(inventory: Inventory, layout: Layout, repeat: int) -> float:
    load = Load(iterations=inventory.workload.iterations)
    trial = Trial(experiment=Experiment.GPUS, layout=layout, load=load, repeat=repeat, seed=0)
    return effective_hz(observe(inventory, QUIET, trial).jobs)
