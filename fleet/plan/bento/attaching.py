"""PURE. The steps by which a host becomes a worker of a Bento head, and by which the head lets it in.

Everything in them can be undone.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from fleet.model.inventory import DeviceKind
from fleet.model.playbook import DirectoryStep, FileStep, Playbook, ScriptStep, Step
from fleet.model.stacksteps import ComposeStep, DockerStep, FirewallStep
from fleet.plan.bento.remote import Remote

COMPOSE_VARIABLE, ENV_VARIABLE = "bento_worker_compose", "bento_worker_env"
"""The playbook's variables that hold the worker's files; the second is a secret."""

HEAD_PLAYBOOK = "bento head"
"""The name under which a head's journal has what was changed there for its workers."""

_SETTLE = 3
_FILES = (
    ("the worker's compose file", "compose.yml", COMPOSE_VARIABLE),
    ("the head's settings, and where it is", "head.env", ENV_VARIABLE),
)


def folder(remote: Remote) -> str:
    """Where the worker's files lie."""
    return f"{remote.worker.work_dir}/bento-worker"


def worker_playbook(remote: Remote, services: Sequence[str]) -> Playbook:
    """What makes the host a worker."""
    sudo = remote.worker.login.sudo
    cards = any(one.kind is DeviceKind.CUDA for one in remote.worker.devices)
    steps: tuple[Step, ...] = (
        DockerStep(name="Docker runs containers", compose=True, nvidia=cards, sudo=sudo),
        ScriptStep(
            name="the agents' image is the head's",
            unless=_same_image(remote),
            run=f"docker pull -q {shlex.quote(remote.image)}",
            sudo=sudo,
        ),
        *_files(remote),
        *(
            ScriptStep(name=f"the head's port {port} is open to it", unless=_reached(remote, port))
            for port in remote.ports
        ),
        ComposeStep(
            name="Bento's agents run",
            project=remote.project,
            directory=folder(remote),
            files=("compose.yml",),
            env_file="head.env",
            services=tuple(services),
            sudo=sudo,
        ),
        ScriptStep(name="the agents stay up", unless=_up(remote), sudo=sudo),
    )
    return Playbook(name="bento worker", path="fleet worker add", steps=steps)


def _files(remote: Remote) -> Iterator[Step]:
    """The worker's folder and what is in it."""
    place, sudo = folder(remote), remote.worker.login.sudo
    yield DirectoryStep(name="the worker's folder", path=place, sudo=sudo)
    for name, file, variable in _FILES:
        yield FileStep(name=name, path=f"{place}/{file}", content=f"{{{{ vars.{variable} }}}}", sudo=sudo)


def head_playbook(ports: Sequence[str], sources: Sequence[str]) -> Playbook:
    """What lets workers in, and nobody else who was not in already. `sources`: everybody's addresses."""
    step = FirewallStep(name="Bento's ports are open to its own hosts only", sources=tuple(sources), ports=tuple(ports))
    return Playbook(name=HEAD_PLAYBOOK, path="fleet worker add", steps=(step,))


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
    barred = f"{remote.head}:{port} does not let this host in: is it published there, and open in its firewall?"
    if remote.endpoint is not None:
        udp = remote.endpoint.rpartition(":")[2]
        barred += f" The tunnel goes by {remote.endpoint}, whose UDP every firewall on the way has to let in"
        barred += f" (on the head: ufw allow {udp}/udp): it answers nobody but those whose keys it knows."
    code = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()"
    return f"""\
for python in {python} python3; do
    command -v "$python" >/dev/null 2>&1 || continue
    "$python" -c '{code}' {shlex.quote(remote.head)} {port} 2>/dev/null && exit 0
    echo {shlex.quote(barred)}
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
