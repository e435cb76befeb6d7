"""Commands that change hosts and put them back: provision, restore."""

from __future__ import annotations

import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.hosts.checkups import AskSudo, Limit, asked_passphrases, asked_password, named, started
from fleet.cli.options import AsJson, Backend, InventoryFile, StoreTarget
from fleet.errors import Interrupted

if TYPE_CHECKING:
    from fleet.model.facts import Facts
    from fleet.model.inventory import Host, Inventory
    from fleet.model.playbook import Playbook, StepReport
    from fleet.ports import Ledger, Observer, Transport
    from fleet.provision.restore import Wanted

app = typer.Typer()

DryRun = Annotated[bool, typer.Option("--dry-run", help="Ask only; change nothing.")]
AtOnce = Annotated[int, typer.Option("--at-once", min=1, max=1000, metavar="N", help="Hosts worked on at once.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """What a command works with: the inventory, its hosts as they are reached (`hosts`: the chosen), the adapters."""

    inventory: Inventory
    hosts: tuple[Host, ...]
    reached: Inventory
    transport: Transport
    observe: Observer


@app.command()
def provision(  # noqa: PLR0913 (each is one option of the command)
    inventory: InventoryFile,
    playbooks: Annotated[
        list[str] | None,
        typer.Argument(metavar="PLAYBOOK", help="Files, or shipped ones by name; none = what it needs."),
    ] = None,
    *,
    limit: Limit = None,
    tags: Annotated[list[str] | None, typer.Option(metavar="TAG", help="Only steps with it; may be repeated.")] = None,
    skip_tags: Annotated[list[str] | None, typer.Option(metavar="TAG", help="No step with it; repeatable.")] = None,
    dry_run: DryRun = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what files hold and will hold.")] = False,
    only_failed: Annotated[bool, typer.Option("--only-failed", help="The hosts that failed last time.")] = False,
    max_failures: Annotated[
        str | None, typer.Option(metavar="N|N%", help="Begin no further host when more than that have failed.")
    ] = None,
    at_once: AtOnce = 32,
    ask_sudo: AskSudo = False,
    as_json: AsJson = False,
    store: StoreTarget = None,
    backend: Backend = "auto",
) -> None:
    """Make the hosts ready: ask each step's question, change what differs, look again. `fleet restore` puts it back.

    Example: fleet provision prod.yaml gpu-worker.yaml --limit far-1 --dry-run --diff
    """
    from fleet.codec import load_playbook

    facts: list[Facts] = []
    given = [load_playbook(_found(name)) for name in playbooks or []]
    chosen = partial(_chosen, given, _listed(tags), _listed(skip_tags), max_failures)
    check = chosen if tags or skip_tags or max_failures else None
    with (
        _site(inventory, limit, backend, ask_sudo=ask_sudo, early=0 if only_failed else at_once, check=check) as site,
        _ledger(store, wanted=not dry_run) as ledger,
    ):
        # Not before: the connections are being made while these are loaded.
        from fleet.provision.apply import Terms, apply
        from fleet.provision.rollout import meant, most_failures, readiness, shortfall

        playbook = chosen(site.inventory)
        hosts = site.hosts
        if only_failed:
            hosts = meant(hosts, _unready(site.inventory.name, store))
        terms = Terms(
            inventory=site.inventory.name,
            ledger=ledger,
            fleet=site.reached.hosts,
            max_failures=most_failures(max_failures, len(hosts)),
            at_once=at_once,
            learn=facts.append,
        )
        with _undoable(inventory, site) as observe:
            reports = apply(site.transport, playbook, hosts, observe, dry_run=dry_run, terms=terms)
        if ledger is not None:
            ledger.provisioned(site.inventory.name, readiness(reports))
    _show(site.inventory.name, reports, facts, dry_run=dry_run, diff=diff, as_json=as_json)
    if trouble := shortfall(reports, _again(inventory, playbooks or [], dry_run=dry_run)):
        raise trouble


@app.command()
def restore(  # noqa: PLR0913 (each is one option of the command)
    inventory: InventoryFile,
    *,
    limit: Limit = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only what was changed since: 2h, or '2026-11-23 06:24' (UTC).")
    ] = None,
    from_store: Annotated[
        bool, typer.Option("--from-store", help="From the store's copy, too, where a host's journal is gone.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Give up what still cannot be put back: it stays, and is not tried again.")
    ] = False,
    insist: Annotated[
        bool, typer.Option("--insist", help="Also under a run that is still at work on a Bento head: it is cut off.")
    ] = False,
    dry_run: DryRun = False,
    at_once: AtOnce = 32,
    ask_sudo: AskSudo = False,
    as_json: AsJson = False,
    store: StoreTarget = None,
    backend: Backend = "auto",
) -> None:
    """Put back what provisioning and benchmarks changed on the hosts, newest first; after a crash, too.

    Example: fleet restore prod.yaml --dry-run
    """
    from fleet.model.playbook import StepState
    from fleet.provision.journal import Journal
    from fleet.provision.journal import since as beginning
    from fleet.provision.recall import recall
    from fleet.provision.restore import Wanted
    from fleet.provision.restore import restore as put_back
    from fleet.provision.rollout import blame
    from fleet.ui import screen
    from fleet.ui.stepsheet import restore_lines

    wanted = Wanted(
        dry_run=dry_run,
        since=beginning(since, time.time()) if since else "",
        at_once=at_once,
        runs=not since,
        stored=from_store,
        forget=forget,
        heed=True,
        insist=insist,
    )
    looked_up = from_store or not dry_run
    with _site(inventory, limit, backend, ask_sudo=ask_sudo) as site, _ledger(store, wanted=looked_up) as ledger:
        journal = Journal(inventory=site.inventory.name, ledger=ledger)
        reports = () if since else _killed_jobs(site, wanted)  # before the operator's agents take them up
        reports += put_back(site.transport, site.hosts, site.observe, journal, wanted)
        lost = {report.host for report in reports if report.lost}
        there = [host for host in site.hosts if host.name not in lost]
        reports += recall(site.transport, there, site.observe, journal, wanted)
    if as_json:
        _print_json(site.inventory.name, reports, [], dry_run=dry_run)
    else:
        screen.show(restore_lines(reports, screen.width_of()))
    if failed := list(dict.fromkeys(report.host for report in reports if report.state is StepState.FAILED)):
        raise blame(reports)(
            f"not put back: {', '.join(failed)}", hint="cure what FAILED says, then restore again; --forget gives it up"
        )


def _killed_jobs(site: _Site, wanted: Wanted) -> tuple[StepReport, ...]:
    """What runs of fleet have left at work in a Bento cluster, ended."""
    from fleet.cli.bento.road import killed_jobs

    head, settings = site.reached.head, site.reached.bento
    return killed_jobs(site.transport, head, settings, wanted) if settings and head in site.hosts else ()


@contextmanager
def _site(
    path: Path,
    limit: list[str] | None,
    backend: str,
    *,
    ask_sudo: bool,
    early: int = 0,
    check: Callable[[Inventory], object] | None = None,
) -> Iterator[_Site]:
    """Load the inventory, `check` it, ask for passwords, start a lab where there is one, and connect the adapters.

    `early`: so many of the hosts are connected to at once, without waiting for it.
    """
    from fleet import ui
    from fleet.codec import load_inventory
    from fleet.provision.passwords import sudo_passwords
    from fleet.transport.ssh import SshTransport

    loaded = load_inventory(str(path))
    chosen = named(loaded, _listed(limit), "--limit") or loaded.hosts
    if check is not None:
        check(loaded)
    passwords = sudo_passwords(chosen, asked_password() if ask_sudo else None)
    phrases = asked_passphrases(chosen)
    with ExitStack() as stack:
        reached = started(stack, loaded, backend)
        hosts = tuple(reached.host(host.name) for host in chosen)
        transport = stack.enter_context(closing(SshTransport(passwords, phrases)))
        transport.approach(hosts[:early])
        observe = stack.enter_context(ui.observer(sys.stderr))
        yield _Site(inventory=loaded, hosts=hosts, reached=reached, transport=transport, observe=observe)


@contextmanager
def _ledger(store: str | None, *, wanted: bool) -> Iterator[Ledger | None]:
    """The controller's copy of the journal; a dry run makes none."""
    from fleet.store import open_ledger

    if not wanted:
        yield None
        return
    with closing(open_ledger(store)) as ledger:
        yield ledger


def _unready(name: str, store: str | None) -> tuple[str, ...]:
    from fleet.store import open_ledger

    with closing(open_ledger(store)) as ledger:
        return ledger.unready(name)


@contextmanager
def _undoable(path: Path, site: _Site) -> Iterator[Observer]:
    """Who is to be told; once it is interrupted nobody is of the connections that this closes."""
    interrupted = threading.Event()
    try:
        yield lambda event: None if interrupted.is_set() else site.observe(event)
    except KeyboardInterrupt:
        interrupted.set()
        site.transport.close()
        hint = f"run it again, or put back what was changed: fleet restore {path}"
        raise Interrupted("interrupted; a change that was under way may be half made", hint=hint) from None


def _chosen(
    given: list[Playbook], tags: list[str], skipped: list[str], most: str | None, inventory: Inventory
) -> Playbook:
    """The steps that are meant. ConfigurationError where a tag or `--max-failures` does not fit."""
    from fleet.codec import load_playbook
    from fleet.plan.steps.selection import joined, picked
    from fleet.provision.agents import own_playbook
    from fleet.provision.rollout import most_failures

    most_failures(most, len(inventory.hosts))
    return picked(joined(given or [load_playbook(str(own_playbook(inventory)))]), tags, skipped)


def _found(name: str) -> str:
    """The path, or that of the shipped playbook where it is a mere name and no such file is here."""
    from fleet.codec.document import home_expanded

    given = Path(home_expanded(name))
    if len(given.parts) > 1 or given.exists():
        return name
    from fleet.provision.agents import shipped_playbook

    return str(shipped_playbook(name))


def _again(inventory: Path, playbooks: list[str], *, dry_run: bool) -> str:
    """The command that goes on: a dry run keeps no record of who failed."""
    words = ["fleet", "provision", str(inventory), *playbooks, "--dry-run" if dry_run else "--only-failed"]
    return shlex.join(words)


def _listed(given: list[str] | None) -> list[str]:
    """`--tags a,b --tags c` is `a`, `b`, `c`."""
    return [part for text in given or [] for part in text.split(",") if part]


def _show(
    name: str, reports: tuple[StepReport, ...], facts: list[Facts], *, dry_run: bool, diff: bool, as_json: bool
) -> None:
    from fleet.ui.showing import show, width_of
    from fleet.ui.stepsheet import provision_lines

    if as_json:
        _print_json(name, reports, facts, dry_run=dry_run)
    else:
        show(provision_lines(reports, width_of(), diff=diff))


def _print_json(name: str, reports: tuple[StepReport, ...], facts: list[Facts], *, dry_run: bool) -> None:
    from fleet.codec import dump
    from fleet.model.playbook import Provisioned

    typer.echo(dump(Provisioned(inventory=name, dry_run=dry_run, reports=reports, facts=tuple(facts))))
