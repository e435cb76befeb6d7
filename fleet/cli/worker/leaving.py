"""How a worker leaves: drained, stopped, put back as it was, and taken out of the inventory file."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import typer

from fleet.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleet.cli.worker.joining import Site
    from fleet.model.expansion import Joining
    from fleet.model.inventory import Host, Inventory
    from fleet.model.playbook import Secret, StepReport
    from fleet.ports import Ledger


def set_drained(path: str, host: str, *, drained: bool) -> None:
    """Write into the inventory file that a host gets no new task, or that it does."""
    from fleet.codec.edit import rewrite, with_field

    rewrite(path, lambda text: with_field(text, path, host, "drained", value=drained or None))


def roll_back(site: Site, joining: Joining, reached: Inventory) -> None:
    """Put the host back as it was before the addition began; after a trial those that were in service, too.

    ProvisionError where something cannot be.
    """
    from fleet.provision.trust import forgo
    from fleet.provision.worker import forget

    host = reached.host(joining.host)
    undone: tuple[StepReport, ...] = ()
    if joining.journal:
        undone = _forgotten(host, reached, site.ledger, site.sudo)
        undone += _left(host, reached, site.ledger, site.sudo, since=joining.journal, kept=joining.had)
        for name, had in joining.others if joining.trial and reached.bento is None else ():
            other = reached.host(name)
            if _changed(other, site.sudo, since=joining.journal):
                undone += _left(other, reached, site.ledger, site.sudo, since=joining.journal, kept=had)
    if joining.pinned_as:
        forgo(joining.pinned_in, joining.pinned_as)
    forget(site.folder, joining.host)
    _say_undone(host.name, undone)
    typer.echo(f"{host.name} is as it was before; {site.path} was not changed", err=True)


def remove_one(path: str, name: str, *, keep_files: bool, sudo: Secret | None, store: str | None, backend: str) -> None:
    """Remove a worker, or undo its half-done addition. What cannot be put back is said, and the file is not changed."""
    from fleet.cli.hosts.checkups import named, started
    from fleet.cli.wiring import opened_store
    from fleet.cli.worker.entries import extended
    from fleet.cli.worker.joining import Site
    from fleet.codec import load_inventory
    from fleet.codec.edit import rewrite, without_host
    from fleet.provision.worker import alone, forget, half_added
    from fleet.store import open_ledger

    loaded = load_inventory(path)
    with ExitStack() as stack:
        folder = stack.enter_context(alone(loaded))
        ledger = stack.enter_context(closing(open_ledger(store)))
        if pending := half_added(folder, loaded).get(name):
            runs = stack.enter_context(opened_store(store))
            site = Site(path=path, folder=folder, store=runs, ledger=ledger, sudo=sudo)
            roll_back(site, pending, started(stack, extended(path, pending), backend))
            return
        (host,) = named(loaded, [name], "worker")
        if host is loaded.head:
            raise ConfigurationError(f"{name} is the head: nothing runs without it")
        if not host.drained:
            set_drained(path, name, drained=True)
        undone: tuple[StepReport, ...] = ()
        if not keep_files or loaded.bento is not None:
            reached = started(stack, loaded, backend)
            undone += _forgotten(reached.host(name), reached, ledger, sudo)
            undone += () if keep_files else _left(reached.host(name), reached, ledger, sudo, since="", kept=())
        if undone or not keep_files:
            _say_undone(name, undone)
        rewrite(path, lambda text: without_host(text, path, name))
        forget(folder, name)
    files = "; what fleet put there is still there" if keep_files else ""
    typer.echo(f"{name} is no host of {path} any more{files}", err=True)


def _forgotten(host: Host, reached: Inventory, ledger: Ledger, sudo: Secret | None) -> tuple[StepReport, ...]:
    """What a Bento head let the worker in by, taken back there; what was done. ProvisionError, HostError."""
    from fleet.cli.bento.joining import forget_on_head

    return () if reached.bento is None else forget_on_head(reached, reached.bento, host, ledger, sudo)


def _changed(host: Host, sudo: Secret | None, *, since: str) -> bool:
    """Whether anything was changed there in that run or later. HostError."""
    from fleet.cli.hosts.checkups import secrets_for
    from fleet.provision.restore import Wanted, rounds
    from fleet.transport.ssh import SshTransport

    with closing(SshTransport(*secrets_for((host,), sudo=sudo))) as transport:
        return any(rounds(transport, host, Wanted(dry_run=True, since=since)))


def _left(
    host: Host, reached: Inventory, ledger: Ledger, sudo: Secret | None, *, since: str, kept: Sequence[str]
) -> tuple[StepReport, ...]:
    """Stop what fleet started there and undo what it changed; what was done. ProvisionError, HostError."""
    from fleet import ui
    from fleet.cli.hosts.checkups import secrets_for
    from fleet.provision.delivery import FOLDER
    from fleet.provision.journal import Journal
    from fleet.provision.leave import leave, left_there, vanish
    from fleet.provision.worker import put_back
    from fleet.transport.ssh import SshTransport

    with closing(SshTransport(*secrets_for((host,), sudo=sudo))) as transport, ui.observer(sys.stderr) as observe:
        brought = FOLDER in left_there(transport, host)
        leave(transport, host, kept)
        reports = put_back(transport, host, observe, Journal(inventory=reached.name, ledger=ledger), since)
        if brought and FOLDER not in kept:  # it came before the first step, and may have made the work folder
            vanish(transport, host)
        return reports


def _say_undone(host: str, reports: Sequence[StepReport]) -> None:
    """What was put back, step by step."""
    from fleet.ui import screen

    if reports:
        screen.show_steps(reports, stream=sys.stderr)
    else:
        typer.echo(f"{host}: nothing had been changed there", err=True)
