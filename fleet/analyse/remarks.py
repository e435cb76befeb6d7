"""What a reader must know beside the figures: caveats, and what this run did not measure. Derived from the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fleet.analyse.arms import Arm
from fleet.analyse.findings import Findings
from fleet.analyse.measures import both_measures, disagreements
from fleet.analyse.options import WORTH, Candidate, comparable
from fleet.analyse.stats import OUTLIER_Z, robust_z
from fleet.model.conditions import power_capped
from fleet.model.inventory import DeviceKind, Per
from fleet.model.rates import UNMEASURED, flaw
from fleet.model.record import DeviceSample, HostSample, Outcome, Sample
from fleet.model.verdict import Estimate
from fleet.units import format_percent

FEW = 3
"""Fewer trials of the layout in service than this are few: CV 2 % and a difference of 5 % need three."""


WIDE = 0.10
"""Trials of one layout that differ by more than this are worth a look."""


def caveats(found: Findings, candidates: Iterable[Candidate]) -> tuple[str, ...]:
    """What makes the figures weaker than they look."""
    return (*(line for look in _CAVEATS for line in look(found)), *_price_caveats(found, tuple(candidates)))


def not_measured(found: Findings) -> tuple[str, ...]:
    """What this run says nothing about."""
    return tuple(line for line, missing in _GAPS if missing(found))


def _emulated(found: Findings) -> list[str]:
    if not any(o.emulated for o in found.log.observations):
        return []
    scale = found.log.inventory.time_scale
    faster = f"; they ran {scale:g} times faster than the seconds they stand for" if scale != 1 else ""
    return [f"figures of emulated devices are emulated figures, of the machine that was declared{faster}"]


def _assumed(found: Findings) -> list[str]:
    texts = {"po2": "the segment size in service", "agents_per_device": "the agents per device in service"}
    return [
        f"{texts[name]} is assumed: the inventory does not state it" for name in found.log.plan.assumed if name in texts
    ]


def _missing_hosts(found: Findings) -> list[str]:
    return [f"host {failure.host} was not used: {failure.message}" for failure in found.log.survey.failures]


def _few(found: Findings) -> list[str]:
    base = found.base
    if base is None or len(base.trials) >= FEW:
        return []
    return [f"the layout in service was measured {len(base.trials)} times only"]


def _outliers(found: Findings) -> list[str]:
    lines = []
    for arm in found.arms:
        for trial, z in zip(arm.trials, robust_z([*arm.logs]), strict=True):
            if abs(z) > OUTLIER_Z and len(arm.trials) > FEW:
                lines.append(f"trial {trial.trial.id} of {arm.layout.label} is an outlier (z {z:.1f}), but counts")
    return lines


def _spread(found: Findings) -> list[str]:
    """Arms whose trials disagree more than the interval of their mean lets guess."""
    wide = [arm for arm in found.arms if len(arm.trials) > 1 and _range(arm) > WIDE]
    return [f"the trials of {arm.layout.label} differ by {format_percent(_range(arm))}" for arm in wide]


def _range(arm: Arm) -> float:
    rates = [cycles / seconds for cycles, seconds in zip(arm.cycles, arm.seconds, strict=True)]
    return max(rates) / min(rates) - 1


def _missed(found: Findings) -> list[str]:
    missed = sum(o.telemetry.missed for o in found.log.observations)
    return [f"{missed} telemetry samples were missed"] if missed else []


def _lost(found: Findings) -> list[str]:
    spoiled = [o for o in found.log.observations if flaw(o) is not None and o.outcome is not Outcome.OUT_OF_MEMORY]
    if not spoiled:
        return []
    return [f"{len(spoiled)} of {len(found.log.observations)} trials count for nothing: see what was refused, and why"]


def _disagreeing(found: Findings) -> list[str]:
    """Layouts that pay by one measure and surely not by the other."""
    return [
        f"{one.layout.label}: one job gains {_gained(one.latency_gain)}, {one.jobs} at once "
        f"{_gained(one.capacity_gain)}: the two measures disagree"
        for one in disagreements(both_measures(found), WORTH)
    ]


def _gained(gain: Estimate | None) -> str:
    return format_percent(gain.value) if gain else "nothing"


def _capped(found: Findings) -> list[str]:
    """The power cap spoils nothing, as it is a setting, but whoever reads the figures must know of it."""
    capped = sum(power_capped(o) for o in found.log.observations)
    return [f"the devices' power cap was on in {capped} trials: the figures are those of that limit"] if capped else []


def _price_caveats(found: Findings, candidates: tuple[Candidate, ...]) -> list[str]:
    if comparable(candidates):
        return []
    prices = found.log.inventory.prices
    if prices.gpu and prices.worker:
        once, hourly = Per.ONCE.value, Per.HOUR.value
        return [f"prices per {hourly} and {once} cannot be compared: equal costs are assumed"]
    return ["prices are missing: a GPU and a worker are taken to cost the same"]


_CAVEATS: tuple[Callable[[Findings], list[str]], ...] = (
    _emulated,
    _assumed,
    _missing_hosts,
    _few,
    _outliers,
    _spread,
    _missed,
    _lost,
    _disagreeing,
    _capped,
)


def _samples(found: Findings) -> Iterable[Sample]:
    return (sample for o in found.log.observations for sample in o.telemetry.samples)


def _no_device_telemetry(found: Findings) -> bool:
    return not any(isinstance(s, DeviceSample) and s.busy is not None for s in _samples(found))


def _no_host_telemetry(found: Findings) -> bool:
    return not any(isinstance(s, HostSample) and s.cpu_busy is not None for s in _samples(found))


def _no_power(found: Findings) -> bool:
    return not any(isinstance(s, DeviceSample) and s.power is not None for s in _samples(found))


def _no_throttle(found: Findings) -> bool:
    return not any(isinstance(s, DeviceSample) and s.throttle is not None for s in _samples(found))


def _no_pressure(found: Findings) -> bool:
    return not any(isinstance(s, HostSample) and s.cpu_pressure is not None for s in _samples(found))


def _no_bus(found: Findings) -> bool:
    moved = any(task.transfer is not None for o in found.log.observations for job in o.jobs for task in job.tasks)
    return not moved and not any(isinstance(s, DeviceSample) and s.bus_busy is not None for s in _samples(found))


def _one_job(found: Findings) -> bool:
    return all(arm.load.jobs == 1 for arm in (*found.arms, *found.others))


def _no_remote(found: Findings) -> bool:
    return not found.with_candidates()


def _no_warmup(found: Findings) -> bool:
    return not any(o.trial.experiment in UNMEASURED and flaw(o) is None for o in found.log.observations)


def _no_real_device(found: Findings) -> bool:
    return all(d.kind is DeviceKind.EMULATED for host in found.log.inventory.hosts for d in host.devices)


_GAPS: tuple[tuple[str, Callable[[Findings], bool]], ...] = (
    ("any real device: all of them are emulated", _no_real_device),
    ("several jobs at once: capacity may differ from the speed of one job", _one_job),
    ("a remote worker: no candidate was measured", _no_remote),
    ("how busy the devices were (no telemetry of them)", _no_device_telemetry),
    ("how busy the buses were (neither transfers nor byte counters)", _no_bus),
    ("power drawn", _no_power),
    ("throttling", _no_throttle),
    ("how busy the hosts' CPUs were", _no_host_telemetry),
    ("CPU pressure on the hosts", _no_pressure),
    ("a warmed-up fleet: no warm-up trial succeeded", _no_warmup),
    ("round-trip time and bandwidth between the hosts", lambda _: True),
    ("a soak: memory was tried by jobs of this length only", lambda _: True),
)
