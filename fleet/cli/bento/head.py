"""What an operator does with a Bento head by hand: see it, have it to himself, try a layout on it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.hosts.checkups import AskSudo
from fleet.cli.options import AsJson, Backend, InventoryFile, StoreTarget, seconds
from fleet.errors import ConfigurationError, Interrupted, MeasureError

if TYPE_CHECKING:
    from fleet.model.bento import BentoSettings, Tuning
    from fleet.model.inventory import Host, Inventory
    from fleet.model.trial import Layout
    from fleet.transport.ssh import SshTransport
    from fleet.workload.bento.configuration import Draft
    from fleet.workload.bento.guard import Guard

HoldFor = Annotated[
    str | None, typer.Option("--for", metavar="TIME", help="Hold it for so long, such as 30m, else until Ctrl-C.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
_LOOK = 1.0
"""Seconds between two looks at whether it still holds."""


@dataclass(frozen=True, slots=True)
class _Site:
    """A head that can be reached, and the deployment on it as its inventory names it."""

    inventory: Inventory
    head: Host
    settings: BentoSettings
    transport: SshTransport


def status(
    inventory: InventoryFile, *, as_json: AsJson = False, ask_sudo: AskSudo = False, backend: Backend = "auto"
) -> None:
    """Show the Bento deployment on a head: stack, services, GPUs, agents, orders, settings. Changes nothing.

    Example: fleet bento status prod.yaml
    """
    from fleet.codec import dump
    from fleet.report.screens.deployment import deployment_lines
    from fleet.ui import screen
    from fleet.ui.streams import can_show_unicode
    from fleet.workload.bento.discover import discover

    with _reached(inventory, backend, ask_sudo=ask_sudo) as site, screen.working("looking at the head"):
        found = discover(site.transport, site.head, site.settings)
    if as_json:
        typer.echo(dump(found))
    else:
        screen.show(deployment_lines(found, width=screen.width_of(), ascii_only=not can_show_unicode(sys.stdout)))


def isolate(  # noqa: PLR0913 (each is one option of the command)
    inventory: InventoryFile,
    *,
    yes: Annotated[bool, typer.Option("--isolate", help="Consent: stop what is in the way.")] = False,
    patience: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Wait so long for a broker's orders, else to their end."),
    ] = None,
    hold: HoldFor = None,
    dry_run: DryRun = False,
    ask_sudo: AskSudo = False,
    store: StoreTarget = None,
    backend: Backend = "auto",
) -> None:
    """Stop broker, miner and foreign GPU work on a head, hold it so, and start them again: also if this is killed.

    Example: fleet bento isolate prod.yaml --isolate --for 30m
    """
    from fleet.workload.bento.discover import discover
    from fleet.workload.bento.isolation import Consent, in_the_way, isolated

    wait = None if patience is None else seconds("--patience", patience)
    span = None if hold is None else seconds("--for", hold)
    with _reached(inventory, backend, ask_sudo=ask_sudo) as site:
        found = discover(site.transport, site.head, site.settings)
        if dry_run:
            rivals = in_the_way(site.transport, site.head, found)
            _say("\n".join(rivals.lines) or "nothing is in the way")
            return
        consent = Consent(isolate=yes, patience=wait, tell=_say)
        with _guarded(site, store) as guard, isolated(guard, found, consent):
            _say(f"{site.head.name} is yours; everything is started again {_when(hold)}")
            _hold(guard, span)
    _say("everything runs again")


def configure(  # noqa: PLR0913 (each is one option of the command)
    inventory: InventoryFile,
    *,
    agents: Annotated[int, typer.Option(min=1, max=64, help="Agents on each GPU.")] = 1,
    devices: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Only these devices of the head, such as gpu0,gpu1.")
    ] = None,
    po2: Annotated[int | None, typer.Option(min=14, max=30, help="SEGMENT_SIZE (`current.po2`).")] = None,
    executors: Annotated[int | None, typer.Option(min=1, max=64, help="Executors (as many as run).")] = None,
    memory: Annotated[str | None, typer.Option(metavar="SIZE", help="mem_limit of a proving agent.")] = None,
    cpus: Annotated[float | None, typer.Option(min=0.1, max=1024, help="cpus of a proving agent.")] = None,
    poll: Annotated[str | None, typer.Option(metavar="TIME", help="POLL_TIME.")] = None,
    refresh: Annotated[str | None, typer.Option(metavar="TIME", help="STREAM_REFRESH_INTERVAL.")] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the override here, not on stdout.")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show what becomes of the agents, instead.")] = False,
    hold: Annotated[
        str | None, typer.Option("--try", metavar="TIME", help="Run it on the head for so long, then put all back.")
    ] = None,
    ask_sudo: AskSudo = False,
    store: StoreTarget = None,
    backend: Backend = "auto",
) -> None:
    """Make a compose override for a layout, have the head's Compose check it, and print it; --try runs it for a while.

    No file of the operator is touched. Example: fleet bento configure prod.yaml --agents 2 --po2 20 --diff
    """
    from fleet.workload.bento.configuration import draft

    tuning = _tuning(
        executors=executors,
        memory=None if memory is None else _bytes(memory),
        cpus=cpus,
        poll=None if poll is None else seconds("--poll", poll),
        refresh=None if refresh is None else seconds("--refresh", refresh),
    )
    with _reached(inventory, backend, ask_sudo=ask_sudo) as site:
        layout = _layout(site, agents, devices, po2)
        drafted = draft(site.transport, site.head, site.settings, layout, tuning)
        if diff or output or hold is None:
            _deliver(drafted, output, diff=diff)
        if hold is not None:
            _try(site, layout, tuning, hold, store)


def _try(site: _Site, layout: Layout, tuning: Tuning, hold: str, store: str | None) -> None:
    from fleet.workload.bento.configuration import configured
    from fleet.workload.bento.discover import discover

    span = seconds("--try", hold)
    found = discover(site.transport, site.head, site.settings)
    with _guarded(site, store) as guard, configured(guard, found, layout, tuning) as running:
        names = ", ".join(service for _, service in running.services)
        _say(f"{names} of project {running.project} run; everything is put back {_when(hold)}")
        _hold(guard, span)
    _say("everything is as it was")


def _deliver(drafted: Draft, output: Path | None, *, diff: bool) -> None:
    if diff:
        typer.echo(drafted.diff)
    if output is not None:
        try:
            output.write_text(drafted.text, encoding="utf-8")
            output.chmod(0o600)
        except OSError as error:
            raise ConfigurationError(f"{output} cannot be written: {error.strerror}") from None
    elif not diff:
        typer.echo(drafted.text, nl=False)


def _tuning(
    *, executors: int | None, memory: int | None, cpus: float | None, poll: float | None, refresh: float | None
) -> Tuning:
    """What an override for good sets: cleaner and timeouts stay as the operator has them."""
    from fleet.model.bento import Tuning

    return Tuning(
        executors=executors,
        memory=memory,
        cpus=cpus,
        poll=poll,
        refresh=refresh,
        prove_timeout=None,
        join_timeout=None,
        keep_jobs=False,
    )


def _layout(site: _Site, agents: int, devices: str | None, po2: int | None) -> Layout:
    from fleet.plan.trials.layouts import layout_of

    known = {device.name: device for device in site.head.devices}
    names = [name.strip() for name in devices.split(",")] if devices else list(known)
    if missing := [name for name in names if name not in known]:
        raise ConfigurationError(
            f"--devices {missing[0]}: {site.head.name} has no such device", hint=f"one of: {', '.join(known) or 'none'}"
        )
    if not names:
        raise ConfigurationError(f"{site.head.name} declares no device", hint="declare its GPUs as `devices`")
    size = po2 or site.inventory.current.po2
    if size is None:
        raise ConfigurationError("which segment size?", hint="--po2 20, or `current: {po2: 20}` in the inventory")
    return layout_of([(site.head, tuple(known[name] for name in names))], agents, size)


@contextmanager
def _reached(path: Path, backend: str, *, ask_sudo: bool) -> Iterator[_Site]:
    from fleet.cli.hosts.checkups import secrets_for, started
    from fleet.codec import load_inventory
    from fleet.transport.ssh import SshTransport

    loaded = load_inventory(str(path))
    if loaded.bento is None:
        raise ConfigurationError(
            f"{path} names no Bento deployment", hint="add `bento: {compose: /path/to/compose.yml}` to it"
        )
    with ExitStack() as stack:
        secrets = secrets_for([loaded.head], ask_sudo=ask_sudo)
        reached = started(stack, loaded, backend)
        transport = stack.enter_context(closing(SshTransport(*secrets)))
        yield _Site(inventory=reached, head=reached.head, settings=reached.bento or loaded.bento, transport=transport)


@contextmanager
def _guarded(site: _Site, store: str | None) -> Iterator[Guard]:
    """A watch on the head, and its changes in the store; what was stopped is running again when this ends."""
    from fleet.store import open_ledger
    from fleet.workload.bento.guard import Custody, Guard

    with ExitStack() as stack:
        ledger = None if site.head.lab else stack.enter_context(closing(open_ledger(store)))
        try:
            with Guard(site.transport, site.head, Custody(inventory=site.inventory.name, ledger=ledger)) as guard:
                yield guard
        except KeyboardInterrupt:
            raise Interrupted("interrupted; everything that was stopped runs again") from None


def _hold(guard: Guard, span: float | None) -> None:
    """Wait, and see that nothing is put back meanwhile. Ctrl-C is the usual end where no time is given."""
    until = None if span is None else time.monotonic() + span
    try:
        while until is None or time.monotonic() < until:
            if not guard.intact:
                raise MeasureError(guard.why, host=guard.host.name, hint="it is held no more")
            time.sleep(_LOOK if until is None else max(0.0, min(_LOOK, until - time.monotonic())))
    except KeyboardInterrupt:
        if until is not None:
            raise


def _when(hold: str | None) -> str:
    return "on Ctrl-C" if hold is None else f"after {hold}"


def _bytes(text: str) -> int:
    from fleet.units import parse_bytes

    try:
        return parse_bytes(text)
    except ValueError as error:
        raise ConfigurationError(f"--memory {text}: {error}") from None


def _say(text: str) -> None:
    """A note, on standard error, as a page is wide."""
    from fleet.report.lines import wrap
    from fleet.ui import screen

    said = [part for one in text.splitlines() for part in wrap([one], screen.width_of(sys.stderr))]
    screen.show(said, stream=sys.stderr)
