"""From what the operator has and what the survey found to the plan: the layout in service, the load, the hosts."""

from __future__ import annotations

from fleet.errors import HostError, MeasureError
from fleet.model.command import CommandSettings
from fleet.model.facts import Survey
from fleet.model.inventory import Host, Inventory
from fleet.model.trial import DECIDING, Budget, Experiment, Goal, Plan
from fleet.plan.trials.afterwards import load_for
from fleet.plan.trials.layouts import in_service, layout_of, prior_po2, whole


def make_plan(
    inventory: Inventory,
    survey: Survey,
    *,
    run: str,
    seed: int,
    budget: Budget,
    goal: Goal = Goal.LATENCY,
    experiments: tuple[Experiment, ...] = DECIDING,
) -> Plan:
    """The plan of a run. HostError where the head is not usable, MeasureError where no host in service can prove."""
    usable = _usable(inventory, survey)
    serving = in_service(inventory, usable)
    if not serving:
        raise MeasureError(
            "no usable host in service has a device that proves",
            hint="give a host that is not a candidate a device, or make one reachable again",
        )
    devices = tuple(device for host in serving for device in host.devices)
    agents = inventory.current.agents_per_device or 1
    po2 = inventory.current.po2 or prior_po2(inventory, devices, agents)
    if inventory.command is not None:
        goal, experiments = _of_a_command(inventory.command, goal, experiments)
    return Plan(
        run=run,
        current=layout_of(whole(serving), agents, po2),
        load=load_for(goal, inventory.workload.iterations),
        budget=budget,
        seed=seed,
        hosts=tuple(host.name for host in inventory.hosts if host.name in usable),
        experiments=experiments,
        assumed=_assumed(inventory, usable),
        goal=goal,
    )


def _of_a_command(
    command: CommandSettings, goal: Goal, experiments: tuple[Experiment, ...]
) -> tuple[Goal, tuple[Experiment, ...]]:
    """What is left to ask of a command: no ceiling, as settings are tried in earnest.

    A rate that each agent tells is that of all it can do: there are no jobs that could be fewer or more.
    """
    senseless = {Experiment.CEILING, *((Experiment.MEASURES,) if command.tells_rate else ())}
    left = tuple(each for each in experiments if each not in senseless)
    return (Goal.LATENCY if command.tells_rate else goal), left


def _usable(inventory: Inventory, survey: Survey) -> frozenset[str]:
    failed = {failure.host: failure for failure in survey.failures}
    head = inventory.head.name
    if head in failed:
        raise HostError(f"the head cannot be used: {failed[head].message}", host=head, hint=failed[head].hint)
    usable = frozenset(facts.host for facts in survey.facts) - frozenset(failed)
    if head not in usable:
        raise HostError("the head was not surveyed", host=head, hint="survey it again")
    return usable


def _assumed(inventory: Inventory, usable: frozenset[str]) -> tuple[str, ...]:
    """What the inventory left open, and the hosts in service that the plan must do without."""
    missing: list[Host] = [h for h in inventory.hosts if h.devices and not h.candidate and h.name not in usable]
    stated = {
        "po2": inventory.current.po2,
        "agents_per_device": inventory.current.agents_per_device,
        "gpu price": inventory.prices.gpu,
        "worker price": inventory.prices.worker,
    }
    return (
        *(name for name, value in stated.items() if value is None),
        *(f"without {host.name}" for host in missing),
    )
