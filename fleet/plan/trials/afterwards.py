"""What is measured once the decision stands: the other measure, and the one change that shows a cause."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fleet.model.inventory import Device, Host
from fleet.model.rates import flaw
from fleet.model.trial import JOBS_AT_ONCE, Experiment, Goal, Layout, Load, Trial
from fleet.plan.trials.context import Context
from fleet.plan.trials.layouts import candidates, in_service, layout_of


def load_for(goal: Goal, iterations: int) -> Load:
    """The load of a measure: one job for latency, several submitted together for capacity."""
    return Load(iterations=iterations, jobs=JOBS_AT_ONCE if goal is Goal.CAPACITY else 1)


def other_load(load: Load) -> Load:
    """The load of the measure that this one is not."""
    return load_for(Goal.CAPACITY if load.jobs == 1 else Goal.LATENCY, load.iterations)


def measures_trial(context: Context, layouts: Iterable[Layout]) -> Trial | None:
    """The next of these layouts that the other measure knows nothing of; once each shows where the two disagree."""
    load = other_load(context.plan.load)
    for layout in layouts:
        known = any(flaw(seen) is None for seen in context.seen(layout, load))
        if not known and context.can_run(layout, load):
            return context.trial(Experiment.MEASURES, layout, load)
    return None


def cause_trial(context: Context, layouts: Iterable[Layout]) -> Trial | None:
    """The next of these layouts, each one change away from what was measured, that was not measured yet."""
    for layout in layouts:
        if not context.counted(layout) and context.can_run(layout, context.plan.load):
            return context.trial(Experiment.CAUSE, layout, context.plan.load)
    return None


def apart(context: Context) -> Layout | None:
    """As many devices as the box has in service, each but one in a box of its own: {1 + 1} instead of {2 in one}.

    None where the hosts that are there cannot make it of the same model. A neighbour in another box shares the job, the
    network and the coordinator with it, and nothing else.
    """
    current = context.plan.current
    serving = in_service(context.inventory, context.hosts)
    box = max(serving, key=lambda host: len(host.devices), default=None)
    if box is None or len(box.devices) < 2:  # noqa: PLR2004 (one device has no neighbour)
        return None
    model = box.devices[0].model
    places: list[tuple[Host, tuple[Device, ...]]] = [(box, box.devices[:1])]
    for host in (*serving, *candidates(context.inventory, context.hosts)):
        same = tuple(device for device in host.devices if device.model == model)
        if host is not box and same and len(places) < len(box.devices):
            places.append((host, same[:1]))
    if len(places) < 2:  # noqa: PLR2004 (nobody to be apart from)
        return None
    return layout_of(places, current.agents_per_device, current.po2)


def one_agent_each(layout: Layout) -> Layout | None:
    """The layout with the first agent of each device only; None where there is no other."""
    first = tuple(agent for agent in layout.agents if agent.slot == 0)
    return None if first == layout.agents else replace(layout, agents=first)
