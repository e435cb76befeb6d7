"""Pairs of arms that differ in one thing, and how much longer a prove takes in the one than in the other.

φ(g, a): g devices of a agents each against one agent on one device of the same host. η: a remote device against a near
one. Each ratio is about one cause at a time only as far as its two arms differ in one thing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fleet.analyse.causes.crowding import crowding
from fleet.analyse.causes.scaling import inflation, remote_efficiency
from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings, findings_so_far
from fleet.model.anatomy import Efficiency, Inflation
from fleet.model.estimate import Estimate
from fleet.model.inventory import Inventory
from fleet.model.rates import same_settings
from fleet.model.record import Observation
from fleet.model.trial import Layout, Plan

NOTABLE = 1.03
"""An inflation is worth an explanation where the low end of its interval reaches this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrasts:
    """What company does to a prove on `host`, the box, in the layout in service.

    `neighbours`: all devices of the box against one, with as many agents each. `agents`: several agents a device
    against one each on the same devices. `apart`: one device of the box beside devices of other boxes against one
    alone. None where an arm of the pair was not measured.
    """

    host: str
    base: Arm
    alone: Arm | None
    single: Arm | None
    distant: Arm | None
    neighbours: Estimate | None
    agents: Estimate | None
    apart: Estimate | None


def contrasts_of(found: Findings, base: Arm) -> Contrasts:
    """The contrasts of the layout in service."""
    host = found.box.name
    alone, seen = found.alone(host), crowding(found, base)
    single = found.arm(replace(base.layout, agents=tuple(agent for agent in base.layout.agents if agent.slot == 0)))
    distant = next((arm for arm in found.with_settings(base.layout) if _apart(arm.layout, base.layout, host)), None)
    return Contrasts(
        host=host,
        base=base,
        alone=alone,
        single=single,
        distant=distant,
        neighbours=seen.stretch if seen else None,
        agents=inflation(single, base, found.spread, host) if single and single is not base else None,
        apart=inflation(alone, distant, found.spread, host) if alone and distant else None,
    )


def inflated(plan: Plan, inventory: Inventory, seen: Sequence[Observation]) -> tuple[bool, bool]:
    """Whether a prove notably suffers from neighbours in the box, and whether it may from agents on its device."""
    found = findings_so_far(plan, inventory, seen)
    contrasts = contrasts_of(found, found.base) if found.base else None
    if contrasts is None or contrasts.neighbours is None:
        return False, False
    return contrasts.neighbours.low >= NOTABLE, plan.current.agents_per_device > 1


def inflations(found: Findings) -> tuple[Inflation, ...]:
    """φ(g, a) wherever one agent on one device of the host was measured at the same segment size."""
    return tuple(_inflations(found))


def _inflations(found: Findings) -> Iterator[Inflation]:
    alone = {
        (arm.layout.devices[0][0], arm.layout.po2): arm for arm in reversed(found.arms) if len(arm.layout.agents) == 1
    }
    for arm in found.arms:
        for host in sorted({agent.host for agent in arm.layout.agents}):
            one = alone.get((host, arm.layout.po2))
            stretch = inflation(one, arm, found.spread, host) if one and one is not arm else None
            if stretch is not None:
                yield Inflation(
                    layout=arm.layout,
                    host=host,
                    devices=sum(name == host for name, _ in arm.layout.devices),
                    agents=arm.layout.agents_per_device,
                    stretch=stretch,
                )


def efficiencies(found: Findings) -> tuple[Efficiency, ...]:
    """η of every remote host that was measured with the settings in service and has the box's models.

    By the layout with the most trials, against a lone device of the box; where none was measured, against the box's
    devices in the same trials, whose company can only make η look better than it is.
    """
    box, base = found.box.name, found.log.plan.current
    near = found.alone(box)
    told: dict[str, Efficiency] = {}
    alike = (arm for arm in found.arms if same_settings(arm.layout, base))
    for arm in sorted(alike, key=lambda arm: -len(arm.trials)):
        for host in sorted({agent.host for agent in arm.layout.agents} - {box} - told.keys()):
            beside = near or (arm if any(agent.host == box for agent in arm.layout.agents) else None)
            if beside is None or found.models(arm.layout, host) != found.models(beside.layout, box):
                continue
            value = remote_efficiency(beside, box, arm, host, found.spread)
            if value is not None:
                told[host] = Efficiency(host=host, layout=arm.layout, efficiency=value)
    return tuple(told.values())


def _apart(layout: Layout, current: Layout, host: str) -> bool:
    """Whether only one device of the box is at work, beside others elsewhere, and no more than in service in all."""
    here = sum(name == host for name, _ in layout.devices)
    return here == 1 and 1 < len(layout.devices) <= len(current.devices)
