"""PURE. A host that proves for a Bento head elsewhere: the head's own agents, told where the head is, nothing else.

The compose file is a copy of the head's proving service, one for each device, and its image is the very one that runs
on the head. What that names of the head's env file is given to the worker, too, letter by letter, with the head's
address in place of what only the head can reach; nothing else is: the broker's wallet stays on the head.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fleet.errors import ConfigurationError
from fleet.model.bento import Part, Stack, Tuning
from fleet.model.inventory import DeviceKind, Host
from fleet.model.trial import AgentSpec, Layout
from fleet.plan.bento.composefile import ComposeFile, environment
from fleet.plan.bento.envfile import assignments, only, references
from fleet.plan.bento.override import Wanted, copies
from fleet.plan.bento.trees import Tree, items, mapping

PORTS = {Part.POSTGRES: "5432", Part.REDIS: "6379", Part.FILES: "9000", Part.API: "8081"}
"""Where the head's services listen."""


_HOSTS = ("POSTGRES_HOST", "REDIS_HOST", "MINIO_HOST")
_API, _PASSWORD = "BENTO_API_URL", "REDIS_PASSWORD"
_NEEDED = {
    Stack.LEGACY: (Part.POSTGRES, Part.REDIS, Part.FILES),
    Stack.CURRENT: (Part.API,),
}
_UNTOLD = (Part.REDIS, Part.API)
"""What an agent of the current stack needs that nobody tells of the API: it asks Redis itself."""
_HERE = ("localhost", "127.0.0.1")
_HERE_ONLY = frozenset({"networks", "env_file", "volumes_from"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A worker to be: the host, the head's address as the worker reaches it, agents a device, the image and what it is.

    `image`: the reference that it is pulled by; `digest`: the image's id, as both engines name it. `ports`: the head's.
    `endpoint`: where the head's end of a tunnel is called, HOST:PORT; None where there is none.
    """

    worker: Host
    head: str
    agents: int
    image: str
    digest: str
    stack: Stack
    project: str
    ports: tuple[str, ...]
    endpoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvTexts:
    """The head's env files: the project's, and those of the proving agents themselves, a broker's wallet left out."""

    project: str
    agents: str

    @property
    def given(self) -> tuple[str, ...]:
        """The variables that the agents have from their own."""
        return tuple(name for name, _ in assignments(self.agents))


def ports_of(file: ComposeFile, stack: Stack, known: Mapping[str, str], database: str) -> tuple[str, ...]:
    """The head's ports that a worker needs, of the services that the project has. `database`: PostgreSQL's.

    The current stack's proving agents ask the API for everything; Redis is for those that run on the head.
    """
    needed = _UNTOLD if stack is Stack.CURRENT and not _asks_api(file, known) else _NEEDED[stack]
    ports = {**PORTS, Part.POSTGRES: database}
    return tuple(ports[part] for part in needed if file.of(part))


def _asks_api(file: ComposeFile, known: Mapping[str, str]) -> bool:
    """Whether the proving agents are told where the API is, by the file or by an env file of theirs."""
    services = [file.services[name] for name in file.of(Part.PROVE)]
    return any(_API in environment(one) or ("env_file" in one and _API in known) for one in services)


def agent_files(file: ComposeFile) -> tuple[tuple[str, bool], ...]:
    """The env files that the proving service itself names, as it names them, and whether each has to be there."""
    first = next(iter(file.of(Part.PROVE)), None)
    given = file.services[first].get("env_file") if first else None
    found: list[tuple[str, bool]] = []
    for one in [given] if isinstance(given, str) else items(given, "env_file"):
        tree = {"path": one} if isinstance(one, str) else mapping(one, "env_file")
        found.append((str(tree.get("path", "")), tree.get("required") is not False))
    return tuple(found)


def worker_tree(file: ComposeFile, remote: Remote, given: Iterable[str]) -> Tree:
    """The worker's compose file. `given`: the variables that the head's agents have from env files of their own.

    These are named, to be taken from the worker's env file. ConfigurationError where the head's has no proving service,
    or the host no device.
    """
    host = remote.worker
    if not host.devices:
        raise ConfigurationError("it has no device that could prove", host=host.name, hint="state its `devices`")
    cards = [one for one in host.devices if one.kind is not DeviceKind.CPU] or list(host.devices)
    specs = tuple(
        AgentSpec(host=host.name, device=card.name, slot=slot) for card in cards for slot in range(remote.agents)
    )
    wanted = Wanted(
        host=host,
        layout=Layout(agents=specs, po2=0),
        tuning=Tuning(prove_timeout=None, join_timeout=None, keep_jobs=False),
        executors=0,
        images=dict.fromkeys(file.services, remote.image),
    )
    made = [copy for copy in copies(file, wanted) if copy.agent is not None]
    services = {copy.name: _elsewhere(file, remote, copy.tree, given) for copy in made}
    named = sorted({name for tree in services.values() for name in _named_volumes(tree)})
    version: Tree = {"version": file.version} if file.version else {}
    volumes: Tree = {"volumes": {name: {} for name in named}} if named else {}
    return {**version, "services": services, **volumes}


def _elsewhere(file: ComposeFile, remote: Remote, tree: Tree, given: Iterable[str]) -> Tree:
    """The service without the head's networks; names of the head's services lead to the head."""
    kept = {key: value for key, value in tree.items() if key not in _HERE_ONLY}
    if str(kept.get("network_mode", "")).startswith(("service:", "container:")):
        del kept["network_mode"]
    names = [name for name, part in file.parts().items() if part in PORTS]
    try:
        ipaddress.ip_address(remote.head)
    except ValueError:
        # Names can be given to addresses only: what is told of a service is told of the head.
        toward, names = (*_HERE, *names), []
    else:
        toward = _HERE
    hosts: Tree = {"extra_hosts": [f"{name}:{remote.head}" for name in names]} if names else {}
    told = {name: value and _led(value, toward, remote.head) for name, value in environment(kept).items()}
    return {**kept, "environment": {**dict.fromkeys(given), **told}, **hosts, "restart": "always"}


def _led(value: str, toward: Sequence[str], head: str) -> str:
    """A URL of one of these hosts as the head's; anything else as it is."""
    return re.sub(rf"(?<=//|.@)({'|'.join(map(re.escape, toward))})(?=[:/]|$)", lambda _: head, value)


def _named_volumes(tree: Tree) -> Iterator[str]:
    given = tree.get("volumes")
    for volume in given if isinstance(given, list) else []:
        source = volume.get("source") if isinstance(volume, dict) else str(volume).partition(":")[0]
        if isinstance(source, str) and source and not source.startswith(("/", ".", "~", "$")):
            yield source


def worker_env(texts: EnvTexts, tree: str, file: ComposeFile, known: Mapping[str, str], remote: Remote) -> str:
    """The worker's env file: what its compose file, `tree`, names of the head's own, and the hosts. It is a secret.

    The last word on a name holds. A host of the head's settings that is no service of its project is somewhere else,
    and stays. A password that opens nothing that the worker needs is not given to it.
    """
    moved = [name for name in _HOSTS if name not in known or _only_there(known[name], file)]
    lines = [f"{name}={remote.head}" for name in moved]
    if remote.stack is Stack.CURRENT:
        lines.append(f"{_API}=http://{remote.head}:{PORTS[Part.API]}")
        if PORTS[Part.REDIS] not in remote.ports:
            lines.append(f"{_PASSWORD}=unused")
    withheld = {line.partition("=")[0] for line in lines} & {_PASSWORD}
    project = only(texts.project, (references(tree) | set(_HOSTS)) - withheld)
    stated = {name for name, _ in assignments(project)} | withheld
    agents = "".join(f"{said}\n" for name, said in assignments(texts.agents) if name not in stated)
    return project + agents + "".join(f"{line}\n" for line in lines)


def _only_there(value: str, file: ComposeFile) -> bool:
    return value in file.services or value in {*_HERE, "::1", ""}
