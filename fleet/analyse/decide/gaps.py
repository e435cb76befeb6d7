"""What a run says nothing about, in the order of what a reader would take for granted. Derived from the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fleet.analyse.causes.attribution import suspects_of
from fleet.analyse.evidence.findings import Findings
from fleet.model.inventory import DeviceKind
from fleet.model.rates import UNMEASURED, flaw
from fleet.model.samples import CardState, DeviceSample, HostSample, Sample
from fleet.model.trial import Experiment
from fleet.model.verdict import Standing

_DeviceReader = Callable[[DeviceSample], object]


def not_measured(found: Findings) -> tuple[str, ...]:
    """What this run says nothing about. What only real cards can tell is not missed of emulated ones."""
    general = (line for line, missing in _GAPS if missing(found))
    of_cards = () if _no_real_card(found) else (line for line, missing in _CARD_GAPS if missing(found))
    return (*general, *of_cards, *_candidates(found), *_LASTING)


def _samples(found: Findings) -> Iterable[Sample]:
    return (sample for o in found.log.observations for sample in o.telemetry.samples)


def _cards(found: Findings) -> Iterable[CardState]:
    return (card for o in found.log.observations for card in (*o.telemetry.before, *o.telemetry.after))


def _untold(read: _DeviceReader) -> Callable[[Findings], bool]:
    """Whether no device told this."""
    return lambda found: not any(isinstance(s, DeviceSample) and read(s) is not None for s in _samples(found))


def _no_host_telemetry(found: Findings) -> bool:
    return not any(isinstance(s, HostSample) and s.cpu_busy is not None for s in _samples(found))


def _no_pressure(found: Findings) -> bool:
    return not any(isinstance(s, HostSample) and s.cpu_pressure is not None for s in _samples(found))


def _no_bus(found: Findings) -> bool:
    moved = any(task.transfer is not None for o in found.log.observations for job in o.jobs for task in job.tasks)
    counted = (s.bus_busy is not None or s.received is not None for s in _samples(found) if isinstance(s, DeviceSample))
    return not moved and not any(counted) and not _cores_only(found)


def _one_job(found: Findings) -> bool:
    return all(arm.load.jobs == 1 for arm in (*found.arms, *found.others))


def _never_one_job(found: Findings) -> bool:
    return all(arm.load.jobs > 1 for arm in (*found.arms, *found.others))


def _no_settings(found: Findings) -> bool:
    return not found.on_devices(found.log.plan.current)


def _unexplained(found: Findings) -> bool:
    suspects = suspects_of(found)
    return bool(suspects) and not any(suspect.standing is Standing.CAUSE for suspect in suspects)


def _no_soak(found: Findings) -> bool:
    return not any(o.trial.experiment is Experiment.SOAK for o in found.log.observations)


def _no_remote(found: Findings) -> bool:
    return not found.with_candidates()


def _no_warmup(found: Findings) -> bool:
    return not any(o.trial.experiment in UNMEASURED and flaw(o) is None for o in found.log.observations)


def _no_real_device(found: Findings) -> bool:
    return all(d.kind is DeviceKind.EMULATED for host in found.log.inventory.hosts for d in host.devices)


def _no_real_card(found: Findings) -> bool:
    return not any(d.kind is DeviceKind.CUDA for host in found.log.inventory.hosts for d in host.devices)


def _cores_only(found: Findings) -> bool:
    return all(d.kind is DeviceKind.CPU for host in found.log.inventory.hosts for d in host.devices)


def _no_processes(found: Findings) -> bool:
    return not any(card.processes is not None for card in _cards(found))


def _candidates(found: Findings) -> Iterator[str]:
    """Candidates that no counted trial had an agent on, where another one was measured."""
    used = {agent.host for arm in found.arms for agent in arm.layout.agents}
    spare = [host.name for host in found.log.inventory.hosts if host.candidate and host.devices]
    left = [name for name in spare if name not in used]
    if left and len(left) < len(spare):
        yield f"{', '.join(left)}: taken to be like the candidate that was measured"


_GAPS: tuple[tuple[str, Callable[[Findings], bool]], ...] = (
    ("any real device: all of them are emulated", _no_real_device),
    ("several jobs at once: capacity may differ from the speed of one job", _one_job),
    ("one job alone: its time may say something else than capacity", _never_one_job),
    ("other settings on the devices in service", _no_settings),
    ("a remote worker: no candidate was measured", _no_remote),
    ("why tasks take longer in company: no change of one thing has shown it", _unexplained),
    ("how busy the devices were (no telemetry of them)", _untold(lambda s: s.busy)),
    ("how busy the buses were (neither transfers nor byte counters)", _no_bus),
    ("power drawn", _untold(lambda s: s.power)),
    ("throttling", _untold(lambda s: s.throttle)),
    ("how busy the hosts' CPUs were", _no_host_telemetry),
    ("CPU pressure on the hosts", _no_pressure),
    ("a warmed-up fleet: no warm-up trial succeeded", _no_warmup),
    ("a soak: memory was tried by jobs of this length only", _no_soak),
)

_CARD_GAPS: tuple[tuple[str, Callable[[Findings], bool]], ...] = (
    ("generation and width of the cards' links under load", _untold(lambda s: s.pcie_generation)),
    ("the cards' clocks", _untold(lambda s: s.sm_clock)),
    ("for how long power or heat held clocks down", _untold(lambda s: s.violation_power)),
    ("errors of the driver (XID)", _untold(lambda s: s.xids)),
    ("errors of device memory (ECC)", _untold(lambda s: s.ecc_uncorrected)),
    ("whether somebody else computed on the cards", _no_processes),
)

_LASTING = ("round-trip time and bandwidth between the hosts",)
"""What no trial of this kind can tell."""
