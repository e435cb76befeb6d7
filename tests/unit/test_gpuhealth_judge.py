"""Cards that are too slow are named, with the comparison that they fail and the cure; sound ones are not."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fleet.model.checkup import Check, Checkup, Diagnosis, Light
from fleet.model.gpuhealth import CardFigures, HostFigures
from fleet.model.samples import CardProcess, CardState
from fleet.plan.checkup.datasheets import DATASHEETS, datasheet
from fleet.plan.checkup.gpuhealth import judge, with_checks

A4000 = CardFigures(
    device="gpu0",
    model="NVIDIA RTX A4000",
    root_port="0000:00:01.0",
    to_device=26.1e9,
    to_host=26.4e9,
    to_device_together=26.0e9,
    to_host_together=26.3e9,
    copy=405e9,
    integers=4.6e12,
    sm_clock=1.56e9,
    sm_clock_max=2.1e9,
    generation=4,
    lanes=16,
)
"""As a sound card of the model measures."""


def found(*cards: CardFigures) -> list[Check]:
    """The checks that are not green, of one host with these cards."""
    (checkup,) = judge([HostFigures(host="worker", cards=cards)])
    return [check for check in checkup.checks if check.light is not Light.GREEN]


def test_a_sound_card_is_green_and_its_figures_are_shown() -> None:
    """In the units that people compare."""
    (checkup,) = judge([HostFigures(host="worker", cards=(A4000,))])
    (check,) = checkup.checks
    assert (check.name, check.light) == ("gpu0", Light.GREEN)
    assert check.seen == (
        "NVIDIA RTX A4000: memory 405 GB/s, to the card 26.1 GB/s, to the host 26.4 GB/s, integers 4.6 T/s, "
        "clock 1,560 MHz, PCIe 4×16 under load"
    )


@pytest.mark.parametrize(
    ("field", "name"),
    [("copy", "memory"), ("to_device", "to the card"), ("to_host", "to the host"), ("integers", "integers"),
     ("sm_clock", "clock")],
)  # fmt: skip
@pytest.mark.parametrize(("share", "faulty"), [(0.89, True), (0.91, False)])
def test_a_tenth_below_the_best_of_its_model_is_a_fault(field: str, name: str, share: float, faulty: bool) -> None:  # noqa: FBT001 (a table's column)
    """Wherever in the fleet the best one is, and whether the data sheet speaks of the figure or not."""
    model = "NVIDIA Unheard-of"
    best = replace(A4000, model=model, to_device_together=None, to_host_together=None)
    slow = replace(best, **{field: getattr(best, field) * share})
    other = replace(best, device="gpu1", model="NVIDIA Another", **{field: getattr(best, field) * 9})
    one, two = judge([HostFigures(host="one", cards=(best, other)), HostFigures(host="two", cards=(slow,))])
    assert [check.light for check in one.checks] == [Light.GREEN, Light.GREEN]
    red = [check for check in two.checks if check.light is Light.RED]
    assert [check.name for check in red] == ([f"gpu0 {name}"] if faulty else [])
    if faulty:
        assert "11% below the best NVIDIA Unheard-of here" in red[0].seen
        assert red[0].cure


def test_all_cards_being_slow_alike_is_seen_by_the_data_sheet() -> None:
    """Memory, and a link that came up with half its lanes."""
    slow = replace(A4000, copy=330e9, to_device=13.1e9, to_device_together=13.1e9, lanes=8)
    memory, link = found(slow, replace(slow, device="gpu1", root_port="0000:00:02.0"))[:2]
    assert (memory.name, memory.light) == ("gpu0 memory", Light.RED)
    assert memory.seen == "330 of 380.8 GB/s: 13% below what NVIDIA's RTX A4000 datasheet lets expect"
    assert (link.name, link.seen[:17]) == ("gpu0 to the card", "13.1 of 25.2 GB/s")
    assert link.cure
    assert "riser" in link.cure


def test_cards_that_share_a_root_port_and_crowd_it_are_an_amber() -> None:
    """They are sound; the port is not theirs alone."""
    halves = [replace(A4000, device=f"gpu{n}", to_device_together=13e9) for n in range(2)]
    (check,) = found(*halves)
    assert (check.name, check.light) == ("bus to the card", Light.AMBER)
    assert check.seen == "gpu0, gpu1 share root port 0000:00:01.0: 26.0 GB/s together, 52.2 alone"
    alone = [replace(card, root_port=f"0000:00:0{n}.0") for n, card in enumerate(halves)]
    assert [check.seen.split(":")[0] for check in found(*alone)] == ["gpu0", "gpu1"]


def test_a_root_ports_part_in_a_shortage_is_told_from_the_hosts() -> None:
    """Two ports of two cards each: one is crowded by its own two, the other's two lose with all four at work only."""
    near = [
        replace(A4000, device=f"gpu{n}", to_device_port=13e9, to_host_port=26.4e9, to_device_together=13e9)
        for n in range(2)
    ]
    far = [
        replace(A4000, device=f"gpu{n}", root_port="0000:80:01.0", to_device_port=26e9, to_device_together=18e9)
        for n in range(2, 4)
    ]
    port, host = found(*near, *far)
    assert port.seen == "gpu0, gpu1 share root port 0000:00:01.0: 26.0 GB/s together, 52.2 alone"
    assert (port.cure or "").startswith("put them on root ports of their own")
    assert host.seen == (
        "gpu2, gpu3: 36.0 GB/s together, 52.0 with their root port's cards only, "
        "when all cards of the host copy at once"
    )
    assert (host.cure or "").startswith("the host's memory")


STATE = CardState(
    host="worker",
    device="gpu0",
    time=0.0,
    power_limit=300,
    power_limit_default=450,
    clocks_locked=True,
    compute_mode="exclusive process",
    pcie_generation_max=4,
    pcie_width_max=16,
    processes=(
        CardProcess(pid=7, name="Xorg", ours=False, graphics=True),
        CardProcess(pid=4711, name="/usr/bin/miner", ours=False),
    ),
)


def test_what_is_set_stands_beside_the_figures_and_what_hinders_is_a_check_of_its_own() -> None:
    """A low power limit explains a slow card and is no fault; somebody else's program is named, a desktop is not."""
    slept = replace(A4000, generation=1, lanes=8, state=replace(STATE, mig=True))
    (checkup,) = judge([HostFigures(host="worker", cards=(slept,))])
    figures, others, mig, link = checkup.checks
    settings = ", power limit 300 of 450 W, clocks locked, compute mode exclusive process"
    assert figures.seen.endswith(f"PCIe 1×8 under load{settings}")
    assert (others.light, others.seen) == (Light.AMBER, "/usr/bin/miner (4711) computes on it")
    assert (mig.name, mig.light) == ("gpu0 MIG", Light.RED)
    assert (link.name, link.seen) == ("gpu0 link", "PCIe 1×8 under load, 4×16 by card and slot")
    assert found(replace(A4000, state=replace(STATE, processes=None))) == []


def test_who_holds_a_card_that_cannot_be_measured_is_named() -> None:
    """Beside what the driver says of it, and with the cure that came along."""
    problem, others = found(replace(A4000, problem="busy or unavailable", cure="wait", state=STATE))
    assert (problem.seen, problem.cure) == ("busy or unavailable", "wait")
    assert others.seen == "/usr/bin/miner (4711) computes on it"


def test_what_is_not_measured_is_not_judged() -> None:
    """A card that tells nothing is no slow card, and no fast one either."""
    nothing = CardFigures(device="gpu0", model="NVIDIA RTX A4000")
    assert found(nothing) == []


def test_a_host_or_card_that_cannot_be_measured_is_red_with_its_cure() -> None:
    """Never silently sound."""
    (checkup,) = judge([HostFigures(host="worker", problem="no cupy", cure="install it")])
    assert checkup.checks == (Check(name="cards at work", light=Light.RED, seen="no cupy", cure="install it"),)
    (check,) = found(replace(A4000, problem="out of memory"))
    assert (check.name, check.light, check.seen) == ("gpu0", Light.RED, "out of memory")


def test_checks_are_added_to_their_host() -> None:
    """After its own."""
    own, more = (Check(name=name, light=Light.GREEN, seen="") for name in ("own", "more"))
    diagnosis = Diagnosis(inventory="x", checkups=tuple(Checkup(host=host, checks=(own,)) for host in ("a", "b")))
    both = with_checks(diagnosis, [Checkup(host="b", checks=(more,))])
    assert [one.checks for one in both.checkups] == [(own,), (own, more)]


@pytest.mark.parametrize(
    ("model", "memory"),
    [("NVIDIA H100 80GB HBM3", 3350e9), ("NVIDIA H100 PCIe", 2000e9), ("NVIDIA L4", 300e9), ("NVIDIA L40S", 864e9),
     ("Tesla T4", 320e9), ("NVIDIA RTX A4000", 448e9)],
)  # fmt: skip
def test_models_are_known_by_the_drivers_name(model: str, memory: float) -> None:
    """And not by a part of it: an L4 is no L40."""
    sheet = datasheet(model)
    assert sheet is not None
    assert sheet.memory == memory


def test_a_model_that_no_sheet_speaks_of_is_held_against_none() -> None:
    """A laptop's variant has the name with something behind."""
    assert datasheet("NVIDIA GeForce RTX 4090 Laptop GPU") is None
    assert all(sheet.source and sheet.seen and re.compile(sheet.pattern) for sheet in DATASHEETS)
