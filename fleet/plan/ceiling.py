"""The first two experiments: warm everything up, then find the largest segment size that each GPU model completes."""

from __future__ import annotations

from fleet.model.inventory import Device, DeviceKind, Host
from fleet.model.rates import flaw
from fleet.model.record import Outcome
from fleet.model.trial import Experiment, Layout, Load, Trial
from fleet.plan.context import Context
from fleet.plan.layouts import devices_of, layout_of, po2_bounds, prior_po2, whole
from fleet.plan.segments import CYCLES_PER_ITERATION, RESERVED_CYCLES

MAX_WARMUPS = 2
MAX_PROBES = 3
PROBE_SEGMENTS = 3
"""Segments of a probe: memory is needed in full from the first one on; the soak is the measuring that follows."""

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
    """The next probe of the first model whose ceiling is still open."""
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
    results = _results(context, device.model)
    if any(results.values()):
        return max(po2 for po2, completed in results.items() if completed)
    return min(results) - 1 if results else prior_po2(context.inventory, [device])


def _probed(context: Context) -> dict[str, tuple[Host, Device]]:
    """One device of each model, in service rather than candidate. A CPU proves in its host's memory: no ceiling."""
    found: dict[str, tuple[Host, Device]] = {}
    for host in sorted(context.inventory.hosts, key=lambda h: h.candidate):
        for device in host.devices if host.name in context.hosts else ():
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
    results = _results(context, model)
    low, high = po2_bounds(context.inventory)
    completed = [po2 for po2, ok in results.items() if ok]
    if len(results) >= MAX_PROBES:
        return None
    if not results:
        return prior_po2(context.inventory, [device])
    po2 = max(completed) + 1 if completed else min(results) - 1
    return po2 if low <= po2 <= high and po2 not in results else None
