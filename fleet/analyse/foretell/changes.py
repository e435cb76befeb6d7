"""From a change to the layout that it makes, and what that layout asks of each host."""

from __future__ import annotations

from itertools import groupby

from fleet.analyse.evidence.findings import Findings
from fleet.analyse.foretell.shapes import Part, shapes_of
from fleet.errors import ConfigurationError
from fleet.model.inventory import Role
from fleet.model.simulation import NEW, Change
from fleet.model.trial import AgentSpec, Layout


def changed_layout(found: Findings, change: Change) -> Layout:
    """The layout in service with a change. ConfigurationError where it takes away more than there is."""
    current, box = found.log.plan.current, found.box
    po2, agents = current.po2 if change.po2 is None else change.po2, change.agents or current.agents_per_device
    devices = [pair for pair in current.devices if pair[0] != box.name]
    devices += [(box.name, name) for name in _box_devices(found, change.gpus)]
    devices = _with_remotes(found, devices, change.remotes)
    specs = [AgentSpec(host=h, device=d, slot=slot) for h, d in devices for slot in range(agents)]
    return Layout(agents=tuple(sorted(specs)), po2=po2)


def _box_devices(found: Findings, more: int) -> list[str]:
    box = found.box
    names = [device for host, device in found.log.plan.current.devices if host == box.name]
    if len(names) + more < 1:
        raise ConfigurationError(f"--gpus {more:+d}: {box.name} has {len(names)} in service, at least one must stay")
    new = [f"{NEW}{number + 1}" for number in range(max(0, more))]
    return [*names, *new][: len(names) + more]


def _with_remotes(found: Findings, devices: list[tuple[str, str]], more: int) -> list[tuple[str, str]]:
    """Remote workers added (the inventory's candidates first, then others like them) or taken away."""
    inventory, box = found.log.inventory, found.box.name
    serving = sorted({host for host, _ in devices if host not in (box, inventory.head.name)})
    if len(serving) + more < 0:
        raise ConfigurationError(f"--remote {more:+d}: there are {len(serving)} remote workers in service")
    if more <= 0:
        gone = set(serving[len(serving) + more :])
        return [pair for pair in devices if pair[0] not in gone]
    spare = [host for host in inventory.hosts if host.candidate and host.devices and host.name not in serving]
    spare.sort(key=lambda host: not shapes_of(found, host.name))
    model = next(iter(spare), None) or next((h for h in inventory.hosts if h.name in serving), None)
    added = [(host.name, device.name) for host in spare[:more] for device in host.devices]
    for number in range(more - len(spare[:more])):
        names = [device.name for device in model.devices] if model else [f"{NEW}1"]
        added += [(f"{NEW}{number + 1}", name) for name in names]
    return [*devices, *added]


def parts_of(found: Findings, layout: Layout) -> tuple[Part, ...]:
    """What a layout asks of each host, with the measured host that each resembles."""
    parts = []
    for host, agents in groupby(sorted(layout.agents), key=lambda agent: agent.host):
        group = tuple(agents)
        devices = tuple(dict.fromkeys(agent.device for agent in group))
        like, strange = _like(found, host)
        each = len(group) // len(devices)
        parts.append(Part(host=host, like=like, devices=devices, agents=each, po2=layout.po2, strange=strange))
    return tuple(parts)


def _like(found: Findings, host: str) -> tuple[str, bool]:
    """The measured host that a host is served like, and whether that is a guess."""
    if shapes_of(found, host):
        return host, False
    known = [h.name for h in found.log.inventory.hosts if h.role is not Role.HEAD and shapes_of(found, h.name)]
    return (known[0], False) if known else (found.box.name, True)
