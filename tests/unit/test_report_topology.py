"""Where GPUs sit: read from sysfs as it lies on disk, and drawn."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.topology import CardPlace, Pair, Topology
from fleet.remote.topology import bridges, node_of
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
