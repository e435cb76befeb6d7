"""How a worker joins a Bento cluster: the head's own agents on it, the way between the two, what it then gives."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from fleet.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleet.cli.worker.joining import Options, Site
    from fleet.expand import Expansion
    from fleet.model.bento import BentoSettings
    from fleet.model.expansion import Joining, Marginal
    from fleet.model.facts import Survey
    from fleet.model.inventory import Host, Inventory
    from fleet.model.playbook import Secret, StepReport
    from fleet.ports import Ledger, Workload


def refuse_tunnel(loaded: Inventory, options: Options) -> None:
    """ConfigurationError for a tunnel where there can be none."""
    if options.wireguard is None and options.endpoint is None:
        return
    if options.wireguard is None:
        raise ConfigurationError("--endpoint says where a tunnel's head is", hint="add --wireguard 10.77.0.0/24")
    if loaded.bento is None:
        hint = "other workers' tunnels: a step of kind `wireguard` in their playbook"
        raise ConfigurationError("--wireguard is for a Bento cluster, and the inventory names none", hint=hint)
    if loaded.head.lab:
        raise ConfigurationError("--wireguard: a lab's hosts are all on this machine")


def join_bento(
    site: Site, joining: Joining, options: Options, inventory: Inventory, reached: Inventory, settings: BentoSettings
) -> None:
    """Attach the worker, and keep it or put it back. Every stage is written down before it begins. FleetError."""
    from fleet.cli.worker.entries import keep
    from fleet.cli.worker.joining import asked_of, show_marginal
    from fleet.cli.worker.leaving import roll_back
    from fleet.model.expansion import Stage
    from fleet.provision.worker import forget, remember

    joining, address = _attached(site, joining, options, reached, settings)
    found = None
    if options.isolate:
        remember(site.folder, replace(joining, stage=Stage.MEASURE))
        asked = asked_of(site, joining, inventory, reached, options)
        found = _measured(site, asked, options, settings)
    else:
        hint = "what it adds is not measured: that wants the cluster for itself, its broker stopped (--isolate)"
        typer.echo(hint, err=True)
    remember(site.folder, replace(joining, stage=Stage.ROLL_BACK if joining.trial else Stage.KEEP))
    if found is not None:
        show_marginal(found, as_json=options.as_json)
    if joining.trial:
        roll_back(site, joining, reached)
        return
    keep(site.path, joining, node_address=address)
    forget(site.folder, joining.host)
    typer.echo(f"{joining.host} is in service: {site.path} has it now", err=options.as_json)


def _attached(
    site: Site, joining: Joining, options: Options, reached: Inventory, settings: BentoSettings
) -> tuple[Joining, str | None]:
    """Have the worker's agents work for the head; the address that the head has for it, where that is a tunnel's."""
    from fleet import ui
    from fleet.cli.hosts.checkups import secrets_for
    from fleet.model.expansion import Stage
    from fleet.plan.bento.tunnel import call_of
    from fleet.provision.apply import Terms
    from fleet.provision.bentoworker import Addition, attach
    from fleet.provision.journal import new_run
    from fleet.provision.leave import left_there
    from fleet.provision.worker import remember
    from fleet.transport.ssh import SshTransport

    worker, head = reached.host(joining.host), reached.head
    call = call_of(options.wireguard, options.endpoint, head.login.address) if options.wireguard else None
    with ExitStack() as stack:
        transport = stack.enter_context(closing(SshTransport(*secrets_for((head, worker), sudo=options.sudo))))
        observe = stack.enter_context(ui.observer(sys.stderr))
        if not joining.journal:
            had, others = left_there(transport, worker), ((head.name, left_there(transport, head)),)
            joining = replace(joining, journal=new_run(), had=had, others=others)
        remember(site.folder, replace(joining, stage=Stage.PROVISION))
        terms = Terms(inventory=reached.name, ledger=site.ledger, fleet=reached.hosts)
        addition = Addition(inventory=reached, settings=settings, worker=worker, call=call)
        made = attach(transport, addition, observe, terms)
    changed = sum(report.state.value == "changed" for report in made.reports)
    way = f", by a tunnel from {made.worker.node_address} to {made.remote.head}" if call else ""
    typer.echo(
        f"{worker.name} proves for {head.name}{way}: {len(worker.devices) * made.remote.agents} agents of "
        f"{made.remote.image}, the same image as there ({made.remote.digest[:19]}); "
        f"{changed} of {len(made.reports)} steps changed something",
        err=True,
    )
    return joining, made.worker.node_address if call else None


def forget_on_head(
    reached: Inventory, settings: BentoSettings, gone: Host, ledger: Ledger, sudo: Secret | None
) -> tuple[StepReport, ...]:
    """Have the head forget a worker, before that is put back: what it was let in by. ProvisionError, HostError."""
    from fleet import ui
    from fleet.cli.hosts.checkups import secrets_for
    from fleet.provision.apply import Terms
    from fleet.provision.bentoworker import Addition, detach
    from fleet.transport.ssh import SshTransport

    secrets = secrets_for((reached.head, gone), sudo=sudo)
    with closing(SshTransport(*secrets)) as transport, ui.observer(sys.stderr) as observe:
        terms = Terms(inventory=reached.name, ledger=ledger, fleet=reached.hosts)
        return detach(transport, Addition(inventory=reached, settings=settings, worker=gone), observe, terms)


def have_workers_run(path: str, names: Sequence[str], backend: str, *, running: bool, ask_sudo: bool) -> None:
    """Start the agents of a Bento cluster's workers, or stop them; of other fleets nothing runs between benchmarks."""
    from fleet.cli.hosts.checkups import secrets_for, started
    from fleet.codec import load_inventory
    from fleet.provision.bentoworker import PROJECT
    from fleet.transport.ssh import SshTransport
    from fleet.workload.bento.expanded import have_run

    loaded = load_inventory(path)
    if loaded.bento is None:
        return
    with ExitStack() as stack:
        secrets = secrets_for([loaded.host(name) for name in names], ask_sudo=ask_sudo)
        reached = started(stack, loaded, backend)
        transport = stack.enter_context(closing(SshTransport(*secrets)))
        for name in names:
            have_run(transport, reached.host(name), PROJECT, running=running)


def _measured(site: Site, asked: Expansion, options: Options, settings: BentoSettings) -> Marginal:
    """What the worker adds, in pairs of trials with it and without it, on the cluster isolated for them."""
    from fleet.cli.bento.road import Allowed, bento_workload
    from fleet.cli.wiring import equipped
    from fleet.expand import expand
    from fleet.provision.bentoworker import PROJECT
    from fleet.provision.survey import survey
    from fleet.workload.bento.expanded import WithWorkers

    reached = asked.reached
    hosts = (reached.head, reached.host(asked.worker))
    with equipped(reached, asked.run, options.sudo) as parts:
        allowed = Allowed(isolate=True, ledger=site.ledger)
        make = bento_workload(parts.transport, reached, settings, parts.observe, allowed, asked.run)

        def workload(concerned: Sequence[Host], surveyed: Survey) -> Workload:
            return WithWorkers(make(concerned, surveyed), parts.transport, hosts[1:], PROJECT)

        surveyed = survey(parts.transport, replace(reached, hosts=hosts), parts.observe, parts.clock)
        return expand(replace(parts, workload=workload), asked, site.store, surveyed)
