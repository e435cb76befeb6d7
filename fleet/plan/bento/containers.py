"""Containers as the engine tells of them: what is asked of it, and how its lines are read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet.model.bento import ALIVE
from fleet.plan.bento.composefile import GRACE
from fleet.plan.bento.trees import Tree, items, mapping, parsed, text, whole, words
from fleet.plan.shell.quoting import tame

_LABEL = "com.docker.compose"
_ID = re.compile(r"[0-9a-f]{64}")
_FIELDS = (
    ("id", "json .Id"),
    ("name", "json .Name"),
    ("image", "json .Config.Image"),
    ("digest", "json .Image"),
    ("state", "json .State.Status"),
    ("pid", "json .State.Pid"),
    ("started", "json .State.StartedAt"),
    ("restarts", "json .RestartCount"),
    ("grace", 'with index .Config "StopTimeout"}}{{json .}}{{else}}null{{end'),
    ("entrypoint", "json .Config.Entrypoint"),
    ("command", "json .Config.Cmd"),
    ("requests", "json .HostConfig.DeviceRequests"),
    ("networks", "json .NetworkSettings.Networks"),
    ("mounts", "json .Mounts"),
    *((label, f'json (index .Config.Labels "{_LABEL}.{label}")') for label in ("project", "service", "config-hash")),
)
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
# `index` where a field may be missing: the engine leaves StopTimeout out where nobody set it.
# No other variable leaves the host: they hold passwords.
_DEVICES = '{{range .Config.Env}}{{$pair := split . "="}}{{$name := index $pair 0}}' + "".join(
    f'{{{{if eq $name "{name}"}}}}{{{{$pair}}}} {{{{end}}}}' for name in _VISIBLE
)

FORMAT = (
    "{" + ",".join(f'"{name}":{{{{{field}}}}}' for name, field in _FIELDS) + f',"visible":"{_DEVICES}{{{{end}}}}"' + "}"
)
"""What `docker inspect --format` is given: one line of JSON a container, without its environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container. `grace`: None = the engine's default; `pid`: 0 where it does not run. `started` sorts by time.

    `addresses`: its own; `gateways`: those of its networks, behind which the engine hides who comes from elsewhere.
    """

    id: str
    name: str
    service: str
    project: str
    image: str
    digest: str
    state: str
    pid: int
    started: str
    restarts: int
    grace: float | None
    command: tuple[str, ...]
    devices: tuple[str, ...]
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    volumes: Mapping[str, str]
    hash: str

    @property
    def alive(self) -> bool:
        """Whether it is at work, or will be."""
        return self.state in ALIVE

    @property
    def patience(self) -> float:
        """Seconds that it gets to end by itself."""
        return GRACE if self.grace is None else self.grace


def containers(lines: str) -> tuple[Container, ...]:
    """The containers that `docker inspect --format FORMAT` told of. ValueError for a line that is none."""
    return tuple(_container(mapping(parsed(line, "a container"), "a container")) for line in lines.splitlines() if line)


def _container(told: Tree) -> Container:
    networks = mapping(told.get("networks"), "networks")
    ends = [mapping(end, "a network") for end in networks.values()]
    if not _ID.fullmatch(text(told.get("id"), "id")):
        raise ValueError("id: expected 64 hexadecimal digits")
    return Container(
        id=text(told.get("id"), "id"),
        name=_plain(told, "name").lstrip("/"),
        service=_plain(told, "service"),
        project=_plain(told, "project"),
        image=_plain(told, "image"),
        digest=_plain(told, "digest"),
        state=_plain(told, "state"),
        pid=whole(told.get("pid"), "pid"),
        started=_plain(told, "started"),
        restarts=whole(told.get("restarts"), "restarts"),
        grace=None if told.get("grace") is None else float(whole(told.get("grace"), "grace")),
        command=(*words(told.get("entrypoint"), "entrypoint"), *words(told.get("command"), "command")),
        devices=tuple(_devices(told)),
        addresses=tuple(found for end in ends if (found := text(end.get("IPAddress"), "an address"))),
        gateways=tuple(found for end in ends if (found := text(end.get("Gateway"), "a gateway"))),
        volumes=dict(_volumes(told)),
        hash=_plain(told, "config-hash"),
    )


def _plain(told: Tree, field: str) -> str:
    return tame(text(told.get(field), field), 300)


def _devices(told: Tree) -> Iterator[str]:
    """The devices that it was given: by their ids, or by a variable; `all` where it was given all."""
    for request in items(told.get("requests"), "requests"):
        given = mapping(request, "a request")
        ids = items(given.get("DeviceIDs"), "DeviceIDs")
        yield from (tame(text(one, "a device"), 80) for one in ids)
        if not ids and whole(given.get("Count"), "Count") != 0:
            yield "all"
    for pair in re.findall(r"\[([^\]]*)\]", text(told.get("visible"), "visible")):
        _, _, named = pair.partition(" ")
        yield from (tame(one, 80) for one in re.split(r"[ ,]+", named) if one)


def _volumes(told: Tree) -> Iterator[tuple[str, str]]:
    """Where what is mounted in it lies on the host, by its place in the container."""
    for one in items(told.get("mounts"), "mounts"):
        mount = mapping(one, "a mount")
        yield text(mount.get("Destination"), "Destination").rstrip("/"), text(mount.get("Source"), "Source")
