"""Pick the adapters for a command, and release them after it; the composition root."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fleet.cli.bento.road import Allowed, bento_workload, no_steps
from fleet.cli.hosts.checkups import secrets_for
from fleet.cli.idiom import speak_as
from fleet.errors import ConfigurationError, Interrupted

if TYPE_CHECKING:
    from fleet.model.facts import Survey
    from fleet.model.inventory import Host, Inventory
    from fleet.model.playbook import Secret
    from fleet.model.record import RunLog
    from fleet.model.trial import Budget
    from fleet.pipeline import Answer, Parts, Request
    from fleet.ports import Ledger, Observer, Store, Transport, Workload


@contextmanager
def opened_store(target: str | None) -> Iterator[Store]:
    """Open the store that the option names."""
    from fleet.store import open_store

    with closing(open_store(target)) as store:
        yield store


@contextmanager
def opened_ledger(target: str | None) -> Iterator[Ledger]:
    """Open the controller's copy of the journals in the store that the option names."""
    from fleet.store import open_ledger

    with closing(open_ledger(target)) as ledger:
        yield ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the options ask of a run; None = as the inventory, or the run that is resumed, has it."""

    trials: int = 32
    minutes: float = 30.0
    repeats: int = 3
    seed: int = 1
    iterations: int | None = None
    playbook: Path | None = None
    backend: str = "auto"
    resume: str | None = None
    goal: str = "latency"
    money: float | None = None
    ask_sudo: bool = False
    isolate: bool = False


@contextmanager
def road(
    path: Path, store: Store | None, wishes: Wishes, ledger: Ledger | None = None
) -> Iterator[tuple[Parts, Request]]:
    """Pick the adapters for one command and release them after it, in reverse order.

    `ledger`: where changes are recorded beside the hosts' own journals; a lab's are gone with the lab.
    """
    from fleet import ui
    from fleet.codec import load_playbook
    from fleet.model.trial import Goal
    from fleet.pipeline import Request
    from fleet.provision.agents import own_playbook
    from fleet.transport.ssh import SshTransport

    log = store.load(wishes.resume) if store and wishes.resume else None
    if store and log:
        store.claim(log.id)
    loaded = _inventory(path, wishes.iterations, log)
    shipped = no_steps() if loaded.bento else load_playbook(str(own_playbook(loaded)))
    steps = load_playbook(str(wishes.playbook)) if wishes.playbook else shipped
    lab = any(host.lab for host in loaded.hosts)
    ledger = None if lab else ledger
    allowed = Allowed(isolate=wishes.isolate or lab, ledger=ledger)  # a lab's broker is fleet's own
    run = log.id if log else time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(2)
    try:
        with ExitStack() as stack:
            transport = SshTransport(
                *secrets_for(loaded.hosts, ask_sudo=wishes.ask_sudo)
            )  # before anything is drawn: it may ask
            observe = stack.enter_context(ui.observer(sys.stderr))
            parts, reached = _parts(stack, loaded, transport, observe, run=run, backend=wishes.backend)
            if reached.bento is not None:
                made = bento_workload(transport, loaded, reached.bento, observe, allowed, run)
                parts = replace(parts, workload=made)
            yield (
                replace(parts, ledger=ledger),
                Request(
                    run=run,
                    inventory=loaded,
                    reached=reached,
                    playbook=steps,
                    budget=_budget(wishes),
                    seed=wishes.seed,
                    resume=log,
                    goal=Goal(wishes.goal),
                ),
            )
    except KeyboardInterrupt:
        begun = store is not None and any(summary.id == run for summary in store.runs())
        kept = f"go on with: fleet bench {path} --resume {run}" if begun else "nothing was measured yet: begin again"
        raise Interrupted("asked to stop; everything that was started is stopped", hint=kept) from None


def _budget(wishes: Wishes) -> Budget:
    from fleet.model.trial import Budget

    return Budget(trials=wishes.trials, seconds=wishes.minutes * 60, repeats=wishes.repeats, money=wishes.money)


def _inventory(path: Path, iterations: int | None, log: RunLog | None) -> Inventory:
    """The inventory with the load asked for; ConfigurationError where the run to resume was measured on another one."""
    from fleet.codec import load_inventory

    loaded = load_inventory(str(path))
    speak_as(loaded)
    if iterations is None and log:
        iterations = log.inventory.workload.iterations
    if iterations is not None:
        loaded = replace(loaded, workload=replace(loaded.workload, iterations=iterations))
    if log and replace(log.inventory, path=loaded.path) != loaded:
        raise ConfigurationError(
            f"{path} is not the inventory that run {log.id} was measured on",
            hint="resume with the same file and load, or start a new run",
        )
    return loaded


def _parts(
    stack: ExitStack, inventory: Inventory, transport: Transport, observe: Observer, *, run: str, backend: str
) -> tuple[Parts, Inventory]:
    """Start the lab where there is one, and connect the adapters."""
    from fleet.lab.loopback import running
    from fleet.model.event import StageFinished, StageStarted

    reached = inventory
    if any(host.lab for host in inventory.hosts):
        observe(StageStarted(stage="lab"))
        reached = stack.enter_context(running(inventory, backend=backend))
        observe(StageFinished(stage="lab", detail=f"{len(reached.hosts)} hosts on this machine"))
    return _adapters(stack, inventory, transport, observe, run), reached


def _adapters(stack: ExitStack, inventory: Inventory, transport: Transport, observe: Observer, run: str) -> Parts:
    """Connect the adapters; its lab, where it has one, is up."""
    from fleet.measure.clock import SystemClock
    from fleet.pipeline import Parts

    stack.enter_context(closing(transport))

    def workload(hosts: Sequence[Host], surveyed: Survey) -> Workload:
        from fleet.provision.lending import lender
        from fleet.workload.command import CommandWorkload
        from fleet.workload.draining import Draining
        from fleet.workload.synthetic import SyntheticWorkload

        offsets = {offset.host: offset.offset for offset in surveyed.offsets}
        drained = _drained(inventory.path)
        if inventory.command is None:
            proving = SyntheticWorkload(transport, inventory, hosts, run=run, observer=observe, offsets=offsets)
            return Draining(proving, drained)
        lent = lender(transport, surveyed)
        running = CommandWorkload(transport, inventory, hosts, run=run, observer=observe, offsets=offsets, archive=lent)
        return Draining(running, drained)

    return Parts(transport=transport, workload=workload, observe=observe, clock=SystemClock())


def _drained(path: str) -> Callable[[], frozenset[str]]:
    """Who is drained in an inventory file as it is now; while it cannot be read, who was."""
    from fleet.codec import load_inventory

    known: list[tuple[int, frozenset[str]]] = [(0, frozenset())]

    def look() -> frozenset[str]:
        with suppress(OSError, ConfigurationError):
            written = Path(path).stat().st_mtime_ns
            if written != known[-1][0]:
                drained = frozenset(host.name for host in load_inventory(path).hosts if host.drained)
                known[:] = [(written, drained)]
        return known[-1][1]

    return look


@contextmanager
def equipped(inventory: Inventory, run: str, sudo: Secret | None = None) -> Iterator[Parts]:
    """The adapters for an inventory that need not be in a file, its lab being up; released at the end.

    `sudo`: its password, where the operator was asked for it.
    """
    from fleet import ui
    from fleet.transport.ssh import SshTransport

    with ExitStack() as stack:
        transport = SshTransport(*secrets_for(inventory.hosts, sudo=sudo))
        yield _adapters(stack, inventory, transport, stack.enter_context(ui.observer(sys.stderr)), run)


def show_answer(answer: Answer, *, as_json: bool, markdown: bool = False, whole: bool = False) -> None:
    """Print the report in the form asked for, then raise what was missing, if anything was."""
    from fleet.report.markdown import markdown as markdown_of
    from fleet.report.structured.run import to_json
    from fleet.ui import screen

    if as_json:
        typer.echo(to_json(answer.report))
    elif markdown:
        typer.echo(markdown_of(answer.report))
    else:
        screen.show_report(answer.report, whole=whole)
    if answer.trouble:
        raise answer.trouble
