"""Tunnels in one run: every host's key is made first, then all public ones are gathered and stand for hosts' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from fleet.errors import ConfigurationError, HostError
from fleet.model.inventory import Host
from fleet.model.playbook import Playbook, Step
from fleet.model.stacksteps import WireguardStep
from fleet.plan.shell.program import Piece, answers, program
from fleet.plan.steps.wireguards import is_key, keyed, keying, named, public_key
from fleet.ports import Transport
from fleet.provision.journal import as_root
from fleet.transport.exchange import exchange
from fleet.transport.fanout import fanout

ASK_SECONDS = 60.0
_TO_COME = "A" * 43 + "="
"""What stands for a key that a dry run does not make."""


def tunnels(steps: Sequence[Step]) -> tuple[WireguardStep, ...]:
    """Those of a host's steps that name hosts as peers."""
    return tuple(step for step in steps if isinstance(step, WireguardStep) and named(step))


def split(playbook: Playbook) -> tuple[Playbook, Playbook]:
    """What comes before the first tunnel and then a key for each (one that is there is left as it is); and the rest."""
    at = next(i for i, step in enumerate(playbook.steps) if isinstance(step, WireguardStep))
    keys = tuple(keying(step) for step in playbook.steps if isinstance(step, WireguardStep))
    first, rest = playbook.steps[:at], playbook.steps[at:]
    return replace(playbook, steps=(*first, *keys)), replace(playbook, steps=rest)


def checked(playbook: str, found: Sequence[WireguardStep], fleet: Sequence[Host]) -> None:
    """ConfigurationError for a peer that is no host of the inventory."""
    known = {host.name for host in fleet}
    for step in found:
        for name in named(step):
            if name not in known:
                text = f"{playbook}: step `{step.name}`: `{name[:64]}` is neither a public key nor a host"
                raise ConfigurationError(text, hint=f"hosts: {', '.join(sorted(known))}")


def gathered(
    transport: Transport, found: Mapping[str, Sequence[WireguardStep]], fleet: Sequence[Host], *, to_come: bool
) -> Mapping[str, Mapping[str, str]]:
    """The public keys by interface and host, of all hosts that are named; a host that does not answer has none.

    `found`: the tunnels of each host that is provisioned. `to_come`: a key that one of these has not yet is stood for.
    """
    asked = {(step.interface, step.sudo) for steps in found.values() for step in steps}
    names = {name for steps in found.values() for step in steps for name in named(step)}
    keys: dict[str, dict[str, str]] = {interface: {} for interface, _ in asked}
    for interface, sudo in sorted(asked):
        ask = partial(_public_key, transport, interface=interface, sudo=sudo)
        for host, said in fanout(ask, [host for host in fleet if host.name in names]):
            if isinstance(said, HostError):
                continue
            if is_key(said):
                keys[interface][host.name] = said
            elif to_come and host.name in found:
                keys[interface][host.name] = _TO_COME
    return keys


def _public_key(transport: Transport, host: Host, *, interface: str, sudo: bool) -> str:
    pieces = [Piece(label="key", text=public_key(interface))]
    found = exchange(
        transport, host, partial(program, pieces), answers, ASK_SECONDS, sudo=as_root(host, sudo=sudo)
    ).get("key")
    return found.text.strip() if found is not None and found.status == 0 else ""


def filled(steps: Sequence[Step], keys: Mapping[str, Mapping[str, str]]) -> tuple[Step, ...]:
    """The steps with the keys in place of the names."""
    return tuple(
        keyed(step, keys.get(step.interface, {})) if isinstance(step, WireguardStep) else step for step in steps
    )
