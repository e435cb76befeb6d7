"""How a worker joins a Bento cluster: the head's own agents on it, the way between the two, what it then gives."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from fleet.cli.joining import Options, Site
    from fleet.model.bento import BentoSettings
    from fleet.model.expansion import Joining
    from fleet.model.inventory import Inventory


def join_bento(site: Site, joining: Joining, options: Options, reached: Inventory, settings: BentoSettings) -> None:
    """Attach the worker, and keep it or put it back. Every stage is written down before it begins. FleetError."""
    from fleet import ui
    from fleet.cli.entries import keep
    from fleet.cli.hosts import secrets_for
    from fleet.cli.leaving import roll_back
    from fleet.model.expansion import Stage
    from fleet.provision.apply import Terms
    from fleet.provision.bentoworker import attach
    from fleet.provision.journal import new_run
    from fleet.provision.leave import left_there
    from fleet.provision.worker import forget, remember
    from fleet.transport.ssh import SshTransport

    worker, head = reached.host(joining.host), reached.head
    with ExitStack() as stack:
        transport = stack.enter_context(closing(SshTransport(*secrets_for((head, worker), sudo=options.sudo))))
        observe = stack.enter_context(ui.observer(sys.stderr))
        if not joining.journal:
            had, others = left_there(transport, worker), ((head.name, left_there(transport, head)),)
            joining = replace(joining, journal=new_run(), had=had, others=others)
        remember(site.folder, replace(joining, stage=Stage.PROVISION))
        terms = Terms(inventory=reached.name, ledger=site.ledger, fleet=reached.hosts, run=joining.journal)
        remote, reports = attach(transport, reached, settings, worker, observe, terms)
    remember(site.folder, replace(joining, stage=Stage.ROLL_BACK if joining.trial else Stage.KEEP))
    changed = sum(report.state.value == "changed" for report in reports)
    typer.echo(
        f"{worker.name} proves for {head.name}: {len(worker.devices) * remote.agents} agents of {remote.image}, "
        f"the same image as there ({remote.digest[:19]}); {changed} of {len(reports)} steps changed something",
        err=options.as_json,
    )
    if joining.trial:
        roll_back(site, joining, reached)
        return
    keep(site.path, joining)
    forget(site.folder, joining.host)
    typer.echo(f"{worker.name} is in service: {site.path} has it now", err=options.as_json)
