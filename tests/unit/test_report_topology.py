"""Where GPUs sit: read from sysfs as it lies on disk, and drawn."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.topology import CardPlace, Pair, Topology
from fleet.remote.sampling.cardcalls import Counts, Fields, no_counts
from fleet.remote.sampling.cardstate import card_state
from fleet.remote.topology import bridges, node_of, read_topology
from fleet.report.screens.topology import topology_lines

ROOT, SWITCH = "0000:00:01.0", "0000:01:00.0"


def place(device: str, address: str, *path: str, node: int | None = 0) -> CardPlace:
    way = (*path, address) if path else ()
    return CardPlace(device=device, model="Card", address=address, path=way, node=node, generation=4, lanes=16)


BOX = Topology(
    host="box",
    cards=(
        place("gpu0", "0000:03:00.0", ROOT, SWITCH, "0000:02:00.0"),
        place("gpu1", "0000:04:00.0", ROOT, SWITCH, "0000:02:01.0"),
        place("gpu2", "0000:81:00.0", "0000:80:01.0", node=1),
    ),
    pairs=(
        Pair(one="gpu0", other="gpu1", near="one switch"),
        Pair(one="gpu0", other="gpu2", near="the sockets' link"),
        Pair(one="gpu1", other="gpu2", near="the sockets' link"),
    ),
)


def test_the_way_from_the_root_port_is_what_sysfs_links_to(tmp_path: Path) -> None:
    """The link's target holds a folder for each bridge; the host bridge (`pci0000:00`) is none."""
    card = tmp_path / "sys/devices/pci0000:00" / ROOT / SWITCH / "0000:03:00.0"
    card.mkdir(parents=True)
    (card / "numa_node").write_text("1\n")
    devices = tmp_path / "sys/bus/pci/devices"
    devices.mkdir(parents=True)
    (devices / "0000:03:00.0").symlink_to(card)
    assert bridges("0000:03:00.0", devices) == (ROOT, SWITCH, "0000:03:00.0")
    assert bridges("0000:99:00.0", devices) == ()
    assert node_of("0000:03:00.0", devices) == 1
    assert node_of("0000:99:00.0", devices) is None


@pytest.mark.parametrize(("online", "node"), [("0\n", 0), ("0-1\n", None), ("0,2\n", None)])
def test_where_the_firmware_does_not_tell_the_memory_node_it_is_the_only_one(
    tmp_path: Path, online: str, node: int | None
) -> None:
    (tmp_path / "0000:03:00.0").mkdir()
    (tmp_path / "0000:03:00.0/numa_node").write_text("-1\n")
    (tmp_path / "online").write_text(online)
    assert node_of("0000:03:00.0", tmp_path, tmp_path) == node


class Told:
    """A card as NVML tells of it: `most` and `now` are generation and lanes of its link."""

    def __init__(self, most: tuple[int | None, int | None], now: tuple[int | None, int | None]) -> None:
        self.index, self.lost = 0, False
        self.answers: dict[str, Any] = {
            "address": SimpleNamespace(busId=b"00000000:03:00.0"),
            **dict(zip(("pcie_generation_max", "pcie_width_max"), most, strict=True)),
            **dict(zip(("pcie_generation", "pcie_width"), now, strict=True)),
        }

    def ask(self, field: str, *_calls: object) -> Any:
        """What it tells, and None of all else."""
        return self.answers.get(field)

    def values(self, fields: Fields) -> Counts:
        """It counts nothing."""
        return no_counts(fields)


@pytest.mark.parametrize(
    ("bridge", "most", "now", "link"),
    [
        (("16.0 GT/s PCIe", "8"), (4, 16), (1, 8), (4, 8)),
        (("8.0 GT/s PCIe", "16"), (4, 16), (1, 16), (3, 16)),
        (("8 GT/s", "16"), (4, 16), (1, 16), (3, 16)),
        (("32.0 GT/s PCIe", "16"), (4, 8), (4, 8), (4, 8)),
        (("32.0 GT/s PCIe", "16"), (4, 16), (4, 8), (4, 16)),
        (("16.0 GT/s PCIe", "8"), (4, 16), (None, None), (4, 8)),
        (("2.5 GT/s PCIe", "1"), (5, 16), (1, 16), (5, 16)),
        (("2.5 GT/s PCIe", "16"), (5, 16), (5, 16), (5, 16)),
        (("Unknown", "255"), (4, 16), (1, 8), (4, 16)),
        (("16.0 GT/s PCIe", "8"), (None, None), (4, 8), (None, None)),
        (None, (4, 16), (1, 8), (4, 16)),
    ],
    ids=[
        "a slot of eight lanes", "an older board", "as older kernels write it", "the card has fewer",
        "it has lost lanes that both have", "the driver tells no link of now", "a hypervisor's bridge",
        "one as wide", "the bridge does not know", "the driver does not know", "no bridge that tells",
    ],
)  # fmt: skip
def test_a_link_can_do_what_both_card_and_bridge_can(
    tmp_path: Path,
    bridge: tuple[str, str] | None,
    most: tuple[int | None, int | None],
    now: tuple[int | None, int | None],
    link: tuple[int | None, int | None],
) -> None:
    """As the topology shows it, and as the gate and the doctor hold the link under load against it."""
    above, devices = tmp_path / "devices/pci0000:00" / ROOT, tmp_path / "bus"
    (above / "0000:03:00.0").mkdir(parents=True)
    devices.mkdir()
    (devices / "0000:03:00.0").symlink_to(above / "0000:03:00.0")
    if bridge:
        for name, text in zip(("max_link_speed", "max_link_width"), bridge, strict=True):
            (above / name).write_text(f"{text}\n")
    library: Any = SimpleNamespace(cards=(Told(most, now),), driver=None)
    (card,) = read_topology("box", library, devices).cards
    state = card_state(library, library.cards[0], "box", "gpu0", 0.0, (), devices)
    assert (card.generation, card.lanes) == (state.pcie_generation_max, state.pcie_width_max) == link


def test_cards_that_share_a_root_port_are_named() -> None:
    assert dict(BOX.shared) == {ROOT: ("gpu0", "gpu1")}
    assert dict(Topology(host="box", cards=(place("gpu0", "0000:03:00.0"), place("gpu1", "0000:04:00.0"))).shared) == {}


def test_the_tree() -> None:
    """The switch below the shared root port is drawn, a chain of bridges with one card is one line."""
    assert [each.text for each in topology_lines(BOX, 100)] == [
        "box",
        "├─ memory node 0",
        "│  └─ root port 0000:00:01.0  shared by gpu0, gpu1",
        "│     └─ switch 0000:01:00.0  shared by gpu0, gpu1",
        "│        ├─ gpu0  Card  PCIe 4×16  0000:03:00.0  behind 0000:02:00.0",
        "│        └─ gpu1  Card  PCIe 4×16  0000:04:00.0  behind 0000:02:01.0",
        "└─ memory node 1",
        "   └─ gpu2  Card  PCIe 4×16  0000:81:00.0  behind 0000:80:01.0",
        "   over one switch: gpu0 with gpu1",
        "   over the sockets' link: gpu0, gpu1 with gpu2",
    ]


NAMES = tuple(f"gpu{n}" for n in range(8))
COUPLES = tuple(combinations(NAMES, 2))


def said(pairs: Iterable[tuple[str, str]]) -> str:
    """What is said of pairs over a switch."""
    near = tuple(Pair(one=one, other=other, near="one switch") for one, other in pairs)
    lines = topology_lines(Topology(host="box", cards=(place("gpu0", "0000:03:00.0"),), pairs=near), 500)
    return lines[3].text.removeprefix("   over one switch: ") if near else ""


def test_eight_cards_are_not_28_pairs() -> None:
    """Nor two sockets with four each."""
    assert said(COUPLES) == f"{', '.join(NAMES)} with each other"
    across = product(NAMES[:4], NAMES[4:])
    assert said(across) == f"{', '.join(NAMES[:4])} with {', '.join(NAMES[4:])}"
    here = [*combinations(NAMES[:4], 2), *combinations(NAMES[4:], 2)]
    assert said(here) == f"{', '.join(NAMES[:4])} with each other; {', '.join(NAMES[4:])} with each other"


@given(st.sets(st.sampled_from(COUPLES)))
def test_whatever_the_pairs_each_is_told_once(pairs: set[tuple[str, str]]) -> None:
    told: list[tuple[str, ...]] = []
    for part in said(sorted(pairs)).split("; ") if pairs else ():
        some, others = (half.split(", ") for half in part.split(" with "))
        found = combinations(some, 2) if others == ["each other"] else product(some, others)
        told += [tuple(sorted(couple)) for couple in found]
    assert sorted(told) == sorted(pairs)


def test_no_line_is_too_wide_and_no_host_without_cards_is_silent() -> None:
    assert all(each.width <= 40 for each in topology_lines(BOX, 40))
    (_, why) = topology_lines(Topology(host="far", problem="NVML Shared Library Not Found"), 60)
    assert why.text == "└─ no GPUs seen: NVML Shared Library Not Found"


def test_cards_of_which_sysfs_says_nothing_are_drawn_all_the_same() -> None:
    """In a container without /sys the driver still tells the addresses."""
    found = Topology(
        host="box", cards=(place("gpu0", "0000:03:00.0", node=None), place("gpu1", "0000:04:00.0", node=None))
    )
    assert [each.text for each in topology_lines(found, 80)] == [
        "box",
        "└─ memory node not told",
        "   ├─ gpu0  Card  PCIe 4×16  0000:03:00.0",
        "   └─ gpu1  Card  PCIe 4×16  0000:04:00.0",
    ]
