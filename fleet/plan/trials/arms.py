"""The arms of the experiments: which layouts are compared, and how many admissible trials each of them deserves.

Every arm but those of `packing` has the settings in service, so that one thing changes at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fleet.model.inventory import Device, DeviceKind, Host
from fleet.model.trial import Experiment, Layout
from fleet.plan.trials.ceiling import ceiling, holds, may_hold
from fleet.plan.trials.context import Context
from fleet.plan.trials.layouts import (
    Placement,
    candidates,
    devices_of,
    in_service,
    layout_of,
    po2_bounds,
    whole,
)

MAX_PACKING_ARMS = 5
AT_ONCE = 3
"""Other settings that are screened before any of them has shown what it is worth."""

NEIGHBOURS = ((0, 1), (1, 0), (1, -1), (-1, 1))
"""(more po2, more agents per device) of the settings next to the best so far: one knob, or memory for the other."""

MOST_AGENTS = 3

Fits = Callable[[Context, Device, int, int], bool]
"""Whether a device has the memory for so many agents at a po2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A layout, why it is measured, and its number of admissible trials."""

    experiment: Experiment
    layout: Layout
    trials: int


def baseline_arms(context: Context) -> tuple[Arm, ...]:
    """The layout in service: what everything is compared with. Twice, so that the spread of repeats shows."""
    twice = min(2, context.plan.budget.repeats)
    return (Arm(experiment=Experiment.BASELINE, layout=context.plan.current, trials=twice),)


def packing_arms(context: Context) -> tuple[Arm, ...]:
    """Other settings on the devices in service, once each."""
    return _arms(context, Experiment.PACKING, packing_layouts(context))


def gpus_arms(context: Context) -> tuple[Arm, ...]:
    """One device of the box alone: against all of them it shows what they do to each other.

    Nothing where the box has one device, or where a GPU cannot be added and a worker can be measured.
    """
    box = the_box(context)
    if box is None or len(box.devices) < 2:  # noqa: PLR2004 (one device has nothing to be compared with)
        return ()
    full = box.free_slots == 0 or box.spare_power == 0
    if full and candidates(context.inventory, context.hosts):
        return ()
    return _arms(context, Experiment.GPUS, [_like_current(context, [(box, box.devices[:1])])])


def remote_arms(context: Context) -> tuple[Arm, ...]:
    """What is in service with one candidate: its gain, and in its records how long a prove takes there."""
    serving = whole(in_service(context.inventory, context.hosts))
    spare = whole(candidates(context.inventory, context.hosts))
    return _arms(context, Experiment.REMOTE, [_like_current(context, [*serving, spare[0]])] if spare else [])


def packing_layouts(context: Context) -> tuple[Layout, ...]:
    """The settings to be tried on the devices in service, those in service left out, in order of promise.

    Throughput grows with the segment size (fixed costs) and with a second agent (it computes while the first moves
    bytes), so the best settings lie where memory ends: the ceiling with one agent, half of it with two. A size below
    the ceiling follows for jobs whose tail is long. Then come the neighbours of the best so far, also those of which
    only a trial can say whether they fit.
    """
    current = context.plan.current
    devices = devices_of(context.inventory, current)
    top = _top(context, devices)
    shapes = [(top, 1), (top - 1, 2), (top - 1, 1), (top - 2, 2)]
    screened = _shaped(context, shapes, holds)[:AT_ONCE]
    tried = [o.trial.layout for o in context.of(Experiment.PACKING) if o.trial.layout.devices == current.devices]
    found = list(dict.fromkeys((*screened, *tried)))
    if any(context.rate(layout) is None and context.can_run(layout, context.plan.load) for layout in found):
        return tuple(found)
    rates = {layout: rate for layout in (current, *found) if (rate := context.rate(layout)) is not None}
    best = max(rates, key=lambda layout: rates[layout], default=current)
    near = _shaped(context, [(best.po2 + size, best.agents_per_device + more) for size, more in NEIGHBOURS], may_hold)
    found += [layout for layout in near if layout not in found and layout.po2 <= top]
    return tuple(found[: max(MAX_PACKING_ARMS, len(tried))])


def _shaped(context: Context, shapes: Iterable[tuple[int, int]], fits: Fits) -> list[Layout]:
    """The devices in service with those (po2, agents) that fit all of them; the settings in service left out."""
    current = context.plan.current
    devices = devices_of(context.inventory, current)
    low, _ = po2_bounds(context.inventory)
    places = _places(context, current)
    fit = [
        (p, a) for p, a in shapes if p >= low and 0 < a <= MOST_AGENTS and all(fits(context, d, a, p) for d in devices)
    ]
    return [layout for po2, agents in fit if (layout := layout_of(places, agents, po2)) != current]


def the_box(context: Context) -> Host | None:
    """The host in service with the most devices: the one a GPU would be added to."""
    serving = in_service(context.inventory, context.hosts)
    return max(serving, key=lambda host: len(host.devices), default=None)


def _arms(context: Context, experiment: Experiment, layouts: Iterable[Layout]) -> tuple[Arm, ...]:
    """Once each: what another trial is worth shows when all have had one."""
    return tuple(
        Arm(experiment=experiment, layout=layout, trials=1) for layout in layouts if layout != context.plan.current
    )


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
    guest = context.inventory.command is None
    return min(step if guest and device.kind is DeviceKind.CPU else ceiling(context, device) for device in devices)
