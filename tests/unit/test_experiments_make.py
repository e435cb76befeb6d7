"""make_plan: the layout in service, what is assumed, and which hosts count."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted_fleets import card, fleet_of, guide_box, host, layout, price, roomy_box, survey_of

from fleet.errors import HostError, MeasureError
from fleet.model.facts import Failure, Survey
from fleet.model.inventory import Current, Emulation, Inventory, Prices
from fleet.model.trial import Budget, Plan
from fleet.plan.trials.layouts import memory_needed, prior_po2
from fleet.plan.trials.make import make_plan
from fleet.plan.trials.segments import segments


def planned(inventory: Inventory, survey: Survey | None = None) -> Plan:
    return make_plan(inventory, survey or survey_of(inventory), run="r", seed=1, budget=Budget())


def without(inventory: Inventory, name: str) -> Survey:
    """The survey with one host failed."""
    facts = tuple(f for f in survey_of(inventory).facts if f.host != name)
    return Survey(facts=facts, failures=(Failure(host=name, stage="survey", message="refused", hint="start sshd"),))


def test_the_layout_in_service_is_what_the_inventory_states() -> None:
    """All devices of hosts in service, candidates left out, at the stated settings."""
    plan = planned(guide_box())
    assert plan.current == layout(20, box=2)
    assert plan.hosts == ("box", "far0", "far1")
    assert plan.assumed == ()
    assert plan.load.iterations == 4096


def test_what_is_left_open_is_assumed_and_said() -> None:
    """po2 from the smallest card's memory, one agent, and the names of what was not stated."""
    bare = replace(guide_box(), current=Current(), prices=Prices(gpu=price(1.0)))
    plan = planned(bare)
    assert plan.current == layout(20, box=2)
    assert plan.assumed == ("po2", "agents_per_device", "worker price")


def test_more_agents_need_smaller_segments() -> None:
    """Two agents on a 24 GiB card: 2·M(20) fits, 2·M(21) does not."""
    plan = planned(replace(roomy_box(), current=Current(agents_per_device=2)))
    assert (plan.current.po2, plan.current.agents_per_device) == (20, 2)


@pytest.mark.parametrize(("gigabytes", "po2"), [(8, 19), (10, 20), (16, 20), (24, 21), (40, 22), (80, 22), (1, 18)])
def test_the_memory_prior(gigabytes: int, po2: int) -> None:
    """M(po2) = 1.3 + 8.1·2^(po2 − 20) GB, within the inventory's range; below it the range's lower end is tried."""
    inventory = guide_box()
    device = card(0, "x", gigabytes * 1e9, Emulation(cycles_per_second=1.0))
    assert prior_po2(inventory, [device]) == po2


def test_the_memory_prior_is_the_vendors() -> None:
    """9–10, 17–18 and 32–34 GB at po2 20, 21 and 22."""
    assert [round(memory_needed(po2) / 1e9, 1) for po2 in (20, 21, 22)] == [9.4, 17.5, 33.7]


@pytest.mark.parametrize("iterations", [1, 32, 100, 1024, 4096, 65536])
def test_devices_that_tell_no_memory_get_about_32_segments(iterations: int) -> None:
    """Enough to share out, few enough to be quick, never below what leaves room for the guest."""
    inventory = replace(guide_box(), po2_range=(14, 24))
    inventory = replace(inventory, workload=replace(inventory.workload, iterations=iterations))
    device = replace(inventory.hosts[0].devices[0], memory=None)
    po2 = prior_po2(inventory, [device])
    count = len(list(segments(iterations, po2)))
    assert count <= 70
    assert count >= 16 or po2 == 15


def test_a_host_in_service_that_failed_is_left_out_and_said() -> None:
    """The plan goes on without it, and what the verdict is relative to is named."""
    far = host("spare", card(0, "guide", 16e9, Emulation(cycles_per_second=1.0)))
    inventory = fleet_of(*guide_box().hosts, far, po2=20)
    plan = planned(inventory, without(inventory, "spare"))
    assert plan.current == layout(20, box=2)
    assert "spare" not in plan.hosts
    assert plan.assumed == ("without spare",)


def test_a_candidate_that_failed_is_no_part_of_the_plan() -> None:
    """Nor is it assumed: it was not in service."""
    plan = planned(guide_box(), without(guide_box(), "far0"))
    assert plan.hosts == ("box", "far1")
    assert plan.assumed == ()


def test_without_its_head_there_is_no_plan() -> None:
    """The error is the host's, with what the survey found and its hint."""
    with pytest.raises(HostError, match="box: the head cannot be used: refused") as caught:
        planned(guide_box(), without(guide_box(), "box"))
    assert caught.value.hint == "start sshd"


def test_without_a_device_in_service_there_is_nothing_to_measure() -> None:
    """A head without devices and candidates only: said in one line, with what to do."""
    inventory = guide_box()
    bare = replace(inventory, hosts=(replace(inventory.hosts[0], devices=()), *inventory.hosts[1:]))
    with pytest.raises(MeasureError, match="no usable host in service"):
        planned(bare)
