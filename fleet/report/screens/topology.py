"""A host's topology drawn as a tree: memory node, root port, bridges, cards. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.model.topology import CardPlace, Pair, Topology
from fleet.report.lines import Line, Span, Style, clip, cut, line, wrap

_COUPLE = 2


def topology_lines(topology: Topology, width: int) -> tuple[Line, ...]:
    """The tree of one host, no line wider than `width`; cards that share a root port are named under it."""
    lines = [line(Span(topology.host, Style.HEADING))]
    if topology.problem or not topology.cards:
        why = topology.problem or "the driver lists no GPU"
        return (*lines, line(Span(clip(f"└─ no GPUs seen: {why}", width), Style.DIM)))
    nodes = sorted({card.node for card in topology.cards}, key=lambda node: -1 if node is None else node)
    for at, node in enumerate(nodes):
        last = at == len(nodes) - 1
        name = "memory node not told" if node is None else f"memory node {node}"
        lines.append(line(("└─ " if last else "├─ ") + name))
        cards = [card for card in topology.cards if card.node == node]
        lines += _tree(cards, 0, "   " if last else "│  ", width)
    lines += _notes(topology, width)
    return tuple(lines)


def _tree(cards: Sequence[CardPlace], depth: int, lead: str, width: int) -> Iterator[Line]:
    """The cards below one bridge; a chain of bridges with one card is one line."""
    branches: dict[str, list[CardPlace]] = {}
    for card in cards:
        here = card.path[depth] if depth < len(card.path) else card.address or card.device
        branches.setdefault(here, []).append(card)
    for at, (address, below) in enumerate(branches.items()):
        last = at == len(branches) - 1
        stem = lead + ("└─ " if last else "├─ ")
        if len(below) == 1:
            yield cut(line(stem, *_card(below[0], depth)), width)
            continue
        kind = "switch" if depth else "root port"
        sharers = Span(f"  shared by {', '.join(card.device for card in below)}", Style.DIM if depth else Style.WARN)
        yield cut(line(stem, f"{kind} {address}", sharers), width)
        yield from _tree(below, depth + 1, lead + ("   " if last else "│  "), width)


def _card(card: CardPlace, depth: int) -> tuple[Span, ...]:
    """A card with its link and what leads to it from here."""
    way = " > ".join(card.path[depth:-1])
    place = f"  {card.address}" + (f"  behind {way}" if way else "") if card.address else ""
    link = "" if card.lanes is None else f"  PCIe {card.generation}×{card.lanes}"
    nvlinks = f"  {card.nvlinks} NVLinks" if card.nvlinks else ""
    return Span(card.device, Style.STRONG), Span(f"  {card.model or ''}{link}{nvlinks}"), Span(place, Style.DIM)


def _notes(topology: Topology, width: int) -> Iterator[Line]:
    """How near the pairs are, the same kinds together."""
    kinds: dict[str, list[Pair]] = {}
    for pair in topology.pairs:
        kinds.setdefault(pair.near, []).append(pair)
    for near, pairs in kinds.items():
        yield from wrap([Span("; ".join(_said(pairs)), Style.DIM)], width, first=f"   over {near}: ", rest=" " * 6)


def _said(pairs: Sequence[Pair]) -> Iterator[str]:
    """The pairs in as few words as tell each of them once: eight cards of one kind are 28 pairs."""
    peers: dict[str, set[str]] = {}
    for pair in pairs:
        peers.setdefault(pair.one, set()).add(pair.other)
        peers.setdefault(pair.other, set()).add(pair.one)
    told: set[str] = set()
    for card, others in peers.items():
        if card in told:
            continue
        circle = [each for each in peers if each == card or each in others]
        if len(circle) > _COUPLE and all(peers[each] | {each} == set(circle) for each in circle):
            told |= set(circle)
            yield f"{', '.join(circle)} with each other"
            continue
        alike = [each for each in peers if peers[each] == others]
        told |= set(alike)
        if left := [each for each in peers if each in others and each not in told]:
            yield f"{', '.join(alike)} with {', '.join(left)}"
