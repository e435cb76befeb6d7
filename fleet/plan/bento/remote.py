"""PURE. A host that proves for a Bento head elsewhere: the head's own agents, told where the head is, nothing else.

The compose file is a copy of the head's proving service, one for each device, and its image is the very one that runs
on the head. The head's env file holds there, too, with the head's address in place of what only the head can reach.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fleet.errors import ConfigurationError
from fleet.model.bento import Part, Stack, Tuning
from fleet.model.inventory import DeviceKind, Host
from fleet.model.playbook import DirectoryStep, FileStep, Playbook, ScriptStep, Step
from fleet.model.stacksteps import ComposeStep, DockerStep, FirewallStep
from fleet.model.trial import AgentSpec, Layout
from fleet.plan.bento.composefile import ComposeFile
from fleet.plan.bento.override import Wanted, copies
from fleet.plan.bento.trees import Tree

PORTS = {
    Stack.LEGACY: ((Part.POSTGRES, "5432"), (Part.REDIS, "6379"), (Part.FILES, "9000")),
    Stack.CURRENT: ((Part.REDIS, "6379"), (Part.API, "8081")),
}
"""What an agent elsewhere asks of the head."""

COMPOSE_VARIABLE, ENV_VARIABLE = "bento_worker_compose", "bento_worker_env"
"""The playbook's variables that hold the two files; the second is a secret."""

_HOSTS = ("POSTGRES_HOST", "REDIS_HOST", "MINIO_HOST")
_NAMES = frozenset({Part.POSTGRES, Part.REDIS, Part.FILES, Part.API})
_HERE_ONLY = frozenset({"networks", "env_file", "volumes_from"})
_SETTLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A worker to be: the host, the head's address as the worker reaches it, agents a device, the image and what it is.

    `image`: the reference that it is pulled by; `digest`: the image's id, as both engines name it. `ports`: the head's.
    """

    worker: Host
    head: str
    agents: int
    image: str
    digest: str
    stack: Stack
    project: str
    ports: tuple[str, ...]


def ports_of(file: ComposeFile, stack: Stack, database: str) -> tuple[str, ...]:
    """The head's ports that a worker needs, of the services that the project has. `database`: PostgreSQL's."""
    found = tuple(port for part, port in PORTS[stack] if file.of(part))
    return tuple(database if port == "5432" else port for port in found)


def folder(remote: Remote) -> str:
    """Where the worker's files lie."""
    return f"{remote.worker.work_dir}/bento-worker"


def worker_tree(file: ComposeFile, remote: Remote) -> Tree:
    """The worker's compose file. ConfigurationError where the head's has no proving service, or the host no device."""
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
    services = {copy.name: _elsewhere(file, remote, copy.tree) for copy in made}
    named = sorted({name for tree in services.values() for name in _named_volumes(tree)})
    version: Tree = {"version": file.version} if file.version else {}
    volumes: Tree = {"volumes": {name: {} for name in named}} if named else {}
    return {**version, "services": services, **volumes}


def _elsewhere(file: ComposeFile, remote: Remote, tree: Tree) -> Tree:
    """The service without the head's networks; names of the head's services lead to the head."""
    kept = {key: value for key, value in tree.items() if key not in _HERE_ONLY}
    if str(kept.get("network_mode", "")).startswith(("service:", "container:")):
        del kept["network_mode"]
    parts = file.parts()
    names = [name for name, part in parts.items() if part in _NAMES]
    try:
        ipaddress.ip_address(remote.head)
    except ValueError:
        # Names can be given to addresses only; the env file's hosts still lead there.
        names = []
    hosts: Tree = {"extra_hosts": [f"{name}:{remote.head}" for name in names]} if names else {}
    return {**kept, **hosts, "restart": "always"}


def _named_volumes(tree: Tree) -> Iterator[str]:
    given = tree.get("volumes")
    for volume in given if isinstance(given, list) else []:
        source = volume.get("source") if isinstance(volume, dict) else str(volume).partition(":")[0]
        if isinstance(source, str) and source and not source.startswith(("/", ".", "~", "$")):
            yield source


def worker_env(own: str, file: ComposeFile, known: Mapping[str, str], remote: Remote) -> str:
    """The worker's env file: the head's own text, and after it the hosts, as the last word on a name holds.

    A host of the head's settings that is no service of its project is somewhere else, and stays. It is a secret.
    """
    moved = [name for name in _HOSTS if name not in known or _only_there(known[name], file)]
    lines = [f"{name}={remote.head}" for name in moved]
    if remote.stack is Stack.CURRENT:
        lines.append(f"BENTO_API_URL=http://{remote.head}:8081")
    text = own if own.endswith("\n") or not own else f"{own}\n"
    return text + "\n".join(lines) + "\n"


def _only_there(value: str, file: ComposeFile) -> bool:
    return value in file.services or value in {"localhost", "127.0.0.1", "::1", ""}


def worker_playbook(remote: Remote, services: Sequence[str]) -> Playbook:
    """What makes the host a worker; everything in it can be undone."""
    place, sudo = folder(remote), remote.worker.login.sudo
    cards = any(one.kind is DeviceKind.CUDA for one in remote.worker.devices)
    steps: tuple[Step, ...] = (
        DockerStep(name="Docker runs containers", compose=True, nvidia=cards, sudo=sudo),
        ScriptStep(
            name="the agents' image is the head's",
            unless=_same_image(remote),
            run=f"docker pull -q {shlex.quote(remote.image)}",
            sudo=sudo,
        ),
        DirectoryStep(name="the worker's folder", path=place, sudo=sudo),
        FileStep(
            name="the worker's compose file",
            path=f"{place}/compose.yml",
            content=f"{{{{ vars.{COMPOSE_VARIABLE} }}}}",
            sudo=sudo,
        ),
        FileStep(
            name="the head's settings, and where it is",
            path=f"{place}/head.env",
            content=f"{{{{ vars.{ENV_VARIABLE} }}}}",
            sudo=sudo,
        ),
        *(
            ScriptStep(name=f"the head's port {port} is open to it", unless=_reached(remote, port))
            for port in remote.ports
        ),
        ComposeStep(
            name="Bento's agents run",
            project=remote.project,
            directory=place,
            files=("compose.yml",),
            env_file="head.env",
            services=tuple(services),
            sudo=sudo,
        ),
        ScriptStep(name="the agents stay up", unless=_up(remote), sudo=sudo),
    )
    return Playbook(name="bento worker", path="fleet worker add", steps=steps)


def head_playbook(remote: Remote, sources: Sequence[str]) -> Playbook:
    """What lets the worker in, and nobody else who was not in already. `sources`: everybody's addresses."""
    step = FirewallStep(name="Bento's ports are open to its own hosts only", sources=tuple(sources), ports=remote.ports)
    return Playbook(name="bento head", path="fleet worker add", steps=(step,))


def _same_image(remote: Remote) -> str:
    image, digest = shlex.quote(remote.image), shlex.quote(remote.digest)
    return f"""\
said=$(docker image inspect {image} 2>/dev/null | sed -n 's/^ *"Id": "\\(.*\\)",$/\\1/p')
[ "$said" = {digest} ] && exit 0
echo "the head runs {remote.digest} as {remote.image}; here it is ${{said:-not there}}"
echo "where no registry has it: docker save it on the head, docker load it here"
exit 1
"""


def _reached(remote: Remote, port: str) -> str:
    """A connection by whatever the host has that can make one."""
    python = shlex.quote(remote.worker.python)
    code = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()"
    return f"""\
for python in {python} python3; do
    command -v "$python" >/dev/null 2>&1 || continue
    "$python" -c '{code}' {shlex.quote(remote.head)} {port} 2>/dev/null && exit 0
    echo "{remote.head}:{port} does not let this host in: is it published there, and open in its firewall?"
    exit 1
done
exit 0
"""


def _up(remote: Remote) -> str:
    label = shlex.quote(f"label=com.docker.compose.project={remote.project}")
    return f"""\
sleep {_SETTLE}
all=$(docker ps -aq --filter {label} | sort)
running=$(docker ps -q --filter {label} --filter status=running | sort)
[ -n "$all" ] && [ "$all" = "$running" ] && exit 0
for one in $all; do docker logs --tail 3 "$one" 2>&1 | cut -c 1-300; done
exit 1
"""
