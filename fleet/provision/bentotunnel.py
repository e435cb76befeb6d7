"""The tunnel of a Bento cluster, laid to a worker and taken from it: keys are made on the hosts, and never leave."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from fleet.errors import CommandError, HostError, ProvisionError
from fleet.model.inventory import Host
from fleet.model.playbook import Command, StepReport, StepState
from fleet.plan.bento.tunnel import (
    CONFIGURATION,
    INTERFACE,
    PLAYBOOK,
    Call,
    Tunnel,
    addresses,
    head_end,
    keys_playbook,
    port_of,
    tunnel_of,
    worker_end,
)
from fleet.plan.steps.wireguards import is_key, public_key
from fleet.ports import Observer, Transport
from fleet.provision.apply import Terms, apply
from fleet.provision.journal import Journal
from fleet.provision.worker import put_back

_SECONDS = 20.0
_MOST = 2**16


def laid(
    transport: Transport, head: Host, worker: Host, call: Call, observer: Observer, terms: Terms
) -> tuple[str, str, tuple[StepReport, ...]]:
    """The tunnel's addresses of head and worker, and what was done. ConfigurationError, ProvisionError, HostError."""
    found = _end(transport, head)
    key = _key(transport, worker)
    own, far = addresses(call, found, key)
    peers = found.peers if found else ()
    new = None if any(peer.split()[0] == key for peer in peers) else (worker.name, far)
    port = found.port if found else port_of(call)
    reports: tuple[StepReport, ...] = ()
    for host, book in (
        (worker, keys_playbook(far)),
        (head, head_end(own, port, peers, new)),
        (worker, worker_end(far, (head.name, own), call)),
    ):
        reports += done(apply(transport, book, [host], observer, dry_run=False, terms=terms))
    return own.partition("/")[0], far.partition("/")[0], reports


def taken_from(
    transport: Transport, head: Host, worker: Host, observer: Observer, terms: Terms
) -> tuple[StepReport, ...]:
    """The head's end without a worker; with no worker left it is put back as it was. What was done."""
    found = _end(transport, head)
    if found is None:
        return ()
    key = ""
    with suppress(HostError):  # a worker that is gone is known by its address
        key = _key(transport, worker)
    left = found.without(key, worker.node_address)
    if left == found.peers:
        return ()
    if not left:
        return put_back(
            transport, head, observer, Journal(inventory=terms.inventory, ledger=terms.ledger), playbook=PLAYBOOK
        )
    book = head_end(found.address, found.port, left, None)
    return done(apply(transport, book, [head], observer, dry_run=False, terms=terms))


def done(reports: Sequence[StepReport]) -> tuple[StepReport, ...]:
    """The reports of a provisioning that came to its end. ProvisionError where one of its steps failed."""
    for report in reports:
        if report.state is StepState.FAILED:
            raise ProvisionError(f"{report.step}: {report.summary}", host=report.host, hint=report.detail or None)
    return tuple(reports)


def _end(transport: Transport, head: Host) -> Tunnel | None:
    """The head's end as it is. HostError."""
    said = _said(transport, head, f'[ -e "{CONFIGURATION}" ] || exit 0; exec cat -- "{CONFIGURATION}"')
    try:
        return tunnel_of(said)
    except ValueError:
        raise CommandError(f"{CONFIGURATION} is not as fleet writes it", host=head.name) from None


def _key(transport: Transport, host: Host) -> str:
    """A host's public key; empty where it has none. HostError."""
    said = _said(transport, host, f"{public_key(INTERFACE)[:-1]} 2>/dev/null; exit 0").strip()
    return said if is_key(said) else ""


def _said(transport: Transport, host: Host, script: str) -> str:
    command = Command(argv=("/bin/sh", "-c", script), sudo=host.login.sudo, timeout=_SECONDS)
    found = transport.run(host, command)
    if found.exit_status != 0 or len(found.stdout) > _MOST:
        raise CommandError(
            "its tunnel cannot be read", host=host.name, hint="WireGuard's files are root's: `sudo: true`"
        )
    return found.stdout.decode("utf-8", "replace")
