"""Ray's cluster YAML with `provider: local`, and SkyPilot's `ssh_node_pools.yaml`: hosts in lists."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.codec.foreign.fields import SECRET, read_fields
from fleet.codec.foreign.typed import Typed, read_typed
from fleet.codec.foreign.value import MAX_HOSTS, Foreign, ForeignGroup, ForeignHost, Format, Lost, Plain, Source
from fleet.codec.problems import Path, clip, show_path
from fleet.errors import ConfigurationError

_RAY_SILENT = frozenset({"cluster_name", "provider", "auth", "max_workers", "upscaling_speed", "idle_timeout_minutes"})
_RAY_AUTH = {"ssh_user": "user", "ssh_private_key": "key"}
_POOL = {"user": "user", "identity_file": "key"}


def read_ray(main: Source) -> Foreign:
    """The head and the workers of a Ray cluster on given machines. ConfigurationError with file and line."""
    typed = read_typed(main.text, main.path)
    top = _mapping(typed, typed.value, ())
    provider = _mapping(typed, top.get("provider"), ("provider",))
    kind = provider.get("type")
    if kind != "local" or "coordinator_address" in provider:
        seen = "a coordinator" if kind == "local" else f"`type: {clip(str(kind))}`"
        text = f"provider: {seen} makes hosts when it is asked; only `type: local` names them"
        raise ConfigurationError(f"{typed.where(('provider', 'type'))}: {text}")
    auth = _mapping(typed, top.get("auth") or {}, ("auth",))
    below = _renamed(auth, _RAY_AUTH)
    addresses: list[tuple[Path, Plain]] = [(("provider", "head_ip"), provider.get("head_ip"))]
    workers = provider.get("worker_ips") or []
    if not isinstance(workers, list):
        raise _error(typed, ("provider", "worker_ips"), "expected a list of addresses")
    addresses += [(("provider", "worker_ips", at), address) for at, address in enumerate(workers)]
    lost = [*typed.lost, *_ray_lost(typed, top, auth)]
    hosts: list[ForeignHost] = []
    for path, address in addresses:
        role = "head" if path[1] == "head_ip" else "worker"
        raw = {**below, "address": address, "role": role}
        hosts += _one(typed, path, role if role == "head" else f"worker-{path[-1]}", raw, lost)
    name = top.get("cluster_name")
    return _made(typed, Format.RAY, name if isinstance(name, str) else "ray", hosts, (), lost)


def _ray_lost(typed: Typed, top: dict[str, Plain], auth: dict[str, Plain]) -> Iterator[Lost]:
    for name in sorted(set(top) - _RAY_SILENT):
        if top[name]:
            yield Lost(where=typed.where((name,)), what=name, why="fleet's inventory has no field for it")
    for name in sorted(set(auth) - set(_RAY_AUTH)):
        yield Lost(where=typed.where(("auth", name)), what=f"auth.{name}", why="put it into ~/.ssh/config")


def read_skypilot(main: Source) -> Foreign:
    """The hosts of SSH node pools, a group a pool; the first host of the first pool heads. ConfigurationError."""
    typed = read_typed(main.text, main.path)
    pools = _mapping(typed, typed.value, ())
    lost = list(typed.lost)
    hosts: list[ForeignHost] = []
    groups = []
    for pool, value in pools.items():
        before = len(hosts)
        hosts += _pool(typed, pool, _mapping(typed, value, (pool,)), lost)
        groups.append(ForeignGroup(name=pool, hosts=tuple(host.name for host in hosts[before:])))
    names = list(pools)
    return _made(typed, Format.SKYPILOT, names[0] if names else "pools", hosts, tuple(groups), lost)


def _pool(typed: Typed, pool: str, value: dict[str, Plain], lost: list[Lost]) -> Iterator[ForeignHost]:
    lost.extend(_pool_lost(typed, (pool,), value, {"hosts", *_POOL}))
    entries = value.get("hosts")
    if not isinstance(entries, list):
        raise _error(typed, (pool, "hosts"), "expected a list of hosts")
    for at, entry in enumerate(entries):
        path: Path = (pool, "hosts", at)
        own: dict[str, Plain] = entry if isinstance(entry, dict) else {"ip": entry}
        lost.extend(_pool_lost(typed, path, own, {"ip", *_POOL}))
        address = own.get("ip")
        raw = {**_renamed(value, _POOL), **_renamed(own, _POOL), "address": address}
        for host in _one(typed, path, str(address), raw, lost):
            yield ForeignHost(name=host.name, where=host.where, form=host.form, groups=(pool,))


def _pool_lost(typed: Typed, path: Path, value: dict[str, Plain], known: set[str]) -> Iterator[Lost]:
    for name in sorted(set(value) - known):
        why = "a secret is never copied" if SECRET.search(name) else "fleet's inventory has no field for it"
        yield Lost(where=typed.where((*path, name)), what=show_path((*path, name)), why=why)


def _one(typed: Typed, path: Path, name: str, raw: dict[str, Plain], lost: list[Lost]) -> list[ForeignHost]:
    """The host, or nothing where it has no address."""
    form, unfit = read_fields(raw, typed.where(path))
    lost.extend(unfit)
    if form.address is None:
        lost.append(Lost(where=typed.where(path), what=show_path(path), why="left out: its address is not known"))
        return []
    return [ForeignHost(name=name, where=typed.where(path), form=form)]


def _made(
    typed: Typed,
    kind: Format,
    name: str,
    hosts: list[ForeignHost],
    groups: tuple[ForeignGroup, ...],
    lost: list[Lost],
) -> Foreign:
    if len(hosts) > MAX_HOSTS:
        raise ConfigurationError(f"{typed.path}: more than {MAX_HOSTS:,} hosts")
    return Foreign(format=kind, path=typed.path, name=name, hosts=tuple(hosts), groups=groups, lost=tuple(lost))


def _renamed(value: dict[str, Plain], names: dict[str, str]) -> dict[str, Plain]:
    return {names[name]: item for name, item in value.items() if name in names and item is not None}


def _mapping(typed: Typed, value: Plain, path: Path) -> dict[str, Plain]:
    if not isinstance(value, dict):
        raise _error(typed, path, "expected a mapping")
    return value


def _error(typed: Typed, path: Path, text: str) -> ConfigurationError:
    shown = f"{show_path(path)}: " if path else ""
    return ConfigurationError(f"{typed.where(path)}: {shown}{text}")
