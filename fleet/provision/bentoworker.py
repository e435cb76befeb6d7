"""A worker for a Bento cluster, attached: the head asked what it runs, the host given the same, the way between opened.

Every change is in the hosts' journals under the addition's run, so that what rolls back any addition rolls back this.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from fleet.codec.composeyaml import write_compose
from fleet.errors import CommandError, ConfigurationError
from fleet.model.bento import BentoSettings, Part
from fleet.model.inventory import Host, Inventory, Role, Variable
from fleet.model.playbook import Command, StepReport
from fleet.plan.bento.attaching import (
    COMPOSE_VARIABLE,
    ENV_VARIABLE,
    HEAD_PLAYBOOK,
    head_playbook,
    worker_playbook,
)
from fleet.plan.bento.envfile import without_wallet
from fleet.plan.bento.knobs import setting
from fleet.plan.bento.remote import EnvTexts, Remote, agent_files, ports_of, worker_env, worker_tree
from fleet.plan.bento.sight import Sight
from fleet.plan.bento.tunnel import Call
from fleet.ports import Observer, Transport
from fleet.provision.apply import Terms, apply
from fleet.provision.bentotunnel import done, laid, taken_from
from fleet.provision.journal import Journal
from fleet.provision.restore import Wanted, rounds
from fleet.provision.worker import put_back
from fleet.workload.bento.discover import discover, seen

PROJECT = "fleet-bento-worker"
_SECONDS = 30.0
_MOST = 16 * 2**10
_NO_FILE = 44
"""The status of a reading of an env file that is not there."""


def remote_of(sight: Sight, inventory: Inventory, worker: Host) -> Remote:
    """The worker as the head's own agents are. ConfigurationError where no agent runs that it could be like."""
    proving = [one for one in sight.of(Part.PROVE) if one.alive and one.image and one.digest]
    kinds = sorted({(one.image, one.digest) for one in proving})
    if len(kinds) != 1:
        seen_ = "none runs" if not kinds else f"{len(kinds)} versions run: {', '.join(image for image, _ in kinds)}"
        raise ConfigurationError(
            f"which version of the agents? On the head {seen_}",
            host=inventory.head.name,
            hint="bring the cluster up with one version",
        )
    (image, digest) = kinds[0]
    return Remote(
        worker=worker,
        head=inventory.head.node_address,
        agents=inventory.current.agents_per_device or 1,
        image=image,
        digest=digest,
        stack=sight.stack,
        project=PROJECT,
        ports=_ports(sight),
    )


def _ports(sight: Sight) -> tuple[str, ...]:
    """The head's ports that its workers need."""
    known = {name: secret.value for name, secret in sight.known.items()}
    database = setting(sight.file, sight.known, "POSTGRES_PORT") or "5432"
    return ports_of(sight.file, sight.stack, known, database)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """A worker to be attached to the head of an inventory; `call`: by a tunnel of the cluster's own, where one is."""

    inventory: Inventory
    settings: BentoSettings
    worker: Host
    call: Call | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A worker as it is attached: with the address that the head has for it."""

    remote: Remote
    worker: Host
    reports: tuple[StepReport, ...]


def attach(transport: Transport, addition: Addition, observer: Observer, terms: Terms) -> Attached:
    """Have the worker's agents work for the head. ProvisionError, with what was changed still in place to be undone."""
    head, worker = addition.inventory.head, addition.worker
    sight = seen(transport, head, addition.settings)
    remote = remote_of(sight, addition.inventory, worker)
    reports: tuple[StepReport, ...] = ()
    if addition.call is not None:
        own, far, reports = laid(transport, head, worker, addition.call, observer, terms)
        worker = replace(worker, node_address=far)
        remote = replace(remote, worker=worker, head=own, endpoint=addition.call.endpoint)
    if not (head.lab or worker.lab):
        # A lab's hosts share this machine, whose firewall is not the lab's.
        sources = _sources(transport, addition.inventory, addition.settings, worker)
        book = head_playbook(remote.ports, sources)
        reports += done(apply(transport, book, [head], observer, dry_run=False, terms=terms))
    reports += _agents(transport, head, sight, remote, observer, terms)
    return Attached(remote=remote, worker=worker, reports=reports)


def _agents(
    transport: Transport, head: Host, sight: Sight, remote: Remote, observer: Observer, terms: Terms
) -> tuple[StepReport, ...]:
    """Have the agents run on the worker."""
    texts = _texts(transport, head, sight)
    tree = worker_tree(sight.file, remote, texts.given)
    known = {name: secret.value for name, secret in sight.known.items()}
    compose = write_compose(tree)
    with _one_reading(worker_env(texts, compose, sight.file, known, remote)) as file:
        given = (Variable(name=COMPOSE_VARIABLE, text=compose), Variable(name=ENV_VARIABLE, from_file=file))
        host = replace(remote.worker, variables=(*remote.worker.variables, *given))
        services = tuple(tree["services"]) if isinstance(tree["services"], dict) else ()
        book = worker_playbook(remote, services)
        return done(apply(transport, book, [host], observer, dry_run=False, terms=terms))


def detach(transport: Transport, addition: Addition, observer: Observer, terms: Terms) -> tuple[StepReport, ...]:
    """Have the head forget a worker: its tunnel, its place in the firewall. With no worker left the head is as before.

    Nothing where fleet had changed nothing for it. ProvisionError, HostError.
    """
    head, gone = addition.inventory.head, addition.worker
    if head.lab or gone.lab:
        return ()
    reports = taken_from(transport, head, gone, observer, terms)
    if not any(rounds(transport, head, Wanted(dry_run=True, playbook=HEAD_PLAYBOOK))):
        return reports
    rest = [host for host in _in_service(addition.inventory) if host.name != gone.name]
    if not [host for host in rest if host.role is not Role.HEAD]:
        journal = Journal(inventory=terms.inventory, ledger=terms.ledger)
        return reports + put_back(transport, head, observer, journal, playbook=HEAD_PLAYBOOK)
    sight = seen(transport, head, addition.settings)
    sources = _sources(transport, replace(addition.inventory, hosts=tuple(rest)), addition.settings, head)
    left = [one for one in sources if one not in {gone.node_address, gone.login.address}]
    return reports + done(
        apply(transport, head_playbook(_ports(sight), left), [head], observer, dry_run=False, terms=terms)
    )


def _texts(transport: Transport, head: Host, sight: Sight) -> EnvTexts:
    """The env files that a worker's settings come from. CommandError."""
    place = sight.settings.compose.rpartition("/")[0] or "/"
    file = sight.settings.env_file
    project = _read(transport, head, file or f"{place}/.env", required=file is not None)
    own = (
        _read(transport, head, posixpath.join(place, name), required=required)
        for name, required in agent_files(sight.file)
    )
    return EnvTexts(project=project, agents=without_wallet("".join(own)))


def _read(transport: Transport, head: Host, file: str, *, required: bool = True) -> str:
    """An env file of the head's as it stands, with a line's end; empty where it may be missing and is. CommandError."""
    script = f'[ -e "$0" ] || exit {_NO_FILE}; exec cat -- "$0"'
    command = Command(argv=("/bin/sh", "-c", script, file), sudo=head.login.sudo, timeout=_SECONDS)
    done = transport.run(head, command)
    if done.exit_status == _NO_FILE and not required:
        return ""
    if done.exit_status != 0 or len(done.stdout) > _MOST:
        raise CommandError(f"its env file {file} cannot be read", host=head.name, hint="set `bento.env_file`")
    text = done.stdout.decode("utf-8", "surrogateescape")
    return text if text.endswith("\n") or not text else f"{text}\n"


def _in_service(inventory: Inventory) -> tuple[Host, ...]:
    """The head and its workers; one that is drained is attached all the same."""
    return tuple(host for host in inventory.hosts if host.role is Role.HEAD or not host.candidate)


def _sources(transport: Transport, inventory: Inventory, settings: BentoSettings, worker: Host) -> tuple[str, ...]:
    """Who may come to the head's ports: its workers, agents that are attached already, the new worker."""
    attached = discover(transport, inventory.head, settings).remote
    addresses = (*(host.node_address for host in (*_in_service(inventory), worker)), *(one.address for one in attached))
    return tuple(dict.fromkeys(addresses))


@contextmanager
def _one_reading(secret: str) -> Iterator[str]:
    """A path from which a secret can be read once; it is never on a disk."""
    data = secret.encode("utf-8", "surrogateescape")
    if len(data) > _MOST:
        raise ConfigurationError(f"the head's env file is larger than {_MOST >> 10} KiB")
    out, into = os.pipe()
    try:
        with os.fdopen(into, "wb") as stream:
            stream.write(data)
        yield f"/dev/fd/{out}"
    finally:
        os.close(out)
