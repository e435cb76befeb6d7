"""The first two experiments: warm everything up, then find the largest segment size that each GPU model completes."""

from __future__ import annotations

from fleet.model.inventory import Device, DeviceKind, Host
from fleet.model.rates import flaw
from fleet.model.record import Outcome
from fleet.model.trial import Experiment, Layout, Load, Trial
from fleet.plan.trials.context import Context
from fleet.plan.trials.layouts import (
    devices_of,
    feasible,
    in_service,
    layout_of,
    memory_needed,
    po2_bounds,
    prior_po2,
    whole,
)
from fleet.plan.trials.segments import CYCLES_PER_ITERATION, RESERVED_CYCLES

MAX_WARMUPS = 2
MAX_PROBES = 3
PROBE_SEGMENTS = 3
"""Segments of a probe: memory is needed in full from the first one on; the soak is the measuring that follows."""

DOUBT = (0.8, 1.25)
"""A size whose need by the memory prior is between these shares of the memory there is may fit or not: it is probed.

Tables of what fits disagree by less than this for one release; where one is off by more, the probe that says so is
followed by the next size.
"""

TOO_LARGE = frozenset({Outcome.OUT_OF_MEMORY, Outcome.TIMEOUT})


def short_load(context: Context, po2: int, segments: int) -> Load:
    """A load of about that many full segments, never more than the plan's."""
    iterations = segments * ((1 << po2) - RESERVED_CYCLES) // CYCLES_PER_ITERATION
    return Load(iterations=max(1, min(iterations, context.plan.load.iterations)))


def warm_up(context: Context) -> Trial | None:
    """One short job on every device there is, at a size that fits everywhere; whoever is broken shows here."""
    tried = context.of(Experiment.WARMUP)
    if len(tried) >= MAX_WARMUPS or any(flaw(o) is None for o in tried):
        return None
    hosts = [host for host in context.inventory.hosts if host.name in context.hosts and host.devices]
    if not hosts:
        return None
    devices = [device for host in hosts for device in host.devices]
    po2 = min(context.plan.current.po2, prior_po2(context.inventory, devices))
    layout = layout_of(whole(hosts), 1, po2)
    load = short_load(context, po2, 2 * len(devices))
    return context.trial(Experiment.WARMUP, layout, load) if context.can_run(layout, load) else None


def probe_ceiling(context: Context) -> Trial | None:
    """The next probe of the first model in service whose ceiling is in doubt.

    Nobody foresees what a command's settings need: they are tried in earnest.
    """
    if context.inventory.command is not None:
        return None
    for model, (host, device) in _probed(context).items():
        po2 = _next_po2(context, model, device)
        if po2 is None:
            continue
        layout = layout_of([(host, (device,))], 1, po2)
        load = short_load(context, po2, PROBE_SEGMENTS)
        if context.can_run(layout, load):
            return context.trial(Experiment.CEILING, layout, load)
    return None


def ceiling(context: Context, device: Device) -> int:
    """The largest segment size for one agent on such a device: as probed, else as the memory prior has it."""
    if context.inventory.command is not None:
        return max((po2 for po2 in _settings(context) if _unrefuted(context, device, 1, po2)), default=0)
    results = _results(context, device.model)
    if any(results.values()):
        return max(po2 for po2, completed in results.items() if completed)
    return min(results) - 1 if results else prior_po2(context.inventory, [device])


def holds(context: Context, device: Device, agents: int, po2: int) -> bool:
    """Whether such a device has the memory, by the prior as its model's probes have corrected it."""
    if context.inventory.command is not None:
        return _unrefuted(context, device, agents, po2)
    if device.memory is None:
        return agents == 1 or po2 < ceiling(context, device)
    if agents == 1:
        return po2 <= ceiling(context, device)
    return agents * memory_needed(po2) * _appetite(context, device, device.memory) <= device.memory


def may_hold(context: Context, device: Device, agents: int, po2: int) -> bool:
    """Whether nothing seen so far speaks against it: what is in doubt may be tried, OUT_OF_MEMORY is an answer."""
    if device.memory is None or context.inventory.command is not None:
        return holds(context, device, agents, po2)
    refuted = [device.memory / memory_needed(size) for size, ok in _results(context, device.model).items() if not ok]
    return agents * memory_needed(po2) * max([1 / DOUBT[1], *refuted]) <= device.memory


def _settings(context: Context) -> range:
    low, high = po2_bounds(context.inventory)
    return range(low, high + 1)


def _unrefuted(context: Context, device: Device, agents: int, po2: int) -> bool:
    """Whether a command's setting is there, and none as demanding was too much for such a device.

    A CPU device is one core, which one agent fills.
    """
    if device.kind is DeviceKind.CPU and agents > 1:
        return False
    tried = (o.trial.layout for o in context.history if o.outcome in TOO_LARGE)
    return po2 in _settings(context) and not any(
        layout.po2 <= po2
        and layout.agents_per_device <= agents
        and any(each.model == device.model for each in devices_of(context.inventory, layout))
        for layout in tried
    )


def _appetite(context: Context, device: Device, memory: int) -> float:
    """What the prior's need must be multiplied by to agree with the probes; 1 where it does."""
    shares = [(memory / memory_needed(po2), ok) for po2, ok in _results(context, device.model).items()]
    most = min((share for share, ok in shares if ok), default=1.0)
    least = max((share for share, ok in shares if not ok), default=1.0)
    return max(min(1.0, most), least) if least > 1 else min(1.0, most)


def _probed(context: Context) -> dict[str, tuple[Host, Device]]:
    """One device of each model in service. A CPU proves in its host's memory, which has no ceiling worth probing."""
    found: dict[str, tuple[Host, Device]] = {}
    for host in in_service(context.inventory, context.hosts):
        for device in host.devices:
            if device.kind is not DeviceKind.CPU:
                found.setdefault(device.model, (host, device))
    return found


def _results(context: Context, model: str) -> dict[int, bool]:
    """What the probes of a model said: completed (True) or too large (False), by segment size."""
    return {
        o.trial.layout.po2: flaw(o) is None
        for o in context.of(Experiment.CEILING)
        if _model(context, o.trial.layout) == model and (flaw(o) is None or o.outcome in TOO_LARGE)
    }


def _model(context: Context, layout: Layout) -> str:
    return devices_of(context.inventory, layout)[0].model


def _next_po2(context: Context, model: str, device: Device) -> int | None:
    """The first size in doubt; then one further in the direction of every surprise."""
    results = _results(context, model)
    low, high = po2_bounds(context.inventory)
    if len(results) >= MAX_PROBES:
        return None
    if not results:
        return next((po2 for po2 in range(low, high + 1) if _doubtful(context, device, po2)), None)
    completed = [po2 for po2, ok in results.items() if ok]
    if completed:
        po2, surprise = max(completed) + 1, not feasible([device], 1, max(completed))
    else:
        po2, surprise = min(results) - 1, feasible([device], 1, min(results))
    wanted = surprise or device.memory is None
    return po2 if wanted and low <= po2 <= high and po2 not in results else None


def _doubtful(context: Context, device: Device, po2: int) -> bool:
    if device.memory is None:
        return po2 == prior_po2(context.inventory, [device])
    least, most = DOUBT
    return least <= memory_needed(po2) / device.memory <= most
