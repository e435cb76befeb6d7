"""Fleet's inventory as an Ansible one, in YAML: what Ansible has no variable for goes along as `fleet_…` variables."""

from __future__ import annotations

import itertools
import re
import shlex
from dataclasses import asdict, replace

import yaml

from fleet.codec.foreign.value import Plain
from fleet.model.inventory import Device, Host, Inventory, Role

_HEAD = """\
# Made by `fleet inventory export --ansible` from {path}.
# `fleet inventory import` reads it back; prices, current settings, the workload, the program that
# tells sudo's password and secrets are not in it.
"""
_SSH_PORT = 22
_DEFAULTS = {"python": "python3", "work_dir": ".fleet", "ports": "20000-20299", "connect_timeout": 10.0}


def ansible_text(inventory: Inventory) -> str:
    """The inventory as Ansible reads it: hosts with their variables, `fleet_head`, `fleet_workers`, and the groups."""
    children: dict[str, Plain] = {}
    for host in inventory.hosts:
        for group in _groups(host):
            members = children.setdefault(group, {"hosts": {}})
            if isinstance(members, dict) and isinstance(names := members["hosts"], dict):
                names[host.name] = {}
    hosts: dict[str, Plain] = {host.name: _variables(host) for host in inventory.hosts}
    tree: Plain = {"all": {"vars": {"fleet_name": inventory.name}, "hosts": hosts, "children": children}}
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120)
    path = inventory.path if inventory.path.isprintable() else repr(inventory.path)
    return _HEAD.format(path=path) + str(text)


def _groups(host: Host) -> list[str]:
    role = "fleet_head" if host.role is Role.HEAD else "fleet_workers"
    groups = ["fleet_candidates" if host.candidate else role]
    if host.group:
        groups.append(re.sub(r"[^A-Za-z0-9_]", "_", host.group))
    return groups


def _variables(host: Host) -> dict[str, Plain]:
    login = host.login
    known_hosts = f"-o {shlex.quote(f'UserKnownHostsFile={login.known_hosts}')}" if login.known_hosts else None
    found: dict[str, Plain] = {
        "ansible_host": login.address,
        "ansible_port": login.port if login.port != _SSH_PORT else None,
        "ansible_user": login.user,
        "ansible_ssh_private_key_file": login.key,
        "ansible_ssh_common_args": known_hosts,
        "ansible_become": True if login.sudo else None,
        "ansible_python_interpreter": host.python if host.python.startswith("/") else None,
        "fleet_role": host.role.value,
        "fleet_group": host.group,
        "fleet_candidate": True if host.candidate else None,
        "fleet_known_hosts": login.known_hosts,
        "fleet_node_address": host.node_address if host.node_address != login.address else None,
        "fleet_devices": _devices(host.devices),
        "fleet_bus": host.bus,
        "fleet_free_slots": host.free_slots,
        "fleet_spare_power": host.spare_power,
    }
    given: dict[str, Plain] = {
        "python": host.python,
        "work_dir": host.work_dir,
        "ports": f"{host.ports.first}-{host.ports.last}",
        "connect_timeout": login.connect_timeout,
    }
    found |= {f"fleet_{name}": value for name, value in given.items() if value != _DEFAULTS[name]}
    # Where a secret is found is the operator's own affair: that stays behind.
    for variable in host.variables:
        plain = list(variable.items) if variable.items is not None else variable.text
        found.setdefault(variable.name, plain if isinstance(plain, str | None) else list[Plain](plain))
    return {name: value for name, value in found.items() if value is not None}


def _devices(devices: tuple[Device, ...]) -> Plain:
    """One entry for each run of devices that are alike."""
    alike = itertools.groupby(devices, key=lambda device: replace(device, name=""))
    return [_device(device, len(list(same))) for device, same in alike]


def _device(device: Device, count: int) -> Plain:
    found: dict[str, Plain] = {"kind": device.kind.value, "model": device.model, "memory": device.memory}
    found |= asdict(device.emulation) if device.emulation else {}
    found["count"] = count if count > 1 else None
    return {name: value for name, value in found.items() if value is not None}
