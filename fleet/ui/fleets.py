"""An inventory as screens: each host with all its folded values, and the tree of groups, hosts and devices. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleet.model.inventory import Device, Host, Inventory
from fleet.report.lines import Line, Span, Style, clip, line, wrap
from fleet.report.wording import money
from fleet.units import (
    device_word,
    format_bytes,
    format_count,
    format_hertz,
    format_iterations,
    format_seconds,
    format_setting,
)

_LABEL = 16
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class _Branch:
    """A line of the tree, and what hangs below it."""

    spans: tuple[Span, ...]
    below: tuple[_Branch, ...] = ()


def inventory_lines(inventory: Inventory, width: int) -> tuple[Line, ...]:
    """The fleet, then every host: what the file says, its group and the defaults folded in, gaps filled."""
    lines = [line(Span("FLEET ", Style.HEADING), Span(f"{inventory.name} ({inventory.path})"), *_mark(inventory))]
    lines += _facts(_fleet_facts(inventory), width)
    for host in inventory.hosts:
        state = " candidate" if host.candidate else ""
        lines += [Line(), line(Span(host.name, Style.STRONG), Span(f"  {host.role.value}{state}", Style.DIM))]
        lines += _facts(_host_facts(host), width)
    return tuple(lines)


def graph_lines(inventory: Inventory) -> tuple[Line, ...]:
    """The tree: groups with their hosts, hosts with their devices."""
    groups = dict.fromkeys(host.group for host in inventory.hosts if host.group)
    branches = [_host_branch(host) for host in inventory.hosts if host.group is None]
    for group in groups:
        hosts = tuple(_host_branch(host) for host in inventory.hosts if host.group == group)
        branches.append(_Branch((Span("group ", Style.DIM), Span(group, Style.HEADING)), hosts))
    devices = sum(len(host.devices) for host in inventory.hosts)
    count = f"{format_count(len(inventory.hosts), 'host')}, {format_count(devices, 'device')}"
    top = line(Span(inventory.name, Style.STRONG), Span(f"  {count}", Style.DIM), *_mark(inventory))
    return (top, *_tree(branches, ""))


def _tree(branches: Sequence[_Branch], lead: str) -> Iterable[Line]:
    for at, branch in enumerate(branches, 1):
        last = at == len(branches)
        yield line(Span(lead + ("└── " if last else "├── "), Style.DIM), *branch.spans)
        yield from _tree(branch.below, lead + ("    " if last else "│   "))


def _host_branch(host: Host) -> _Branch:
    said = ", ".join(filter(None, (host.role.value, "candidate" if host.candidate else "", _login(host))))
    devices = tuple(_Branch((Span(device.name), Span(f"  {_device(device)}", Style.DIM))) for device in host.devices)
    return _Branch((Span(host.name, Style.STRONG), Span(f"  {said}")), devices)


def _facts(facts: Iterable[tuple[str, str]], width: int) -> Iterable[Line]:
    for label, text in facts:
        if text:
            yield from wrap([text], width, first="  " + label.ljust(_LABEL))


def _fleet_facts(inventory: Inventory) -> tuple[tuple[str, str], ...]:
    current, prices = inventory.current, inventory.prices
    running = [current.po2 is not None and format_setting(current.po2)]
    running += [current.agents_per_device is not None and f"agents on each device: {current.agents_per_device}"]
    costs = [prices.gpu and f"a {device_word()} {money(prices.gpu, prices.currency)}"]
    costs += [prices.worker and f"a worker {money(prices.worker, prices.currency)}"]
    costs += [prices.replica and f"a second cluster {money(prices.replica, prices.currency)}"]
    return (
        ("runs today", ", ".join(part for part in running if part) or "not stated"),
        ("prices", ", ".join(part for part in costs if part) or "not stated"),
        *_workload_facts(inventory),
        ("time scale", f"{inventory.time_scale:g}" if inventory.time_scale != 1 else ""),
    )


def _workload_facts(inventory: Inventory) -> tuple[tuple[str, str], ...]:
    workload, command = inventory.workload, inventory.command
    if command is None:
        executor = format_hertz(workload.executor_rate)
        return (
            ("workload", f"{workload.iterations:,} iterations, executor at {executor}"),
            ("segment sizes", f"po2 {inventory.po2_range[0]} to {inventory.po2_range[1]}"),
        )
    told = "each tells its rate" if command.tells_rate else f"{format_iterations(command.items)} shared out"
    return (
        ("command", clip(shlex.join(command.words), _LONGEST)),
        ("measured in", f"{command.unit}/s: {told}, within {format_seconds(command.timeout)}"),
        ("settings", "; ".join(command.setting_names())),
    )


def _host_facts(host: Host) -> tuple[tuple[str, str], ...]:
    login = host.login
    slots, power = host.free_slots, host.spare_power
    return (
        ("group", host.group or ""),
        ("login", _login(host)),
        ("key", login.key or "SSH's own"),
        ("known hosts", login.known_hosts or ("the lab's own" if host.lab else "SSH's own")),
        ("sudo", _sudo(host)),
        ("connect within", format_seconds(login.connect_timeout)),
        ("node address", host.node_address),
        ("ports", f"{host.ports.first}-{host.ports.last}"),
        ("python", host.python),
        ("work folder", host.work_dir),
        ("bus", f"{format_bytes(host.bus)}/s" if host.bus else "not stated"),
        ("free slots", "not stated" if slots is None else str(slots)),
        ("spare power", "not stated" if power is None else f"{power:g} W"),
        ("made here", "yes, a host of a lab" if host.lab else ""),
        *((device.name, _device(device)) for device in host.devices),
        ("devices", "" if host.devices else "none"),
    )


def _login(host: Host) -> str:
    login = host.login
    address = f"[{login.address}]" if ":" in login.address else login.address
    return f"{login.user}@{address}:{login.port}" if login.user else f"{address}:{login.port}"


def _sudo(host: Host) -> str:
    command = host.login.sudo_password_command
    if command:
        return f"yes, its password from `{shlex.join(command)}`"
    return "yes" if host.login.sudo else "no"


def _device(device: Device) -> str:
    speed = f"{format_hertz(device.emulation.cycles_per_second)} declared" if device.emulation else ""
    size = format_bytes(device.memory) if device.memory else ""
    return ", ".join(filter(None, (device.model, device.kind.value, size, speed)))


def _mark(inventory: Inventory) -> tuple[Span | str, ...]:
    return (" ", Span("(emulated devices)", Style.EMULATED)) if inventory.emulated else ()
