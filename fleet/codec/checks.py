"""What a fleet must be as a whole: one head, no host twice, hosts of a lab that do not collide on their machine."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable, Iterator

from fleet.codec.problems import Problem
from fleet.model.inventory import DeviceKind, Host, Inventory, Role

_LAST_PORT = 65535
_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
_TAKEN = ipaddress.IPv4Address("127.0.0.1")
"""Ray replaces this address by the machine's own, so it cannot tell two hosts apart."""


def fleet_problems(inventory: Inventory) -> Iterator[Problem]:
    """All that is wrong with the hosts together."""
    if not inventory.hosts:
        yield Problem(path=("hosts",), text="expected at least one host")
    yield from _head_problems(inventory.hosts)
    for host in inventory.hosts:
        if not host.devices and host.role is Role.WORKER:
            yield Problem(path=("hosts", host.name, "devices"), text="is missing: a worker only proves")
    yield from _twins(inventory.hosts, "address", lambda host: f"{host.login.address} port {host.login.port}")
    yield from _twins(inventory.hosts, "node_address", lambda host: host.node_address)
    if inventory.hosts and not any(host.devices for host in inventory.hosts):
        yield Problem(path=("hosts",), text="no host has a device to prove on")
    yield from _po2_problems(inventory)
    yield from _lab_problems(inventory)
    yield from _command_problems(inventory)


def _command_problems(inventory: Inventory) -> Iterator[Problem]:
    """A command runs on what is there."""
    for host in inventory.hosts if inventory.command else ():
        if any(device.kind is DeviceKind.EMULATED for device in host.devices):
            text = "emulated devices run fleet's own guest only: with a `command`, say `kind: cpu` or `kind: cuda`"
            yield Problem(path=("hosts", host.name, "devices"), text=text)


def _twins(hosts: tuple[Host, ...], field: str, value: Callable[[Host], str]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for host in hosts:
        other = seen.setdefault(value(host), host.name)
        if other != host.name:
            yield Problem(path=("hosts", host.name, field), text=f"{value(host)} is `{other}` already")


def _po2_problems(inventory: Inventory) -> Iterator[Problem]:
    low, high = inventory.po2_range
    if low > high:
        yield Problem(path=("po2_range",), text=f"expected the smaller first: [{high}, {low}]")
    if inventory.current.po2 is not None and not low <= inventory.current.po2 <= high:
        yield Problem(path=("current", "po2"), text=f"lies outside `po2_range`, which is {low} to {high}")


def _head_problems(hosts: tuple[Host, ...]) -> Iterator[Problem]:
    heads = [host for host in hosts if host.role is Role.HEAD]
    names = ", ".join(host.name for host in heads or hosts)
    if hosts and not heads:
        yield Problem(path=("hosts",), text=f"no head: write `role: head` in one of {names}")
    if len(heads) > 1:
        yield Problem(path=("hosts", heads[1].name, "role"), text=f"expected exactly one head, found {names}")
    for head in heads:
        if head.drained:
            yield Problem(path=("hosts", head.name, "drained"), text="the head cannot be: nothing runs without it")
        if head.candidate:
            yield Problem(path=("hosts", head.name, "candidate"), text="the head is in service, it cannot be one")


def _lab_problems(inventory: Inventory) -> Iterator[Problem]:
    lab = sorted((host for host in inventory.hosts if host.lab), key=lambda host: host.ports.first)
    for host in lab:
        path = ("hosts", host.name, "address")
        if not _is_loopback(host.login.address):
            text = f"a lab's host is on this machine: expected 127.0.0.2 to 127.255.255.254, found {host.login.address}"
            yield Problem(path=path, text=f"{text} (`lab: false` for a real host)")
        if host.ports.last > _LAST_PORT:
            yield Problem(path=("hosts", host.name), text="too many hosts for one machine: give this one its `ports`")
    for below, host in itertools.pairwise(lab):
        if host.ports.first <= below.ports.last:
            text = f"overlap with those of `{below.name}`: a lab's hosts share one machine"
            yield Problem(path=("hosts", host.name, "ports"), text=text)
    for host in inventory.hosts:
        real = {device.kind for device in host.devices} - {DeviceKind.EMULATED}
        if real and inventory.time_scale != 1:
            text = f"{min(real)} devices run in real time: `lab.time_scale` must be 1, or every device emulated"
            yield Problem(path=("hosts", host.name, "devices"), text=text)


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return found in _LOOPBACK and found != _TAKEN
