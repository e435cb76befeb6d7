"""Where a host's GPUs sit: on which root port and memory node, behind which bridges, and how near each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPlace:
    """One GPU. `path`: PCI addresses from its root port down to itself; `node`: memory node; None = not told.

    `generation` and `lanes`: what card and slot can do together.
    """

    device: str
    model: str | None = None
    address: str | None = None
    path: tuple[str, ...] = ()
    node: int | None = None
    generation: int | None = None
    lanes: int | None = None
    nvlinks: int | None = None

    @property
    def root_port(self) -> str | None:
        """The port of the root complex that it hangs on; None where sysfs does not tell."""
        return self.path[0] if len(self.path) > 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """How near two cards are, as the driver says: what a copy between them has to cross."""

    one: str
    other: str
    near: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """All GPUs of a host; `problem`: why none can be seen."""

    host: str
    cards: tuple[CardPlace, ...] = ()
    pairs: tuple[Pair, ...] = ()
    problem: str | None = None

    @property
    def shared(self) -> Mapping[str, tuple[str, ...]]:
        """The root ports that more than one card hangs on, with the cards: these share its lanes."""
        by_port: dict[str, tuple[str, ...]] = {}
        for card in self.cards:
            if card.root_port is not None:
                by_port[card.root_port] = (*by_port.get(card.root_port, ()), card.device)
        return {port: cards for port, cards in by_port.items() if len(cards) > 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Topologies:
    """Those of an inventory's hosts, in its order."""

    hosts: tuple[Topology, ...]
