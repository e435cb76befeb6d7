"""The arms of the experiments: which layouts are compared, and how many admissible trials each of them deserves.

Every arm but those of `packing` has the settings in service, so that one thing changes at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fleet.model.inventory import Device, DeviceKind, Host
from fleet.model.trial import Experiment, Layout
from fleet.plan.ceiling import ceiling
from fleet.plan.context import Context
from fleet.plan.layouts import (
    Placement,
    candidates,
    devices_of,
    feasible,
    in_service,
    layout_of,
    po2_bounds,
    whole,
)

MAX_PACKING_ARMS = 3
WORTH_REPEATING = 0.90
"""A packing arm is pursued from this share of the rate in service on: noise hides no more than that."""

BEST_SHARE = 0.95
"""… and from this share of the best arm on."""

WORTH_CONFIRMING = 1.05
"""Other settings are the likely answer from this multiple of the rate in service on."""

MAX_FINALISTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A layout, why it is measured, and its number of admissible trials."""

    experiment: Experiment
    layout: Layout
    trials: int


def baseline_arms(context: Context) -> tuple[Arm, ...]:
    """The layout in service: what everything is compared with."""
    return (Arm(experiment=Experiment.BASELINE, layout=context.plan.current, trials=context.plan.budget.repeats),)


def packing_arms(context: Context) -> tuple[Arm, ...]:
    """Up to three other settings on the devices in service, once each; the best of them again (successive halving)."""
    screened = tuple(Arm(experiment=Experiment.PACKING, layout=layout, trials=1) for layout in packing_layouts(context))
    pursued = finalists(context, [arm.layout for arm in screened])
    again = _most(context)
    return tuple(replace(arm, trials=again) if arm.layout in pursued else arm for arm in screened)


def gpus_arms(context: Context) -> tuple[Arm, ...]:
    """One device of the box alone, then twice as many, up to all of them."""
    box = the_box(context)
    if box is None or len(box.devices) < 2:  # noqa: PLR2004 (one device has nothing to be compared with)
        return ()
    counts = [1]
    while counts[-1] * 2 < len(box.devices):
        counts.append(counts[-1] * 2)
    counts.append(len(box.devices))
    layouts = [_like_current(context, [(box, box.devices[:count])]) for count in counts]
    return _arms(context, Experiment.GPUS, layouts)


def remote_arms(context: Context) -> tuple[Arm, ...]:
    """What is in service with one candidate, one candidate alone, and with two candidates."""
    serving = whole(in_service(context.inventory, context.hosts))
    spare = whole(candidates(context.inventory, context.hosts))
    if not spare:
        return ()
    added = _like_current(context, [*serving, spare[0]])
    diagnostic = [_like_current(context, [spare[0]])]
    if len(spare) > 1:
        diagnostic.append(_like_current(context, [*serving, *spare[:2]]))
    return (
        Arm(experiment=Experiment.REMOTE, layout=added, trials=_most(context)),
        *(Arm(experiment=Experiment.REMOTE, layout=layout, trials=1) for layout in diagnostic),
    )


def confirm_arms(context: Context) -> tuple[Arm, ...]:
    """The layout that looks like the answer and whose hardware is there gets its repeats completed."""
    best = _likely_answer(context)
    if best is None:
        return ()
    return (Arm(experiment=Experiment.CONFIRM, layout=best, trials=context.plan.budget.repeats),)


def packing_layouts(context: Context) -> tuple[Layout, ...]:
    """The settings to be tried on the devices in service, those in service left out.

    In order of promise: the ceiling with one agent, the largest size that leaves room for two agents, and what
    separates the two knobs from each other.
    """
    current = context.plan.current
    devices = devices_of(context.inventory, current)
    top = _top(context, devices)
    shapes = [(top, 1), (top, 2), (top - 1, 2), (top - 1, 1), (top - 2, 2), (top - 2, 1)]
    low, _ = po2_bounds(context.inventory)
    places = _places(context, current)
    layouts = [
        layout_of(places, agents, po2) for po2, agents in shapes if po2 >= low and feasible(devices, agents, po2)
    ]
    return tuple(layout for layout in layouts if layout != current)[:MAX_PACKING_ARMS]


def finalists(context: Context, layouts: Iterable[Layout]) -> tuple[Layout, ...]:
    """The screened settings that could still beat the ones in service, best first."""
    base = context.rate(context.plan.current)
    rates = {layout: rate for layout in layouts if (rate := context.rate(layout)) is not None}
    if base is None or not rates:
        return ()
    enough = max(WORTH_REPEATING * base, BEST_SHARE * max(rates.values()))
    pursued = sorted((layout for layout in rates if rates[layout] >= enough), key=lambda x: (-rates[x], x.label))
    return tuple(pursued[:MAX_FINALISTS])


def the_box(context: Context) -> Host | None:
    """The host in service with the most devices: the one a GPU would be added to."""
    serving = in_service(context.inventory, context.hosts)
    return max(serving, key=lambda host: len(host.devices), default=None)


def _likely_answer(context: Context) -> Layout | None:
    """Tuning first where it pays, else the layout with one candidate; None where neither was measured."""
    base = context.rate(context.plan.current)
    if base is None:
        return None
    tuned = finalists(context, packing_layouts(context))
    if tuned and (context.rate(tuned[0]) or 0.0) >= WORTH_CONFIRMING * base:
        return tuned[0]
    added = [arm.layout for arm in remote_arms(context)[:1] if context.rate(arm.layout) is not None]
    return next(iter((*added, *tuned)), None)


def _arms(context: Context, experiment: Experiment, layouts: Iterable[Layout]) -> tuple[Arm, ...]:
    trials = _most(context)
    return tuple(
        Arm(experiment=experiment, layout=layout, trials=trials) for layout in layouts if layout != context.plan.current
    )


def _most(context: Context) -> int:
    """Repeats of an arm that is not the baseline; the confirmation completes the one that matters."""
    return min(2, context.plan.budget.repeats)


def _like_current(context: Context, places: Iterable[Placement]) -> Layout:
    current = context.plan.current
    return layout_of(places, current.agents_per_device, current.po2)


def _places(context: Context, layout: Layout) -> tuple[Placement, ...]:
    used = set(layout.devices)
    places = [
        (host, tuple(device for device in host.devices if (host.name, device.name) in used))
        for host in context.inventory.hosts
    ]
    return tuple((host, devices) for host, devices in places if devices)


def _top(context: Context, devices: Iterable[Device]) -> int:
    """The largest size worth trying on all of these; a CPU has no ceiling, one step above today's is enough."""
    _, high = po2_bounds(context.inventory)
    step = min(context.plan.current.po2 + 1, high)
    return min(step if device.kind is DeviceKind.CPU else ceiling(context, device) for device in devices)
