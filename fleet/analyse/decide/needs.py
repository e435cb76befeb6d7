"""What to run or state to be surer, in the operator's words."""

from __future__ import annotations

from collections.abc import Callable

from fleet.analyse.causes.attribution import suspects_of
from fleet.analyse.decide.flips import worth_of
from fleet.analyse.decide.options import comparable
from fleet.analyse.decide.rules import (
    EFFICIENT,
    Case,
    Decision,
    confounded,
    efficiency_of,
    segments_had,
    segments_wanted,
)
from fleet.analyse.decide.worth import NOTHING, worths
from fleet.analyse.foretell.replica import limits, wants_capacity
from fleet.model.inventory import DeviceKind
from fleet.model.samples import DeviceSample
from fleet.model.trial import Layout
from fleet.model.verdict import Choice, Evidence, Standing
from fleet.units import device_word, format_percent, format_setting, spoken, task_word


def needs(case: Case, decision: Decision) -> tuple[str, ...]:
    """Everything that would make the decision surer, what settles it first."""
    return tuple(line for ask in _ASKS for line in ask(case, decision))


def _settle(case: Case, decision: Decision) -> list[str]:
    """The experiment that would settle an open decision."""
    ask = _SETTLERS.get(decision.code)
    return ask(case) if ask else []


def _bridges(case: Case) -> list[str]:
    return [_bridge(case.base.layout, other) for other in confounded(case.found)]


def _larger_load(case: Case) -> list[str]:
    field = "`items` of the command" if spoken().runs else "`iterations` of the workload"
    return [f"raise {field} to {_iterations_wanted(case)} or more"]


def _larger_budget(_: Case) -> list[str]:
    return ["run the campaign with a larger budget: one device alone, other settings, one candidate more"]


def _settings_again(case: Case) -> list[str]:
    tuned = case.candidate(Choice.TUNE).layout
    return [f"repeat {tuned.label} against {case.base.layout.label}: more repeats in the budget"] if tuned else []


def _contenders_again(case: Case) -> list[str]:
    """The layouts that the decision hangs on, what shrinks P(wrong)·loss most per minute first."""
    useful = [one for one in worths(case.found, case.base, case.candidates) if one.forgone >= NOTHING]
    return [f"measure again {worth_of(one)}" for one in useful] or _one_more(case)


def _one_more(case: Case) -> list[str]:
    """Where no trial of what is there tells what one GPU more gives: the trial that would."""
    gpu, box = case.candidate(Choice.ADD_GPU), case.found.box.name
    unseen = len(case.found.box.devices) > 1 and case.found.alone(box) is None
    if not gpu.open or gpu.gain is None or unseen:
        return []
    span = f"{format_percent(gpu.gain.low)} to {format_percent(gpu.gain.high)}"
    more = f"borrow one more {device_word()} for {box} and run again"
    return [f"{more}: no trial of what is there narrows its gain of {span}"]


def _after_tuning(_: Case) -> list[str]:
    return ["run again after the change: what hardware gives was measured with today's settings"]


_SETTLERS: dict[str, Callable[[Case], list[str]]] = {
    "confounded": _bridges,
    "load_too_small": _larger_load,
    "nothing_compared": _larger_budget,
    "tune_undecided": _settings_again,
    "undecided": _contenders_again,
    "little_to_lose": _contenders_again,
    "tune_gains": _after_tuning,
}


def _iterations_wanted(case: Case) -> int:
    """Iterations that give each agent enough segments: as many times more as there are segments too few."""
    segments = segments_had(case)
    return case.found.log.plan.load.iterations * -(-segments_wanted(case) // segments)


def _bridge(current: Layout, other: Layout) -> str:
    each = "1 agent" if current.agents_per_device == 1 else f"{current.agents_per_device} agents"
    return (
        f"measure {other.where} with {each} each at {format_setting(current.po2)}, as in service, "
        f"so that only the devices differ from {current.label}"
    )


def _remote(case: Case, _: Decision) -> list[str]:
    remote = case.candidate(Choice.ADD_REMOTE_WORKER)
    lines = []
    if remote.evidence is not Evidence.MEASURED:
        lines.append(_unmeasured(case))
    efficiency = efficiency_of(case)
    if efficiency is not None and efficiency < EFFICIENT:
        lines.append(
            f"find what slows the remote worker (η = {efficiency:.2f}): round trips, bandwidth, its own host"
            + ("" if spoken().runs else "; a larger po2 makes fewer trips")
        )
    return lines


def _unmeasured(case: Case) -> str:
    """What would measure a worker: the turn of a candidate that is there, or one that is borrowed."""
    log = case.found.log
    there = {facts.host for facts in log.survey.facts}
    waiting = [host.name for host in log.inventory.hosts if host.candidate and host.name in there]
    if waiting:
        return f"run again to measure {waiting[0]}, a candidate: this run ended before its turn"
    return "borrow a worker for an hour: add it to the inventory with `candidate: true` and run again"


def _box(case: Case, _: Decision) -> list[str]:
    box = case.found.box
    gpu = case.candidate(Choice.ADD_GPU)
    lines = []
    if case.found.alone(box.name) is None:
        lines.append(f"measure one device of {box.name} alone, with the settings in service")
    elif len(box.devices) == 1 and gpu.blocked is None:
        lines.append(
            f"a second {device_word()} in {box.name}, even for a day, would show what devices there do to each other"
        )
    if box.free_slots is None:
        lines.append(f"state `free_slots` of {box.name}: a {device_word()} needs a slot")
    if box.spare_power is None and any(device.kind is not DeviceKind.CPU for device in box.devices):
        lines.append(f"state `spare_power` of {box.name}: a GPU needs power")
    return lines


def _lanes(case: Case, decision: Decision) -> list[str]:
    """What nobody can ask a slot that is empty: whether it has the lanes that the gain of a GPU was foretold with."""
    box = case.found.box.name
    samples = (s for seen in case.found.log.observations for s in seen.telemetry.samples if isinstance(s, DeviceSample))
    most = max((s.pcie_width for s in samples if s.host == box and s.pcie_width), default=None)
    if decision.choice is not Choice.ADD_GPU or most is None:
        return []
    return [f"see that the free slot of {box} has {most} lanes, as a device there has: the gain was foretold with them"]


_RECORDS = {
    "bus": "PCIe byte counters",
    "cpu": "CPU pressure (PSI) of the host",
    "power": "the devices' violation times and clocks (NVML)",
    "thermal": "the devices' violation times and clocks (NVML)",
}
"""By suspect: what would tell of it."""


def _attribution(case: Case, _: Decision) -> list[str]:
    """What would tell why proves take longer in company, where that is not known for sure."""
    suspects = suspects_of(case.found)
    if any(suspect.standing is Standing.CAUSE for suspect in suspects):
        return []
    seen = [suspect for suspect in suspects if suspect.standing is Standing.CORRELATED]
    if seen:
        return [f"to be sure that it is {suspect.text}: {suspect.intervention}" for suspect in seen]
    unseen = [_RECORDS[s.code] for s in suspects if s.standing is Standing.UNKNOWN and s.code in _RECORDS]
    if not unseen:
        return []
    return [f"to know why {task_word()}s take longer in company, record {', '.join(dict.fromkeys(unseen))}"]


def _replica(case: Case, _: Decision) -> list[str]:
    """The price of a second cluster, where one would be an answer."""
    if not wants_capacity(case.found) or case.found.log.inventory.prices.replica is not None:
        return []
    if not limits(case.found, case.base):
        return []
    return ["state the price of a second cluster (`prices: {replica: …}`): this one is at its limit"]


def _settings(case: Case, _: Decision) -> list[str]:
    if case.candidate(Choice.TUNE).gains is not None:
        return []
    return ["measure other settings on the devices in service: nothing else costs as little"]


def _prices(case: Case, _: Decision) -> list[str]:
    if comparable(case.candidates):
        return []
    prices = case.found.log.inventory.prices
    missing = [name for name, price in (("gpu", prices.gpu), ("worker", prices.worker)) if price is None]
    if missing:
        return [f"state the price of a {name}: without it equal costs are assumed" for name in missing]
    return ["state both prices per hour, or both once: as they are they cannot be compared"]


_ASKS: tuple[Callable[[Case, Decision], list[str]], ...] = (
    _settle,
    _settings,
    _remote,
    _box,
    _lanes,
    _prices,
    _replica,
    _attribution,
)
