"""A worker's entry in the inventory: beside the file as long as it is half added, completed, then written into it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from fleet.errors import HostError

if TYPE_CHECKING:
    from fleet.codec.edit import Value
    from fleet.model.expansion import Joining
    from fleet.model.inventory import Inventory

_STAND_IN: Value = {"kind": "emulated", "memory": "1GiB", "cycles_per_second": "1Hz"}
"""A device that any inventory may have, until the survey has looked which ones are there."""


def extended(path: str, *joinings: Joining) -> Inventory:
    """The inventory in the file with workers that are not in it yet, as candidates."""
    from fleet.codec import parse_inventory
    from fleet.codec.document import parse_document, read_file
    from fleet.codec.edit import with_host
    from fleet.codec.newcomer import has_devices

    text = read_file(path)
    for joining in joinings:
        if joining.entry is None:
            continue
        entry: dict[str, Value] = parse_document(f"it: {joining.entry}", path).value["it"]
        if not has_devices(text, path, entry):
            entry["devices"] = [_STAND_IN]
        text = with_host(text, path, joining.host, entry | {"candidate": True})
    return parse_inventory(text, path)


def completed(
    path: str, joining: Joining, inventory: Inventory, reached: Inventory
) -> tuple[Joining, Inventory, Inventory]:
    """The entry with what it left open: the address that others have for it, a Python made there, the host's GPUs."""
    from fleet.cli.hosts.checkups import secrets_for
    from fleet.codec.document import parse_document, read_file
    from fleet.codec.edit import flow
    from fleet.codec.newcomer import found_devices, has_devices, own_python
    from fleet.measure.clock import SystemClock
    from fleet.provision.survey import survey
    from fleet.transport.ssh import SshTransport
    from fleet.transport.userconfig import route

    if joining.entry is None:
        return joining, inventory, reached
    text, host = read_file(path), reached.host(joining.host)
    entry: dict[str, Value] = parse_document(f"it: {joining.entry}", path).value["it"]
    hop = route(host)[-1]
    if host.node_address == host.login.address != hop.address:  # the name is ssh_config's, which other hosts lack
        entry["node_address"], host = hop.address, replace(host, node_address=hop.address)
    if python := own_python(host):
        entry["python"], host = python, replace(host, python=python)
    if not has_devices(text, path, entry):
        with closing(SshTransport(*secrets_for((host,)))) as transport:
            seen = survey(transport, replace(reached, hosts=(host,)), lambda _: None, SystemClock())
        for failure in seen.failures:
            raise HostError(failure.message, host=failure.host, hint=failure.hint)
        entry["devices"] = found_devices(seen.facts[0])
    joining = replace(joining, entry=flow(entry))
    inventory = extended(path, joining)
    found = replace(host, devices=inventory.host(host.name).devices)
    others = (found if one.name == host.name else one for one in reached.hosts)
    return joining, inventory, replace(reached, hosts=tuple(others))


def keep(path: str, joining: Joining, node_address: str | None = None) -> None:
    """Write it into the inventory file: a new host's entry, or that the candidate is none any more.

    `node_address`: the address that other hosts have for it from now on, where that is another one.
    """
    from fleet.codec import parse_inventory
    from fleet.codec.document import parse_document
    from fleet.codec.edit import rewrite, with_field, with_host

    def edit(text: str) -> str:
        if joining.entry is not None:
            entry: dict[str, Value] = parse_document(f"it: {joining.entry}", path).value["it"]
            return with_host(text, path, joining.host, entry | ({"node_address": node_address} if node_address else {}))
        if node_address:
            text = with_field(text, path, joining.host, "node_address", node_address)
        edited = with_field(text, path, joining.host, "candidate", None)
        if parse_inventory(edited, path).host(joining.host).candidate:  # its group or the defaults say so
            return with_field(text, path, joining.host, "candidate", value=False)
        return edited

    rewrite(path, edit)


def again(path: str, joining: Joining) -> str:
    """The command that finishes an addition: by the new host's URL, or the candidate's name; a trial stays one."""
    who = joining.host
    if joining.entry is not None:
        address, port = place_of(joining.entry)
        who = f"ssh://{f'[{address}]' if ':' in address else address}{port and f':{port}'}"
    return f"fleet worker add {path} {who}{' --trial' if joining.trial else ''}"


def place_of(entry: str) -> tuple[str, str]:
    """Address and port of an entry."""
    from fleet.codec.document import parse_document

    value = parse_document(f"it: {entry}", "the entry").value["it"]
    return str(value["address"]), str(value.get("port", ""))
