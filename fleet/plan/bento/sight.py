"""Everything that a head told of its deployment, read: the ground on which it is shown, isolated and configured."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from fleet.model.bento import BentoSettings, Deployment, Part, RemoteAgents, Service, Stack
from fleet.model.playbook import Secret
from fleet.plan.bento.composefile import ComposeFile, generation_of, grace, stack_of
from fleet.plan.bento.containers import Container
from fleet.plan.bento.knobs import knobs, setting
from fleet.plan.bento.roles import part_of
from fleet.plan.bento.secrecy import veiled_words
from fleet.plan.bento.trees import mapping, words

_PORTS = {Part.POSTGRES: 5432, Part.REDIS: 6379, Part.API: 8081}
"""Where agents of other machines come in. MinIO's clients are those of the others."""
_DATABASE = re.compile(r"sqlite://(/[^\s'\"?]+)")
_WAITING = frozenset({"new", "pricing", "waitingtolock", "waitingforlocktoexpire", "skipped", "done", "failed"})
"""The statuses of orders that nobody waits for: not taken yet, or over. Any other is a promise that is to be kept."""
_USE = re.compile(r"([0-9]{1,10}) ([0-9a-f]{64}|-) ([A-Za-z0-9@_.-]+) ?(.{0,200})")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUse:
    """A process on a GPU, and what it is a part of: a container, a unit of systemd, or neither."""

    pid: int
    name: str
    container: str | None
    unit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A project as its file has it and as the engine runs it. `known`: its variables, in clear, never to be shown.

    `engine` and `compose`: their versions. `others`: containers of the engine that are of no service of the project.
    """

    settings: BentoSettings
    project: str
    engine: str
    compose: str
    file: ComposeFile
    known: Mapping[str, Secret]
    own: tuple[Container, ...]
    others: tuple[Container, ...]

    @property
    def stack(self) -> Stack:
        """Which stack it is, as the inventory says, else as it looks."""
        return self.settings.stack or stack_of(self.file)

    def of(self, part: Part) -> tuple[Container, ...]:
        """The project's containers of one part."""
        return tuple(one for one in self.own if self.part(one) is part)

    def part(self, one: Container) -> Part:
        """What a container is there for: its service's part, else as its own command and name say."""
        known = self.file.parts().get(one.service)
        return known or part_of(one.service or one.name, " ".join(one.command))


def project_of(settings: BentoSettings, file: ComposeFile) -> str:
    """The project's name: the inventory's, else the file's, else the folder's as Compose makes it one."""
    folder = settings.compose.rpartition("/")[0].rpartition("/")[2]
    return settings.project or file.name or re.sub(r"[^a-z0-9_-]", "", folder.lower()).lstrip("_-")


def services(sight: Sight) -> Iterator[Service]:
    """The containers of the deployment, in the order of its file, and the services that have none."""
    parts = sight.file.parts()
    for name, tree in sight.file.services.items():
        mine = [one for one in sight.own if one.service == name]
        command = veiled_words([*words(tree.get("entrypoint"), name), *words(tree.get("command"), name)])
        if not mine:
            yield Service(
                name=name, image=str(tree.get("image", "")), stop_grace=grace(tree), command=command, part=parts[name]
            )
        for one in mine:
            yield Service(
                name=name,
                image=one.image,
                container=one.id,
                digest=one.digest,
                state=one.state,
                restarts=one.restarts,
                stop_grace=one.patience,
                command=veiled_words(one.command),
                devices=one.devices,
                part=parts[name],
            )


def servers(sight: Sight) -> Iterator[tuple[int, int]]:
    """Process and port of each server that agents of other machines come to."""
    for part, usual in _PORTS.items():
        port = usual
        if part is Part.POSTGRES:
            with suppress(ValueError):
                port = int(setting(sight.file, sight.known, "POSTGRES_PORT") or usual)
        yield from ((one.pid, port) for one in sight.of(part) if one.alive and one.pid)


def remote(sight: Sight, said: str) -> tuple[RemoteAgents, ...]:
    """Who of other machines is connected, out of the tables of connections that a piece showed."""
    lines = [line.split() for line in said.splitlines()]
    here = {word for line in lines if line[:1] == ["here"] for word in line[1:]}
    for one in (*sight.own, *sight.others):
        here |= {*one.addresses, *one.gateways}
    found: Counter[str] = Counter()
    for line in lines:
        if len(line) == 2 and line[0] == "far" and (address := _address(line[1])):  # noqa: PLR2004 (a word and a value)
            found[address] += 1
    return tuple(
        RemoteAgents(address=address, clients=count)
        for address, count in sorted(found.items())
        if address not in here and not ipaddress.ip_address(address).is_loopback
    )


def _address(digits: str) -> str | None:
    """An address as the kernel writes it: hexadecimal, its words in the machine's order."""
    with suppress(ValueError):
        raw = bytes.fromhex(digits)
        parts = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
        address = ipaddress.ip_address(parts)
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return str(mapped or address)
    return None


def orders_databases(sight: Sight) -> tuple[str, ...]:
    """Where the brokers' own databases lie on the host: none where that of one of them cannot be told."""
    found = [_database(broker) for broker in sight.of(Part.BROKER) if broker.alive]
    return tuple(place for place in found if place is not None) if None not in found else ()


def _database(broker: Container) -> str | None:
    inside = _DATABASE.search(" ".join(broker.command))
    places = [place for place in broker.volumes if inside is not None and inside[1].startswith(f"{place}/")]
    if inside is None or not places:
        return None
    place = max(places, key=len)
    return broker.volumes[place] + inside[1].removeprefix(place)


def orders(said: str) -> int:
    """How many orders the broker is at, out of a line a status. ValueError for what is none."""
    counts = [line.split() for line in said.splitlines()]
    if any(len(words_) != 2 or not words_[1].isdigit() for words_ in counts):  # noqa: PLR2004 (a status and a count)
        raise ValueError("the broker's database cannot be read")
    return sum(int(count) for status, count in counts if status not in _WAITING)


def gpu_uses(said: str) -> tuple[GpuUse, ...]:
    """Who is on the GPUs."""
    found = (_USE.fullmatch(line) for line in said.splitlines())
    return tuple(
        GpuUse(
            pid=int(match[1]),
            name=match[4].strip() or "?",
            container=None if match[2] == "-" else match[2],
            unit=None if match[3] == "-" else match[3],
        )
        for match in found
        if match
    )


def agents(said: str) -> int:
    """How many agents prove, over all containers."""
    counts = (line.rpartition(" ")[2] for line in said.splitlines())
    return sum(int(count) for count in counts if count.isdigit())


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is found beside the project itself. `unread`: what could not be, and why."""

    gpus: tuple[str, ...] = ()
    agents: int = 0
    orders: int | None = None
    remote: tuple[RemoteAgents, ...] = ()
    unread: tuple[str, ...] = ()


def deployment(host: str, sight: Sight, figures: Figures) -> Deployment:
    """The deployment as it is shown, and as everything that is done there starts from."""
    return Deployment(
        host=host,
        settings=sight.settings,
        stack=sight.stack,
        generation=generation_of(sight.file),
        project=sight.project,
        compose_version=sight.compose,
        services=tuple(services(sight)),
        knobs=knobs(sight.file, sight.stack, sight.known),
        gpus=figures.gpus,
        agents=figures.agents,
        orders=figures.orders,
        remote=figures.remote,
        unread=figures.unread,
    )


def executors(sight: Sight) -> int:
    """How many executors the deployment has: those at work, else as many as its file asks for; at least one."""
    alive = sum(one.alive for one in sight.of(Part.EXECUTE))
    return alive or max(1, sum(_asked_for(sight, name) for name in sight.file.of(Part.EXECUTE)))


def _asked_for(sight: Sight, name: str) -> int:
    """How many there are to be of a service: a number, or a variable's."""
    service = sight.file.services[name]
    given = mapping(service.get("deploy"), "deploy").get("replicas", service.get("scale", 1))
    said = str(given)
    if variable := re.match(r"\$\{?(\w+)", said):
        said = setting(sight.file, sight.known, variable[1]) or ""
    return int(said) if said.isdecimal() else 1


def pick(own: Iterable[Container], parts: frozenset[Part], sight: Sight) -> tuple[Container, ...]:
    """Those of these containers that are of one of the parts and at work, the longest-running first."""
    return tuple(sorted((one for one in own if one.alive and sight.part(one) in parts), key=lambda one: one.started))
