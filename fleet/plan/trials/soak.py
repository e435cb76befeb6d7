"""The soak: what the verdict rests on at the edge of memory, for several times as long as it was measured.

A leak or a card that slows down as it warms does not show in a job of a minute. So the settings that are to be run are
run once under a larger load where the next segment size would not fit any more; OUT_OF_MEMORY then lowers the ceiling,
and other settings are the answer.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

from fleet.model.trial import Experiment, Layout, Trial
from fleet.plan.trials.context import Context
from fleet.plan.trials.layouts import devices_of, feasible

LONGER = 4
"""A soak's load, in loads of the plan."""

MOST_SECONDS = 900.0
"""… as far as that takes no longer than this, and no longer than what is left of the budget."""

MOST = 2
"""Soaks of a campaign: the answer's, and where it fails that of the next answer."""


def soak_trial(context: Context, answer: Layout | None) -> Trial | None:
    """The soak of the settings that the verdict names, else of those in service; None where memory is no question."""
    plan = context.plan
    layout = answer if answer is not None and answer.devices == plan.current.devices else plan.current
    times = longer(context, layout)
    done = context.of(Experiment.SOAK)
    soaked = len(done) >= MOST or any(o.trial.layout == layout for o in done)
    if times <= 1 or soaked or not at_the_edge(context, layout):
        return None
    load = replace(plan.load, iterations=times * plan.load.iterations)
    return context.trial(Experiment.SOAK, layout, load) if context.can_run(layout, load) else None


def at_the_edge(context: Context, layout: Layout) -> bool:
    """Whether segments of the next size would not fit the layout's devices, by the memory prior."""
    return not feasible(devices_of(context.inventory, layout), layout.agents_per_device, layout.po2 + 1)


def longer(context: Context, layout: Layout) -> int:
    """How many of the plan's loads a soak may take; 0 where the layout was never measured."""
    taken = [o.elapsed for o in context.counted(layout)]
    if not taken:
        return 0
    left = context.plan.budget.seconds - sum(o.elapsed for o in context.history)
    return min(LONGER, int(min(MOST_SECONDS, left) / max(fmean(taken), 1e-9)))
