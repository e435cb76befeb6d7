"""Where a host's GPUs sit: PCI bridges from sysfs, memory nodes, and how near the driver says two cards are.

Run over SSH (`python -m fleet.remote.topology`); writes one `Topology` line. A card's path is what /sys/bus/pci/devices
says of its address: every bridge between it and its root port is a folder of the link's target.
"""

from __future__ import annotations

import re
import socket
import sys
from contextlib import suppress
from pathlib import Path

from fleet.codec.text import dump_line
from fleet.model.topology import CardPlace, Pair, Topology
from fleet.remote.sampling.cardstate import PCI_DEVICES, card_state
from fleet.remote.sampling.nvml import Library, open_library

_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\Z")
_NEAR = {0: "same board", 10: "one switch", 20: "several switches", 30: "one root complex", 40: "one memory node"}
_NEAR |= {50: "the sockets' link"}
"""nvmlGpuTopologyLevel_t in words."""


def bridges(address: str, devices: Path = PCI_DEVICES) -> tuple[str, ...]:
    """The PCI addresses from a device's root port down to itself; empty where sysfs has no such device."""
    try:
        target = (devices / address).resolve(strict=True)
    except OSError:
        return ()
    return tuple(part for part in target.parts if _ADDRESS.match(part))


def node_of(address: str, devices: Path = PCI_DEVICES, nodes: Path = Path("/sys/devices/system/node")) -> int | None:
    """The memory node that a device is at; None where sysfs does not tell.

    Boards with one node need not say which (-1): it is that one.
    """
    with suppress(OSError, ValueError):
        found = int((devices / address / "numa_node").read_text(encoding="ascii").strip())
        return found if found >= 0 else int((nodes / "online").read_text(encoding="ascii").strip())
    return None


def read_topology(host: str, library: Library, devices: Path = PCI_DEVICES) -> Topology:
    """Every card of the host with its place, and every pair of them."""
    places = []
    for card in library.cards:
        state = card_state(library, card, host, f"gpu{card.index}", 0.0, (), devices)
        address = state.address or ""
        places.append(
            CardPlace(
                device=state.device,
                model=state.model,
                address=state.address,
                path=bridges(address, devices) if address else (),
                node=node_of(address, devices) if address else None,
                generation=state.pcie_generation_max,
                lanes=state.pcie_width_max,
                nvlinks=state.nvlinks,
            )
        )
    pairs = [
        Pair(one=f"gpu{one.index}", other=f"gpu{other.index}", near=_NEAR.get(level, str(level)))
        for at, one in enumerate(library.cards)
        for other in library.cards[at + 1 :]
        if (level := library.ancestor(one, other)) is not None
    ]
    return Topology(host=host, cards=tuple(places), pairs=tuple(pairs))


def main() -> int:
    """Say what there is. 0 always: that there are no cards is an answer."""
    host = sys.argv[1] if len(sys.argv) > 1 else socket.gethostname()
    library = open_library()
    if isinstance(library, str):
        sys.stdout.write(f"{dump_line(Topology(host=host, problem=library))}\n")
        return 0
    sys.stdout.write(f"{dump_line(read_topology(host, library))}\n")
    library.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
