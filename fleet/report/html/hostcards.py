"""A card for each host: what it is, how its clock stands, its devices and where they sit, what it could not tell."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.model.facts import Facts
from fleet.model.inventory import Host
from fleet.model.record import Observation
from fleet.model.samples import CardState, Lack
from fleet.report.html.dossier import Dossier
from fleet.report.html.markup import Html, bullets, cls, el, join, more
from fleet.units import format_bytes


def hosts(dossier: Dossier) -> Html:
    """A card for each host, then those that were left out."""
    survey = dossier.log.survey
    facts = {found.host: found for found in survey.facts}
    cards = [_card(dossier, host, facts.get(host.name)) for host in dossier.log.inventory.hosts]
    return join([el("div", *cards, at=cls("cards"))])


def _card(dossier: Dossier, host: Host, facts: Facts | None) -> Html:
    survey = dossier.log.survey
    troubles = [
        f"{f.stage}: {f.message}{f'; {f.hint}' if f.hint else ''}" for f in survey.failures if f.host == host.name
    ]
    offset = next((o for o in survey.offsets if o.host == host.name), None)
    badge = ("left out", "bad") if troubles else ("candidate", "warn") if host.candidate else ("in service", "good")
    rows: list[tuple[str, str]] = [("role", host.role.value)]
    if facts is not None:
        rows += _told(facts)
    if offset is not None:
        rows.append(("clock", f"{offset.offset * 1e3:+.2f} ms against this machine, ± {offset.error * 1e3:.2f} ms"))
    if host.bus is not None:
        rows.append(("bus", f"{format_bytes(host.bus)}/s, shared by its devices"))
    if host.free_slots is not None:
        rows.append(("free slots", str(host.free_slots)))
    return el(
        "section",
        el("h3", host.name, " ", el("span", badge[0], at=cls(f"badge {badge[1]}"))),
        bullets(troubles),
        el("dl", *(join([el("dt", name), el("dd", value)]) for name, value in rows), at=cls("facts")),
        *_devices(dossier, host),
        *_lacking(dossier, host.name),
        at=cls("card"),
    )


def _told(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "system", f"{facts.system}, kernel {facts.kernel}"
    yield "CPU", f"{facts.cpu_model or 'unknown'}, {facts.cores} cores"
    yield "memory", format_bytes(facts.memory)
    if facts.disk_free is not None:
        yield "disk free", format_bytes(facts.disk_free)
    versions = (("Python", facts.python), ("Ray", facts.ray), ("fleet", facts.fleet))
    yield "versions", ", ".join(f"{name} {found}" for name, found in versions if found) or "not told"


def _devices(dossier: Dossier, host: Host) -> Iterator[Html]:
    """What each device is and where it sits."""
    cards = _latest(dossier.log.observations)
    items = []
    for device in host.devices:
        card = cards.get((host.name, device.name))
        memory = (card.memory_total if card else None) or device.memory
        texts = ((card.model if card else None) or device.model, format_bytes(memory) if memory else "", _link(card))
        kind = el("span", "emulated", at=cls("badge emulated-badge")) if device.emulation else device.kind.value
        said = ", ".join(text for text in texts if text)
        items.append(el("li", el("strong", device.name), " ", kind, el("br"), said))
    if items:
        yield el("h4", "Devices")
        yield el("ul", *items, at=cls("devices"))


def _link(card: CardState | None) -> str:
    if card is None:
        return ""
    parts = (
        card.address,
        f"PCIe {card.pcie_generation_max}×{card.pcie_width_max}" if card.pcie_width_max else None,
        f"{card.nvlinks} NVLinks" if card.nvlinks else None,
        f"driver {card.driver}" if card.driver else None,
        f"limit {card.power_limit:.0f} W" if card.power_limit else None,
        "shared by MPS" if card.mps else None,
    )
    return ", ".join(part for part in parts if part)


def _latest(observations: tuple[Observation, ...]) -> dict[tuple[str, str], CardState]:
    return {
        (card.host, card.device): card
        for seen in observations
        for card in (*seen.telemetry.before, *seen.telemetry.after)
    }


def _lacking(dossier: Dossier, host: str) -> Iterator[Html]:
    lacks: dict[tuple[str | None, str], Lack] = {
        (lack.device, lack.field): lack
        for seen in dossier.log.observations
        for lack in seen.telemetry.lacks
        if lack.host == host
    }
    if lacks:
        texts = [f"{lack.device or 'host'}: {lack.field}: {lack.reason}" for lack in lacks.values()]
        yield more(f"{len(texts)} readings that it could not give", bullets(texts))
