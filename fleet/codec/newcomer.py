"""A worker that an operator wants to add, as it is named on the command line or in a file of many.

A line of such a file is a command line: `ssh://ubuntu@10.0.0.7:2222 --name far-7 --cost 1.20/hour --device cuda:2`. A
YAML file is a list of mappings with the same names: `- {host: ssh://10.0.0.7, name: far-7}`.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from fleet.codec import scalars
from fleet.codec.document import parse_document, read_as, read_file
from fleet.codec.edit import Value
from fleet.codec.forms import InventoryForm
from fleet.codec.problems import clip, nearest
from fleet.errors import ConfigurationError
from fleet.model.facts import Facts
from fleet.model.inventory import DeviceKind, Host, Inventory

MAX_NEWCOMERS = 512
_URL = re.compile(
    r"ssh://(?:(?P<user>[^@/\s]*)@)?(?:\[(?P<v6>[^\]\s]*)\]|(?P<host>[^:@/\s\[\]]*))(?::(?P<port>[^/\s]*))?/?\Z"
)
_FORM = "expected ssh://[user@]host[:port], with an IPv6 address in brackets: ssh://root@[::1]:2222"
_DEVICE = re.compile(r"([a-z0-9][a-z0-9.-]{0,62})(?::([0-9]{1,3}))?\Z")
_GPU = re.compile(r"(.+?),\s*([0-9]+) MiB\Z")
_SSH_PORT = 22
_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
_PLAIN_PYTHON = "python3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """What was asked for. `host`: `ssh://…`, or the name of a candidate of the inventory; None = left open."""

    host: str
    name: scalars.Name | None = None
    group: scalars.Name | None = None
    cost: str | None = None
    device: tuple[str, ...] = ()
    python: scalars.Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a host is reached."""

    address: str
    port: int
    user: str | None


def load_newcomers(path: str) -> tuple[Newcomer, ...]:
    """The workers in a file. ConfigurationError with its line for what cannot be read."""
    text = read_file(path)
    if path.endswith((".yaml", ".yml")):
        found = tuple(read_as(tuple[Newcomer, ...], parse_document(text, path)))
    else:
        found = tuple(_of_lines(text, path))
    if not 1 <= len(found) <= MAX_NEWCOMERS:
        raise ConfigurationError(f"{path}: expected 1 to {MAX_NEWCOMERS} workers, found {len(found)}")
    return found


def _of_lines(text: str, path: str) -> Iterator[Newcomer]:
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words = shlex.split(line, comments=True)
            if words:
                yield _of_words(words)
        except (ValueError, ConfigurationError) as error:
            why = error.message if isinstance(error, ConfigurationError) else str(error)
            raise ConfigurationError(f"{path}:{number}: {why}") from None


def _of_words(words: Sequence[str]) -> Newcomer:
    known = [field.name for field in fields(Newcomer) if field.name != "host"]
    newcomer, rest = Newcomer(host=words[0]), list(words[1:])
    while rest:
        option, name = rest[0], rest[0].removeprefix("--")
        if option == name or name not in known:
            options = (f"--{one}" for one in known)
            near = nearest(option, options) or "; expected an option"
            raise ConfigurationError(f"{clip(option)}: unknown{near}")
        if len(rest) == 1:
            raise ConfigurationError(f"{option}: expected a value behind it")
        value: Any = (*newcomer.device, rest[1]) if name == "device" else rest[1]
        newcomer, rest = replace(newcomer, **{name: value}), rest[2:]
    return newcomer


def parse_url(text: str) -> Address:
    """`ssh://ubuntu@10.0.0.7:2222`. ConfigurationError for what is none, part by part."""
    match = _URL.match(text)
    if match is None or not (match["v6"] or match["host"]):
        raise ConfigurationError(f"{clip(text, 80)!r}: {_FORM}")
    address = match["v6"] if match["v6"] is not None else match["host"]
    if match["v6"] is not None and ":" not in address:
        raise ConfigurationError(f"{clip(text, 80)!r}: {clip(address)!r} in brackets is no IPv6 address")
    parts = ((scalars.Address, address), (scalars.User, match["user"]), (scalars.Port, match["port"]))
    for kind, part in parts:
        if part is not None and (wrong := scalars.wrong(kind, part)):
            raise ConfigurationError(f"{clip(text, 80)!r}: {wrong}, found {clip(part)!r}")
    return Address(address=address, port=int(match["port"] or _SSH_PORT), user=match["user"])


def known_host(inventory: Inventory, newcomer: Newcomer) -> Host | None:
    """The inventory's host that is meant, by its name or by address and port; None = it is a new one.

    ConfigurationError where a name is neither a host's nor a URL, or belongs to a host that is elsewhere.
    """
    by_name = {host.name: host for host in inventory.hosts}
    if not newcomer.host.startswith("ssh://"):
        if newcomer.host in by_name:
            return by_name[newcomer.host]
        near = nearest(newcomer.host, by_name)
        raise ConfigurationError(f"{clip(newcomer.host)!r} is no host of {inventory.path}{near}", hint=_FORM)
    wanted = parse_url(newcomer.host)
    found = next((h for h in inventory.hosts if _same(h, wanted)), None)
    taken = by_name.get(newcomer.name or "")
    if taken and taken is not found:
        place = f"{taken.login.address} port {taken.login.port}"
        raise ConfigurationError(f"--name {taken.name}: a host of that name is at {place} already")
    return found


def _same(host: Host, wanted: Address) -> bool:
    return (host.login.address.lower(), host.login.port) == (wanted.address.lower(), wanted.port)


def name_of(newcomer: Newcomer, taken: Sequence[str]) -> str:
    """The name it gets: the one asked for, else one made of its address. ConfigurationError where that is none."""
    name = newcomer.name or _name_from(parse_url(newcomer.host), taken)
    if wrong := scalars.wrong(scalars.Name, name):
        raise ConfigurationError(f"--name {clip(name)}: {wrong}")
    return name


def _name_from(wanted: Address, taken: Sequence[str]) -> str:
    try:
        ipaddress.ip_address(wanted.address)
        plain = "worker-" + wanted.address
    except ValueError:
        plain = wanted.address.partition(".")[0]
    plain = re.sub(r"[^a-z0-9.]+", "-", plain.lower()).strip("-.")[:56] or "worker"
    numbered = (f"{plain}-{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (plain, *numbered) if name not in taken)


def entry_of(newcomer: Newcomer, kinds: Sequence[str], *, lab: bool) -> dict[str, Value]:
    """The fields that the host gets in the inventory. `kinds`: its named devices; `lab`: its hosts are a lab's.

    ConfigurationError for a cost or a device that cannot be.
    """
    wanted = parse_url(newcomer.host)
    entry: dict[str, Value] = {"address": wanted.address}
    if wanted.port != _SSH_PORT or lab:
        entry["port"] = wanted.port
    if wanted.user:
        entry["user"] = wanted.user
    if lab and not _on_this_machine(wanted.address):
        entry["lab"] = False
    if newcomer.group:
        entry["group"] = newcomer.group
    if newcomer.python:
        entry["python"] = newcomer.python
    if newcomer.cost:
        if wrong := scalars.wrong(scalars.Cost, newcomer.cost):
            raise ConfigurationError(f"--cost {clip(newcomer.cost)}: {wrong}")
        entry["cost"] = newcomer.cost
    if newcomer.device:
        entry["devices"] = [_device(text, kinds) for text in newcomer.device]
    return entry


def _on_this_machine(address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in _LOOPBACK
    except ValueError:
        return False


def _device(text: str, kinds: Sequence[str]) -> Value:
    match = _DEVICE.match(text)
    plain = [kind.value for kind in DeviceKind if kind is not DeviceKind.EMULATED]
    if match is None or (match[1] not in plain and match[1] not in kinds):
        near = nearest(text.partition(":")[0], [*plain, *kinds])
        known = ", ".join([*plain, *kinds])
        raise ConfigurationError(f"--device {clip(text)}: unknown{near}; known are {known}, with a count as in cpu:4")
    if match[1] in kinds:
        return {"type": match[1], "count": int(match[2])} if match[2] else match[1]
    return {"kind": match[1], "count": int(match[2] or 1)}


def found_devices(facts: Facts) -> list[Value]:
    """A host's GPUs as the survey found them. ConfigurationError where it has none."""
    counts: dict[tuple[str, str], int] = {}
    for line in facts.gpus:
        if match := _GPU.match(line):
            key = (match[1], f"{match[2]}MiB")
            counts[key] = counts.get(key, 0) + 1
    if not counts:
        raise ConfigurationError(
            "no device was found: nvidia-smi lists no GPU there",
            host=facts.host,
            hint="install the driver, or say what proves there: --device cpu:4",
        )
    return [
        {"kind": "cuda", "model": model, "memory": memory, "count": count} for (model, memory), count in counts.items()
    ]


def own_python(host: Host) -> str | None:
    """What `python` a new host's entry should state: one that fleet makes there, unless the inventory has a say."""
    return f"{host.work_dir}/venv/bin/python" if host.python == _PLAIN_PYTHON and not host.lab else None


def has_devices(text: str, path: str, entry: Mapping[str, Value]) -> bool:
    """Whether a new host's entry states devices, or would have some from its group or the defaults."""
    if "devices" in entry:
        return True
    form = read_as(InventoryForm, parse_document(text, path))
    group = form.groups.get(str(entry.get("group") or form.defaults.group))
    return bool(form.defaults.devices or (group and group.devices))


def is_lab(text: str, path: str) -> bool:
    """Whether the hosts of an inventory's text are those of a lab."""
    return read_as(InventoryForm, parse_document(text, path)).lab is not None


def device_kinds(text: str, path: str) -> tuple[str, ...]:
    """The names under `devices` of an inventory's text."""
    return tuple(read_as(InventoryForm, parse_document(text, path)).devices)
