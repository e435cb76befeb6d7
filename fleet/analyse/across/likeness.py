"""Whether two runs may be compared, and what was different about them all the same.

Terms are what has to be equal: devices, workload, load, goal, emulated or not. Circumstances are everything else that
can make a figure another one: drivers, clocks, kernels, versions, settings in service, limits, prices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from fleet.model.catalogue import Circumstance
from fleet.model.command import CommandSettings
from fleet.model.comparison import Changed
from fleet.model.facts import Facts
from fleet.model.inventory import Device, DeviceKind, Emulation, Host, Inventory, Price
from fleet.model.record import RunLog
from fleet.model.samples import CardState, DeviceSample
from fleet.units import format_bytes, format_seconds

NOTABLE = 0.02
"""By what share a figure that is never twice the same must differ to have changed."""

AT_WORK = 0.5
"""The busy share from which a sample of a device was taken under load."""

ABSENT = "–"
"""Stands where there is nothing, or nothing is known."""

_Pairs = Iterator[tuple[str, object]]


def terms(log: RunLog) -> tuple[Circumstance, ...]:
    """What another run has to share with this one for their figures to be comparable."""
    return _named(_terms(log))


def circumstances(log: RunLog) -> tuple[Circumstance, ...]:
    """What this run was measured under, hosts in the inventory's order."""
    inventory = log.inventory
    found = [*_named(_plan(log)), *_named(_inventory(inventory))]
    facts = {one.host: one for one in log.survey.facts}
    cards = {(card.host, card.device): card for seen in log.observations for card in seen.telemetry.before}
    clocks = _clocks(log)
    for host in inventory.hosts:
        found += _named(_host(host, facts.get(host.name)), host.name)
        for device in host.devices:
            where, key = f"{host.name}/{device.name}", (host.name, device.name)
            found += _named(_device(device, cards.get(key)), where)
            if key in clocks:
                clock = clocks[key]
                found.append(Circumstance(name=f"{where} clock under load", value=_clock(clock), amount=clock))
    return tuple(found)


def changed(before: Iterable[Circumstance], after: Iterable[Circumstance]) -> tuple[Changed, ...]:
    """What differs, in the order of the later run; what only the earlier one had comes last."""
    then, now = ({one.name: one for one in each} for each in (before, after))
    missing = Circumstance(name="", value=ABSENT)
    return tuple(
        Changed(name=name, then=then.get(name, missing).value, now=now.get(name, missing).value)
        for name in dict.fromkeys((*now, *then))
        if _differ(then.get(name, missing), now.get(name, missing))
    )


def unlike(before: Sequence[Circumstance], after: Sequence[Circumstance]) -> Changed | None:
    """The first term that two runs do not share; None = they may be compared."""
    return next(iter(changed(before, after)), None)


def _differ(one: Circumstance, other: Circumstance) -> bool:
    if one.amount is None or other.amount is None:
        return one.value != other.value
    return abs(one.amount - other.amount) > NOTABLE * max(abs(one.amount), abs(other.amount))


def _named(pairs: _Pairs, before: str = "") -> tuple[Circumstance, ...]:
    lead = f"{before} " if before else ""
    return tuple(Circumstance(name=f"{lead}{name}", value=_text(value)) for name, value in pairs)


def _text(value: object) -> str:
    match value:
        case None | "":
            return ABSENT
        case bool():
            return "yes" if value else "no"
        case Price():
            return f"{value.amount:,g} {'once' if value.per == 'once' else 'an hour'}"
        case _:
            return str(value)


def _terms(log: RunLog) -> _Pairs:
    inventory, load = log.inventory, log.plan.load
    yield "figures", "emulated" if inventory.emulated else "real"
    yield "goal", log.plan.goal.value
    yield "workload", _workload(inventory)
    yield "load", f"{load.iterations:,} iterations, {'1 job' if load.jobs == 1 else f'{load.jobs} jobs at once'}"
    for host in inventory.hosts:
        yield f"devices of {host.name}", ", ".join(f"{one.name} {one.model} ({one.kind.value})" for one in host.devices)


def _workload(inventory: Inventory) -> str:
    if inventory.command is not None:
        return _program(inventory.command)
    if inventory.bento is not None:
        return f"Bento, {inventory.bento.elf or 'the synthetic guest'}"
    guest = inventory.workload
    cards = any(device.kind is DeviceKind.CUDA for host in inventory.hosts for device in host.devices)
    return (
        f"synthetic guest, executor at {_clock(guest.executor_rate)}, {guest.columns} columns, "
        f"traces of po2 {guest.trace_po2}{f', effort {guest.effort}' if cards else ''}"
    )


def _program(command: CommandSettings) -> str:
    """Everything that makes a figure of a command another one."""
    said = [f"command {' '.join(command.words)}", f"told in {command.unit}/s", f"{command.items} runs a job"]
    said += [f"in {command.directory}"] * (command.directory is not None)
    said += [f"{one.name}={one.value}" for one in command.environment]
    said += [f"settings {' | '.join(command.setting_names())}"] * bool(command.knobs)
    if command.metric is None:
        said.append(f"{command.work:g} units a run")
    else:
        said.append(f"read by {command.metric.pattern or '.'.join(command.metric.keys or ())}")
    return ", ".join(said)


def _clock(hertz: float) -> str:
    """A clock in MHz, whatever the operator calls a rate."""
    return f"{hertz / 1e6:,.4g} MHz"


def _plan(log: RunLog) -> _Pairs:
    yield "fleet", log.version
    yield "in service", log.plan.current.label
    yield "hosts measured", ", ".join(log.plan.hosts)


def _inventory(inventory: Inventory) -> _Pairs:
    prices, currency = inventory.prices, inventory.prices.currency
    yield "time scale", f"{inventory.time_scale:g}"
    yield "segment sizes", f"po2 {inventory.po2_range[0]} to {inventory.po2_range[1]}"
    yield "price of a GPU", prices.gpu and f"{_text(prices.gpu)} {currency}"
    yield "price of a worker", prices.worker and f"{_text(prices.worker)} {currency}"
    yield "price of a second cluster", prices.replica and f"{_text(prices.replica)} {currency}"


def _host(host: Host, facts: Facts | None) -> _Pairs:
    yield "state", " ".join((("candidate" if host.candidate else "in service"), *(["drained"] * host.drained)))
    yield "bus", host.bus and f"{format_bytes(host.bus)}/s"
    yield "free slots", host.free_slots
    yield "spare power", host.spare_power and f"{host.spare_power:g} W"
    yield "price", host.cost
    if facts is None:
        return
    yield "system", facts.system
    yield "kernel", facts.kernel
    yield "processor", facts.cpu_model
    yield "cores", facts.cores
    yield "memory", format_bytes(facts.memory)
    yield "Python", facts.python
    yield "Ray", facts.ray
    yield "fleet", facts.fleet
    yield "GPUs", ", ".join(facts.gpus)


def _device(device: Device, card: CardState | None) -> _Pairs:
    yield "memory", device.memory and format_bytes(device.memory)
    if device.emulation is not None:
        yield "emulation", _emulation(device.emulation)
    if card is None:
        return
    yield "driver", card.driver
    yield "card", card.uuid
    yield "power limit", card.power_limit and f"{card.power_limit:g} W"
    yield "highest clock", card.sm_clock_max and _clock(card.sm_clock_max)
    yield "highest memory clock", card.memory_clock_max and _clock(card.memory_clock_max)
    yield "clocks locked", card.clocks_locked
    yield "link", card.pcie_width_max and f"generation {card.pcie_generation_max} × {card.pcie_width_max}"
    yield "ECC", card.ecc_on
    yield "MIG", card.mig
    yield "MPS", card.mps
    yield "compute mode", card.compute_mode


def _emulation(declared: Emulation) -> str:
    return (
        f"{_clock(declared.cycles_per_second)}, overhead {format_seconds(declared.overhead)}, "
        f"join {format_seconds(declared.join)}, {declared.traffic:g} bytes a cycle"
    )


def _clocks(log: RunLog) -> dict[tuple[str, str], float]:
    """The median clock of each device while it worked, in hertz."""
    found: dict[tuple[str, str], list[float]] = {}
    for seen in log.observations:
        for sample in seen.telemetry.samples:
            if isinstance(sample, DeviceSample) and sample.sm_clock is not None and (sample.busy or 0.0) >= AT_WORK:
                found.setdefault((sample.host, sample.device), []).append(sample.sm_clock)
    return {key: median(clocks) for key, clocks in found.items()}
