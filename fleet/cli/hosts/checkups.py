"""Commands about the hosts themselves, before anything is measured: trust, doctor."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.options import AsJson, Backend, InventoryFile
from fleet.errors import ConfigurationError, FleetError, HostError, HostKeyError

if TYPE_CHECKING:
    from fleet.model.bento import BentoSettings
    from fleet.model.checkup import Checkup
    from fleet.model.inventory import Host, Inventory
    from fleet.model.playbook import Secret
    from fleet.provision.trust import Trust
    from fleet.transport.ssh import SshTransport

app = typer.Typer()

AskSudo = Annotated[
    bool, typer.Option("--ask-sudo-password", "-K", help="Ask once for the password of hosts with `sudo: true`.")
]
Limit = Annotated[list[str] | None, typer.Option("--limit", metavar="HOST", help="Only this host; may be repeated.")]


@app.command()
def trust(
    inventory: InventoryFile,
    *,
    limit: Limit = None,
    yes: Annotated[bool, typer.Option("--yes", help="Pin new keys without asking.")] = False,
    replace: Annotated[
        list[str] | None, typer.Option("--replace", metavar="HOST", help="Pin this host's changed key; repeatable.")
    ] = None,
    backend: Backend = "auto",
) -> None:
    """Show the keys of hosts and their jump hosts, pin the new ones; a changed key only where --replace names its host.

    Example: fleet trust prod.yaml
    """
    from fleet.codec import load_inventory
    from fleet.provision.trust import rounds
    from fleet.transport.connect import introduce
    from fleet.transport.keyring import Keyring
    from fleet.transport.userconfig import route
    from fleet.ui import screen

    loaded = load_inventory(str(inventory))
    hosts = named(loaded, limit or (), "--limit") or loaded.hosts
    # Nobody logs in on the hosts themselves, but on the jump hosts before them.
    ring = Keyring(asked_passphrases(hosts))
    seen: list[Trust] = []
    with ExitStack() as stack:
        reached = started(stack, loaded, backend)
        ways = [reached.host(host.name) for host in hosts]
        _known(
            replace or (),
            [host.name for host in loaded.hosts] + [hop.name for way in ways for hop in route(way)],
            "--replace",
        )
        for found in rounds(partial(introduce, keyring=ring), ways, frozenset(replace or ())):
            seen.append(found)
            screen.show_keys(found.introductions, found.failures)
            _pin(found, yes=yes)
    _complain(seen)


@app.command()
def doctor(
    inventory: InventoryFile,
    *,
    gpu: Annotated[
        bool, typer.Option("--gpu", help="Make the cards work too, for seconds; say which are slower than they should.")
    ] = False,
    as_json: AsJson = False,
    ask_sudo: AskSudo = False,
    backend: Backend = "auto",
) -> None:
    """Look at every host and at the links between them; say what is wrong and how to cure it. Changes nothing.

    Example: fleet doctor prod.yaml --gpu
    """
    from contextlib import closing

    from fleet.codec import dump, load_inventory
    from fleet.measure.clock import SystemClock
    from fleet.measure.gpuhealth import gpu_figures
    from fleet.model.checkup import Light
    from fleet.plan.checkup.gpuhealth import judge, with_checks
    from fleet.provision.doctor import examine
    from fleet.provision.passwords import sudo_passwords
    from fleet.transport.ssh import SshTransport
    from fleet.ui import screen

    loaded = load_inventory(str(inventory))
    cards = _declaring_cards(loaded) if gpu else ()
    passwords = sudo_passwords(loaded.hosts, asked_password() if ask_sudo else None)
    with ExitStack() as stack:
        reached = started(stack, loaded, backend)
        transport = stack.enter_context(closing(SshTransport(passwords, asked_passphrases(loaded.hosts))))
        found = examine(transport, reached, SystemClock())
        if cards:
            seen = gpu_figures(transport, [reached.host(host.name) for host in cards])
            found = with_checks(found, judge(seen))
        if reached.bento is not None:
            found = with_checks(found, _bento_doors(transport, reached, reached.bento))
    if as_json:
        typer.echo(dump(found))
    else:
        screen.show_diagnosis(found)
    if found.count(Light.RED):
        sick = [one.host for one in found.checkups if any(check.light is Light.RED for check in one.checks)]
        raise HostError(f"to be cured: {', '.join(sick)}", hint="the cure stands beside each red check")


def _bento_doors(transport: SshTransport, reached: Inventory, bento: BentoSettings) -> tuple[Checkup, ...]:
    """Who would be let into the head's services. What cannot be found out is a check, too."""
    from fleet.model.checkup import Check, Checkup, Light
    from fleet.plan.bento.doorcheck import judge_doors
    from fleet.transport.keyring import Keyring
    from fleet.workload.bento.discover import seen
    from fleet.workload.bento.doors import tried

    head = reached.head
    try:
        sight = seen(transport, head, bento)
        return judge_doors(head.name, tuple(tried(head, Keyring(asked_passphrases([head])), sight)))
    except FleetError as error:
        cure = error.hint or "is the head's Docker up, and may the user ask it?"
        check = Check(name="Bento", light=Light.RED, seen=error.message, cure=cure)
        return (Checkup(host=head.name, checks=(check,)),)


def _declaring_cards(inventory: Inventory) -> tuple[Host, ...]:
    """The hosts that declare cards. ConfigurationError where none does."""
    from fleet.measure.gpuhealth import with_cards

    hosts = with_cards(inventory.hosts)
    if not hosts:
        hint = "declare the cards as `devices` of `kind: cuda`, or leave --gpu out"
        raise ConfigurationError(f"no host of {inventory.name} declares a card", hint=hint)
    return hosts


def started(stack: ExitStack, inventory: Inventory, backend: str) -> Inventory:
    """The inventory with its lab hosts up until the stack ends; as it is where it has none."""
    if not any(host.lab for host in inventory.hosts):
        return inventory
    from fleet.lab.loopback import running

    return stack.enter_context(running(inventory, backend=backend))


def asked_password() -> Secret:
    """The password of sudo, from the operator, once for all hosts. ConfigurationError where nobody can be asked."""
    if not sys.stdin.isatty():
        hint = "state `sudo_password_command` in the inventory"
        raise ConfigurationError("nobody can be asked for the sudo password: no terminal", hint=hint)
    return _prompted("sudo password")


def secrets_for(
    hosts: Sequence[Host], *, ask_sudo: bool = False, sudo: Secret | None = None
) -> tuple[Mapping[str, Secret], Mapping[str, Secret]]:
    """What SshTransport takes: sudo's passwords, from programs or (`ask_sudo`) the operator, and keys' passphrases.

    `sudo`: the password, where the operator was asked for it before.
    """
    from fleet.provision.passwords import sudo_passwords

    return sudo_passwords(hosts, asked_password() if ask_sudo else sudo), asked_passphrases(hosts)


def asked_passphrases(hosts: Sequence[Host]) -> Mapping[str, Secret]:
    """The passphrases of the keys that lead to these hosts, by key file: from programs, or from the operator, once."""
    from fleet.provision.passwords import passphrases

    return passphrases(hosts, _prompted if sys.stdin.isatty() else None)


def _prompted(what: str) -> Secret:
    from fleet.model.playbook import Secret

    return Secret(typer.prompt(what, hide_input=True, err=True))


def named(inventory: Inventory, names: list[str] | tuple[str, ...], option: str) -> tuple[Host, ...]:
    """The hosts of these names, in the inventory's order. ConfigurationError for a name that it does not have."""
    _known(names, [host.name for host in inventory.hosts], option)
    return tuple(host for host in inventory.hosts if host.name in names)


def _known(names: Sequence[str], known: Sequence[str], option: str) -> None:
    for name in names:
        if name not in known:
            hint = f"one of: {', '.join(dict.fromkeys(known))}"
            raise ConfigurationError(f"{option} {name}: no such host", hint=hint)


def _pin(seen: Trust, *, yes: bool) -> None:
    """Pin what is to be pinned, where the operator agrees."""
    from fleet.provision.trust import settle

    if not seen.wanted:
        return
    if not yes:
        _ask(seen)
    settle(seen.wanted)
    typer.echo(f"pinned: {', '.join(dict.fromkeys(f'{one.host} in {one.file}' for one in seen.wanted))}")


def _ask(seen: Trust) -> None:
    """Return when the operator agrees. ConfigurationError where nobody can be asked, HostKeyError on a no."""
    names = ", ".join(dict.fromkeys(one.host for one in seen.wanted))
    if not sys.stdin.isatty():
        raise ConfigurationError(
            f"nobody can be asked whether to pin {names}: no terminal",
            hint="compare the fingerprints with what the hosts themselves say (ssh-keygen -lf), then add --yes",
        )
    if not typer.confirm(f"Do the hosts themselves say the same (ssh-keygen -lf)? Pin {names}?", default=False):
        raise HostKeyError(f"not pinned: {names}", hint="the same command asks again")


def _complain(seen: Sequence[Trust]) -> None:
    """Raise what keeps the command from exit code 0."""
    if refused := list(dict.fromkeys(one.host for found in seen for one in found.refused)):
        behind = ", ".join(host.name for host in seen[-1].behind)
        text = f"the key has changed: {', '.join(refused)}" + (f"; not reached behind it: {behind}" if behind else "")
        options = " ".join(f"--replace {shlex.quote(name)}" for name in refused)
        raise HostKeyError(text, hint=f"only if they were set up anew: {options}")
    if failures := [failure.host for found in seen for failure in found.failures]:
        raise HostError(f"no key seen: {', '.join(failures)}", hint="the lines above say why")
