"""PURE. Which cards are too slow: beside the best of their model in the fleet, or beside the data sheet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fleet.model.checkup import Check, Checkup, Diagnosis, Light
from fleet.model.conditions import intrudes
from fleet.model.gpuhealth import CardFigures, HostFigures
from fleet.model.samples import CardState
from fleet.plan.checkup.datasheets import Datasheet, datasheet

TOLERATED = 0.9
"""More than 10 % below is a fault."""
REACHED_MEMORY, REACHED_BUS = 0.85, 0.80
"""Of the data sheet's figure, what a copy reaches on a sound card: refresh and read-write turns take their part of the
memory's, packet headers of the bus's (256 bytes of payload behind 24 of header, and acknowledgements)."""

Read = Callable[[CardFigures], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    """One figure: how it is called, read, shown (divided by `unit`), held against a data sheet, and cured."""

    name: str
    read: Read
    unit: float
    symbol: str
    cure: str
    expected: Callable[[Datasheet], float] | None = None


_LINK = "reseat the card, or another slot or riser; look at the firmware (bifurcation, ASPM)"
_FIGURES = (
    _Figure(
        name="memory",
        read=lambda card: card.copy,
        unit=1e9,
        symbol="GB/s",
        cure="look at memory clocks, ECC and remapped rows (nvidia-smi -q); another process on the card slows it too",
        expected=lambda sheet: sheet.memory * REACHED_MEMORY,
    ),
    _Figure(
        name="to the card",
        read=lambda card: card.to_device,
        unit=1e9,
        symbol="GB/s",
        cure=_LINK,
        expected=lambda sheet: sheet.bus * REACHED_BUS,
    ),
    _Figure(
        name="to the host",
        read=lambda card: card.to_host,
        unit=1e9,
        symbol="GB/s",
        cure=_LINK,
        expected=lambda sheet: sheet.bus * REACHED_BUS,
    ),
    _Figure(
        name="integers",
        read=lambda card: card.integers,
        unit=1e12,
        symbol="T/s",
        cure="look at clocks, power limit and cooling: nvidia-smi -q -d CLOCK,POWER,PERFORMANCE",
    ),
    _Figure(
        name="clock",
        read=lambda card: card.sm_clock,
        unit=1e6,
        symbol="MHz",
        cure="look at power limit, cooling and locked clocks: nvidia-smi -q -d CLOCK,POWER,PERFORMANCE",
    ),
)


def judge(hosts: Sequence[HostFigures]) -> tuple[Checkup, ...]:
    """The checks of every host's cards, in the order of `hosts`."""
    best = _best(hosts)
    return tuple(Checkup(host=one.host, checks=tuple(_checks(one, best))) for one in hosts)


def with_checks(diagnosis: Diagnosis, more: Sequence[Checkup]) -> Diagnosis:
    """The diagnosis with these checks after each host's own."""
    added = {one.host: one.checks for one in more}
    checkups = (replace(one, checks=(*one.checks, *added.get(one.host, ()))) for one in diagnosis.checkups)
    return replace(diagnosis, checkups=tuple(checkups))


def _best(hosts: Sequence[HostFigures]) -> Mapping[tuple[str, str], float]:
    """The best reading of each figure among the cards of each model."""
    readings: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for card in (card for host in hosts for card in host.cards):
        for figure in _FIGURES:
            value = figure.read(card)
            if value is not None:
                readings[card.model, figure.name].append(value)
    return {key: max(values) for key, values in readings.items()}


def _checks(host: HostFigures, best: Mapping[tuple[str, str], float]) -> Iterator[Check]:
    if host.problem is not None:
        yield Check(name="cards at work", light=Light.RED, seen=host.problem, cure=host.cure or "see above")
    for card in host.cards:
        if card.problem is not None:
            cure = card.cure or "free the card (nvidia-smi shows who holds it), then run the doctor again"
            yield Check(name=card.device, light=Light.RED, seen=card.problem, cure=cure)
            yield from _hindrances(card)
            continue
        yield Check(name=card.device, light=Light.GREEN, seen=f"{card.model}: {_seen(card)}")
        yield from _hindrances(card)
        for figure in _FIGURES:
            yield from _faults(card, figure, best.get((card.model, figure.name)))
    yield from _crowding(host.cards)


def _seen(card: CardFigures) -> str:
    parts = (
        f"{figure.name} {value / figure.unit:,.4g} {figure.symbol}"
        for figure in _FIGURES
        if (value := figure.read(card)) is not None
    )
    link = f"PCIe {card.generation}×{card.lanes} under load" if card.generation and card.lanes else None
    return ", ".join((*parts, *([link] if link else []), *_settings(card.state)))


def _settings(state: CardState | None) -> Iterator[str]:
    """What the operator has set that makes a card slower than another of its model; no fault."""
    if state is None:
        return
    limit, usual = state.power_limit, state.power_limit_default
    if limit is not None and usual is not None and limit < usual:
        yield f"power limit {limit:.0f} of {usual:.0f} W"
    if state.clocks_locked:
        yield "clocks locked"
    if state.compute_mode not in {None, "default"}:
        yield f"compute mode {state.compute_mode}"


def _hindrances(card: CardFigures) -> Iterator[Check]:
    """What keeps the figures from being the card's own, or the card from what it and its slot can do."""
    state = card.state
    if state is None:
        return
    others = [f"{each.name or 'a process'} ({each.pid})" for each in state.processes or () if intrudes(each)]
    if others:
        cure = "the figures are not the card's alone: stop that, then run the doctor again"
        yield Check(
            name=f"{card.device} others", light=Light.AMBER, seen=f"{', '.join(others)} computes on it", cure=cure
        )
    if state.mig:
        cure = "nvidia-smi -mig 0, then reset the card: no trial on it counts"
        yield Check(
            name=f"{card.device} MIG", light=Light.RED, seen="MIG is on: CUDA sees parts of the card", cure=cure
        )
    now, most = (card.generation, card.lanes), (state.pcie_generation_max, state.pcie_width_max)
    if any(got is not None and can is not None and got < can for got, can in zip(now, most, strict=True)):
        seen = f"PCIe {now[0]}×{now[1]} under load, {most[0]}×{most[1]} by card and slot"
        yield Check(name=f"{card.device} link", light=Light.AMBER, seen=seen, cure=_LINK)


def _faults(card: CardFigures, figure: _Figure, best: float | None) -> Iterator[Check]:
    """One check where the card is too slow: the comparison that it fails by more."""
    value = figure.read(card)
    if value is None:
        return
    sheet = datasheet(card.model)
    against = [(best, f"the best {card.model} here")] if best else []
    if sheet and figure.expected:
        against.append((figure.expected(sheet), f"what NVIDIA's {sheet.source} lets expect"))
    failed = [(value / wanted, wanted, whose) for wanted, whose in against if value < TOLERATED * wanted]
    if failed:
        share, wanted, whose = min(failed)
        figures = f"{value / figure.unit:,.4g} of {wanted / figure.unit:,.4g} {figure.symbol}"
        seen = f"{figures}: {1 - share:.0%} below {whose}"
        yield Check(name=f"{card.device} {figure.name}", light=Light.RED, seen=seen, cure=figure.cure)


_WAYS: tuple[tuple[str, Read, Read, Read], ...] = (
    (
        "to the card",
        lambda card: card.to_device,
        lambda card: card.to_device_port,
        lambda card: card.to_device_together,
    ),
    ("to the host", lambda card: card.to_host, lambda card: card.to_host_port, lambda card: card.to_host_together),
)
"""How a way over the bus is called, and its rates: of a card alone, with its root port's, with the host's."""


def _crowding(cards: Sequence[CardFigures]) -> Iterator[Check]:
    """Cards that get less over the bus when others are at work: those below their root port first, then all.

    Where nobody has measured a port by itself, what its cards get with all others says so of it.
    """
    ports: defaultdict[str, list[CardFigures]] = defaultdict(list)
    for card in cards:
        ports[card.root_port or card.device].append(card)
    for port, members in ports.items():
        names = ", ".join(card.device for card in members)
        for way, alone, by_port, together in _WAYS:
            shared = f"{names} share root port {port}" if len(members) > 1 else None
            apart = any(by_port(card) is not None for card in members)
            if shared and not apart:
                yield from _crowded(way, members, (alone, together), f"{shared}: {{}} together, {{}} alone", _PORT)
                continue
            if shared:
                yield from _crowded(way, members, (alone, by_port), f"{shared}: {{}} together, {{}} alone", _PORT)
            before, word = (by_port, "with their root port's cards only") if shared else (alone, "alone")
            said = f"{names}: {{}} together, {{}} {word}, when all cards of the host copy at once"
            yield from _crowded(way, members, (before, together), said, _HOST)


_PORT = "put them on root ports of their own, or give such hosts fewer agents that move data at once"
_HOST = "the host's memory or the sockets' link is the limit: pin agents to the card's memory node"


def _crowded(
    way: str, members: Sequence[CardFigures], rates: tuple[Read, Read], said: str, cure: str
) -> Iterator[Check]:
    """An amber where the second rates add up to less than the first; `said` has a place for either sum."""
    first, second = rates
    pairs = [(one, other) for card in members if (one := first(card)) and (other := second(card)) is not None]
    free, crowded = sum(one for one, _ in pairs), sum(other for _, other in pairs)
    if pairs and crowded < TOLERATED * free:
        seen = said.format(f"{crowded / 1e9:.1f} GB/s", f"{free / 1e9:.1f}")
        yield Check(name=f"bus {way}", light=Light.AMBER, seen=seen, cure=cure)
