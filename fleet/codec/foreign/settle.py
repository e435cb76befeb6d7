"""From a foreign inventory to hosts that fit together in one of fleet's: names, one head, devices, no machine twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fleet.codec import scalars
from fleet.codec.foreign.value import Foreign, ForeignHost, Lost
from fleet.codec.forms import DeviceForm, HostForm
from fleet.codec.problems import nearest
from fleet.errors import ConfigurationError
from fleet.model.inventory import DeviceKind, Role

HEADS = frozenset({"head", "master", "manager", "controller", "control", "coordinator", "leader"})
"""What groups and hosts are called whose host runs the rest."""

_OURS = re.compile(r"fleet_(head|workers|candidates)\Z")
_DEVICES = re.compile(r"(cuda|cpu)(?:[:x*]([0-9]{1,3}))?\Z")
_LONGEST_NAME = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the operator says beyond the file: the fleet's name, its head, and what a host has that does not say."""

    name: str | None = None
    head: str | None = None
    devices: DeviceForm | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A host under the name that it gets in fleet, its group there, and what a reader should know about it."""

    name: str
    form: HostForm
    remarks: tuple[str, ...]


def parse_devices(text: str) -> DeviceForm:
    """`cuda`, `cuda:4` or `cpu:2`. ConfigurationError otherwise."""
    match = _DEVICES.match(text.strip().lower())
    if match is None or not 1 <= int(match[2] or 1) <= 256:  # noqa: PLR2004 (as many as an inventory may state)
        raise ConfigurationError(f"expected devices such as cuda:4 or cpu:2, found {text!r}")
    return DeviceForm(kind=DeviceKind(match[1]), count=int(match[2]) if match[2] else None)


def settle(foreign: Foreign, wishes: Wishes) -> tuple[tuple[Settled, ...], tuple[Lost, ...]]:
    """The hosts as they can stand in one inventory, and those that cannot. ConfigurationError for an unknown head."""
    hosts, lost = _distinct(foreign.hosts)
    names = safe_names([host.name for host in hosts])
    head, guess = _head(hosts, names, wishes.head)
    groups = safe_names(sorted({group for host in hosts for group in _groups(host)[:1]}))
    has_devices = any(host.form.devices for host in hosts if host is not head)
    settled = []
    for host in hosts:
        form = _role(host.form, is_head=host is head)
        if not form.devices and not (host is head and form.devices is not None and has_devices):
            form = replace(form, devices=None)
        form = replace(form, group=groups[mine[0]] if (mine := _groups(host)) else None)
        name = names[host.name]
        if form.address == name:
            form = replace(form, address=None)
        remarks = tuple(filter(None, (*_remarks(host, name, groups), guess if host is head else "")))
        settled.append(Settled(name=name, form=form, remarks=remarks))
    return tuple(settled), lost


def _groups(host: ForeignHost) -> list[str]:
    return [group for group in host.groups if not _OURS.match(group)]


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """A name that fleet takes for each: lower case, digits, dots and hyphens; all different."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = re.sub(r"[^a-z0-9.-]+", "-", name.lower()).lstrip(".-")[:_LONGEST_NAME] or "host"
        safe, number = base, 2
        while safe in taken:
            ending = f"-{number}"
            safe, number = base[: _LONGEST_NAME - len(ending)] + ending, number + 1
        taken.add(safe)
        found[name] = safe
    return found


def safe_fleet_name(text: str) -> str:
    """The text as the name of a fleet."""
    if not scalars.wrong(scalars.FleetName, text):
        return text
    return re.sub(r"[^A-Za-z0-9._ -]+", "-", text).lstrip("._ -")[:_LONGEST_NAME] or "fleet"


def _distinct(hosts: Sequence[ForeignHost]) -> tuple[list[ForeignHost], tuple[Lost, ...]]:
    """Each machine once: fleet tells hosts apart by their address and port, and Ray by their address alone."""
    kept: list[ForeignHost] = []
    lost: list[Lost] = []
    keys: tuple[Callable[[HostForm, str], str], ...] = (
        lambda form, name: f"{form.address or name} port {form.port or 22}",
        lambda form, name: form.node_address or form.address or name,
    )
    seen: tuple[dict[str, str], ...] = tuple({} for _ in keys)
    names: set[str] = set()
    for host in hosts:
        mine = [key(host.form, host.name) for key in keys]
        twin = next((known[value] for known, value in zip(seen, mine, strict=True) if value in known), None)
        if twin or host.name in names:
            why = f"left out: it is the same machine as {twin}" if twin else "left out: its name comes twice"
            lost.append(Lost(where=host.where, what=host.name, why=why))
            continue
        for known, value in zip(seen, mine, strict=True):
            known[value] = host.name
        names.add(host.name)
        kept.append(host)
    return kept, tuple(lost)


def _head(hosts: Sequence[ForeignHost], names: Mapping[str, str], wish: str | None) -> tuple[ForeignHost, str]:
    """The head, and a remark where it is a guess."""
    if wish is not None:
        for host in hosts:
            if wish in {host.name, names[host.name]}:
                return host, ""
        raise ConfigurationError(f"there is no host {wish!r} to be the head{nearest(wish, names)}")
    for host in hosts:
        if host.form.role is Role.HEAD:
            return host, ""
    for host in hosts:
        if HEADS & {name.lower() for name in (host.name, *host.groups)}:
            return host, "check: taken as the head for its name or group"
    return hosts[0], "" if len(hosts) == 1 else "check: taken as the head because it comes first"


def _role(form: HostForm, *, is_head: bool) -> HostForm:
    if is_head:
        return replace(form, role=Role.HEAD, candidate=None)
    return replace(form, role=None)


def _remarks(host: ForeignHost, name: str, groups: Mapping[str, str]) -> tuple[str, ...]:
    mine = _groups(host)
    renamed = f"was {host.name}" if host.name != name else ""
    regrouped = f"group was {mine[0]}" if mine and groups[mine[0]] != mine[0] else ""
    more = [group for group in mine[1:] if groups[mine[0]] not in safe_names([group]).values()]
    others = f"also in {', '.join(more)}" if more else ""
    return renamed, regrouped, others, host.remark
