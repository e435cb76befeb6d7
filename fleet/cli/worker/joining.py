"""How a worker joins, step by step: who is meant, consent to its key, the stages of `expand`, the inventory file."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fleet.errors import ConfigurationError, FleetError, HostError, Interrupted, StoreError

if TYPE_CHECKING:
    from fleet.codec.newcomer import Newcomer
    from fleet.expand import Expansion
    from fleet.model.expansion import Joining, Marginal
    from fleet.model.inventory import Host, Inventory
    from fleet.model.playbook import Secret
    from fleet.model.record import RunLog
    from fleet.ports import Ledger, Store, Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the options of `worker add` ask for. `wanted`: half of the gain's interval, relative.

    `wireguard`, `endpoint`: of a Bento cluster's own tunnel (`fleet.plan.bento.tunnel.Call`).
    """

    trial: bool
    yes: bool
    wanted: float
    most: int
    seed: int
    playbook: Path | None
    bundle: Path | None
    sudo: Secret | None = field(repr=False)
    store: str | None
    as_json: bool
    backend: str
    isolate: bool = False
    wireguard: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where one addition takes place: the inventory file, the folder of unfinished additions, the stores.

    `sudo`: its password, where the operator was asked for it.
    """

    path: str
    folder: Path
    store: Store
    ledger: Ledger
    sudo: Secret | None = field(default=None, repr=False)


def add_all(path: str, newcomers: Sequence[Newcomer], options: Options) -> None:
    """Add one after the other; a failing one stops no other. HostError at the end where some were not added."""
    from fleet.ui import screen

    failed: dict[str, FleetError] = {}
    for newcomer in newcomers:
        try:
            add_one(path, newcomer, options)
        except Interrupted:
            raise
        except FleetError as error:
            if len(newcomers) == 1:
                raise
            screen.show_error(error)
            failed[newcomer.name or newcomer.host] = error
    if failed:
        hint = "the lines above say why; the same command goes on with them"
        raise HostError(f"{len(failed)} of {len(newcomers)} not added: {', '.join(failed)}", hint=hint)


def add_one(path: str, newcomer: Newcomer, options: Options) -> None:
    """Add a worker, or finish an addition that was cut off."""
    from fleet.cli.bento.joining import refuse_tunnel
    from fleet.cli.hosts.checkups import started
    from fleet.cli.wiring import opened_store
    from fleet.cli.worker.entries import extended
    from fleet.cli.worker.leaving import roll_back
    from fleet.codec import load_inventory
    from fleet.model.expansion import Stage
    from fleet.provision.worker import alone, begun
    from fleet.store import open_ledger

    loaded = load_inventory(path)
    refuse_tunnel(loaded, options)
    with (
        alone(loaded) as folder,
        opened_store(options.store) as store,
        closing(open_ledger(options.store)) as ledger,
    ):
        site = Site(path=path, folder=folder, store=store, ledger=ledger, sudo=options.sudo)
        joining = _joining(site, loaded, newcomer, trial=options.trial)
        if joining is None:
            return
        if joining.stage is Stage.ROLL_BACK:
            typer.echo(f"{joining.host}: going on with putting it back as it was")
            with ExitStack() as stack:
                roll_back(site, joining, started(stack, extended(path, joining), options.backend))
            return
        try:
            _join(site, joining, options)
        except KeyboardInterrupt:
            if joining.host not in begun(folder):
                raise  # nothing was changed yet
            hint = f"finish it by the same command, or undo it: fleet worker remove {path} {joining.host}"
            raise Interrupted(f"interrupted; {joining.host} is half added", hint=hint) from None


def _joining(site: Site, loaded: Inventory, newcomer: Newcomer, *, trial: bool) -> Joining | None:
    """What is to be done; None where nothing is. ConfigurationError for who cannot be added."""
    from fleet.cli.worker.entries import place_of
    from fleet.codec.document import read_file
    from fleet.codec.edit import flow
    from fleet.codec.newcomer import device_kinds, entry_of, is_lab, known_host, name_of
    from fleet.model.expansion import Joining, Stage
    from fleet.provision.worker import begun, forget

    pending = begun(site.folder)
    known = known_host(loaded, newcomer)
    run = time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(2)
    if known is None:
        text = read_file(site.path)
        entry = entry_of(newcomer, device_kinds(text, site.path), lab=is_lab(text, site.path))
        again = next(
            (one for one in pending.values() if one.entry and place_of(one.entry) == place_of(flow(entry))), None
        )
        name = newcomer.name or (again.host if again else name_of(newcomer, [host.name for host in loaded.hosts]))
        fresh = Joining(host=name, entry=flow(entry), run=run, stage=Stage.TRUST, trial=trial)
        if again is None or again.host != name:
            return fresh
        # Who names only the address again finishes what was begun with more.
        said = again.entry if set(entry) <= {"address", "port", "user", "lab"} else fresh.entry
        return replace(again, entry=said, trial=trial)
    if known is loaded.head:
        raise ConfigurationError(f"{known.name} is the head itself", hint="a worker is another host")
    if not known.candidate:
        forget(site.folder, known.name)
        undo = (
            f"; it is drained, to use it: fleet worker drain {site.path} {known.name} --undo" if known.drained else ""
        )
        typer.echo(f"{known.name} is in the inventory and in service already{undo}")
        return None
    was = pending.get(known.name)
    fresh = Joining(host=known.name, entry=None, run=run, stage=Stage.TRUST, trial=trial)
    return replace(was, trial=trial) if was else fresh


def _join(site: Site, joining: Joining, options: Options) -> None:
    """Trust, provision, measure, and keep or roll back. Every stage is written down before it begins."""
    from fleet.cli.bento.joining import join_bento
    from fleet.cli.hosts.bundle import bring
    from fleet.cli.hosts.checkups import started
    from fleet.cli.wiring import equipped
    from fleet.cli.worker.consent import trusted
    from fleet.cli.worker.entries import completed, extended, keep
    from fleet.cli.worker.leaving import roll_back
    from fleet.expand import expand, prepare
    from fleet.model.expansion import Stage
    from fleet.provision.worker import forget, remember

    with ExitStack() as stack:
        inventory = extended(site.path, joining)
        reached = started(stack, inventory, options.backend)
        joining = trusted(joining, reached.host(joining.host), yes=options.yes)
        if joining.pinned_as:
            remember(site.folder, joining)  # so that whatever comes of it, the pin can be taken back
        joining, inventory, reached = completed(site.path, joining, inventory, reached)
        if reached.bento is not None:
            join_bento(site, joining, options, inventory, reached, reached.bento)
            return
        asked = asked_of(site, joining, inventory, reached, options)
        with equipped(inventory, joining.run, options.sudo) as parts:
            joining = _as_found(parts.transport, joining, reached)
            remember(site.folder, replace(joining, stage=Stage.PROVISION))
            if options.bundle:
                bring(parts.transport, reached, joining.host, options.bundle)
            surveyed = prepare(parts, asked)
            remember(site.folder, replace(joining, stage=Stage.MEASURE))
            found = expand(parts, asked, site.store, surveyed)
        remember(site.folder, replace(joining, stage=Stage.ROLL_BACK if joining.trial else Stage.KEEP))
        show_marginal(found, as_json=options.as_json)
        if joining.trial:
            roll_back(site, joining, reached)
        else:
            keep(site.path, joining)
            forget(site.folder, joining.host)
            typer.echo(_kept(site.path, joining.host, found), err=options.as_json)


def _as_found(transport: Transport, joining: Joining, reached: Inventory) -> Joining:
    """The addition with what lies on its hosts before anything is changed there, and the journal run that begins."""
    from fleet.provision.journal import new_run
    from fleet.provision.leave import left_there

    if joining.journal:
        return joining
    had = left_there(transport, reached.host(joining.host))
    others = tuple((host.name, left_there(transport, host)) for host in _in_service(reached, joining))
    return replace(joining, journal=new_run(), had=had, others=others)


def _in_service(reached: Inventory, joining: Joining) -> tuple[Host, ...]:
    """The hosts that take part beside the new one."""
    from fleet.model.inventory import Role

    return tuple(
        host
        for host in reached.hosts
        if host.name != joining.host and (host.role is Role.HEAD or not (host.candidate or host.drained))
    )


def asked_of(site: Site, joining: Joining, inventory: Inventory, reached: Inventory, options: Options) -> Expansion:
    """What is to be measured, with what was measured already where this addition was cut off."""
    from fleet.cli.premises import planning
    from fleet.codec import load_playbook
    from fleet.expand import Expansion
    from fleet.provision.agents import own_playbook
    from fleet.provision.apply import Terms

    return Expansion(
        run=joining.run,
        inventory=inventory,
        reached=reached,
        worker=joining.host,
        playbook=load_playbook(str(options.playbook or own_playbook(inventory))),
        premises=planning(),
        terms=Terms(inventory=inventory.name, ledger=site.ledger, fleet=reached.hosts),
        wanted=options.wanted,
        most=options.most,
        seed=options.seed,
        last=last_run(site.store, inventory.name, but=joining.run),
        resume=_resumable(site.store, joining.run, inventory),
    )


def _resumable(store: Store, run: str, inventory: Inventory) -> RunLog | None:
    """This addition's own run, where it was begun on the very same fleet."""
    try:
        log = store.load(run)
    except StoreError:
        return None
    return log if replace(log.inventory, path=inventory.path) == inventory else None


def show_marginal(found: Marginal, *, as_json: bool) -> None:
    """Print what the worker adds."""
    from fleet.codec import dump
    from fleet.ui import screen
    from fleet.ui.workers import marginal_lines

    if as_json:
        typer.echo(dump(found))
    else:
        screen.show(marginal_lines(found, screen.width_of()))


def _kept(path: str, host: str, found: Marginal) -> str:
    said = f"{host} is in service: {path} has it now"
    if found.gain.high < 0:
        return f"{said}; the fleet is slower with it (fleet worker remove {path} {host})"
    return said


def last_run(store: Store, fleet: str, but: str = "") -> RunLog | None:
    """The newest run of a fleet in which anything was measured, other than `but`."""
    for summary in store.runs():
        if summary.inventory == fleet and summary.observations and summary.id != but:
            return store.load(summary.id)
    return None
