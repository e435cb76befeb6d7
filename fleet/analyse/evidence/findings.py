"""What a run log holds, put where the later steps look for it: the arms, their spread, the layout in service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.analyse.evidence.arms import Arm, arms_of, draws_of, spread_of
from fleet.analyse.stats import Draws, Spread
from fleet.model.facts import Survey
from fleet.model.inventory import Device, Host, Inventory
from fleet.model.rates import same_settings
from fleet.model.record import Observation, RunLog
from fleet.model.trial import Layout, Plan


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The admissible part of a run. `arms` are those under the plan's load, `others` those under any other."""

    log: RunLog
    arms: tuple[Arm, ...]
    others: tuple[Arm, ...]
    spread: Spread

    @property
    def base(self) -> Arm | None:
        """The arm of the layout in service; None where it was never measured well."""
        return self.arm(self.log.plan.current)

    @property
    def box(self) -> Host:
        """The host in service with the most devices: the one a GPU would be added to."""
        used = [host for host, _ in self.log.plan.current.devices]
        hosts = [host for host in self.log.inventory.hosts if host.name in used]
        return max(hosts, key=lambda host: used.count(host.name))

    def arm(self, layout: Layout) -> Arm | None:
        """The arm of a layout under the plan's load."""
        return next((arm for arm in self.arms if arm.layout == layout), None)

    def draws(self, arm: Arm) -> Draws:
        """Plausible true rates of an arm."""
        return draws_of(arm, self.spread, self.log.plan.seed)

    def with_settings(self, layout: Layout) -> tuple[Arm, ...]:
        """The arms that differ from a layout in their devices only."""
        return tuple(arm for arm in self.arms if arm.layout != layout and same_settings(arm.layout, layout))

    def on_devices(self, layout: Layout) -> tuple[Arm, ...]:
        """The arms that differ from a layout in their settings only."""
        return tuple(arm for arm in self.arms if arm.layout != layout and arm.layout.devices == layout.devices)

    def alone(self, host: str) -> Arm | None:
        """The arm with one device of this host and nothing else, at the settings in service."""
        current = self.log.plan.current
        arms = (arm for arm in self.arms if same_settings(arm.layout, current))
        return next((arm for arm in arms if [name for name, _ in arm.layout.devices] == [host]), None)

    def with_candidates(self) -> tuple[tuple[Arm, tuple[Host, ...]], ...]:
        """The arms of everything in service plus candidates, each with the candidates, fewest first."""
        current = self.log.plan.current
        found = []
        for arm in self.with_settings(current):
            extra = set(arm.layout.devices) - set(current.devices)
            hosts = [self.log.inventory.host(name) for name in sorted({name for name, _ in extra})]
            if set(current.devices) < set(arm.layout.devices) and hosts and all(host.candidate for host in hosts):
                found.append((arm, tuple(hosts)))
        return tuple(sorted(found, key=lambda pair: (len(pair[1]), pair[0].layout.label)))

    def models(self, layout: Layout, host: str) -> frozenset[str]:
        """The models of a host's devices in a layout."""
        devices = self.log.inventory.host(host).devices
        return frozenset(device.model for device in devices if (host, device.name) in layout.devices)

    def devices(self, layout: Layout) -> tuple[Device, ...]:
        """The devices of a layout that the inventory knows."""
        wanted = set(layout.devices)
        return tuple(d for host in self.log.inventory.hosts for d in host.devices if (host.name, d.name) in wanted)


def findings(log: RunLog) -> Findings:
    """What can be worked with."""
    arms = arms_of(log.observations)
    return Findings(
        log=log,
        arms=tuple(arm for arm in arms if arm.load == log.plan.load),
        others=tuple(arm for arm in arms if arm.load != log.plan.load),
        spread=spread_of(arms),
    )


def findings_so_far(plan: Plan, inventory: Inventory, seen: Sequence[Observation]) -> Findings:
    """The findings of a run that is still going on; of its hosts' facts nothing is known here."""
    log = RunLog(
        id=plan.run,
        created=0.0,
        version="",
        inventory=inventory,
        survey=Survey(facts=()),
        plan=plan,
        observations=tuple(seen),
    )
    return findings(log)
