"""Commands that add, list, drain and remove remote workers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.hosts.checkups import AskSudo, asked_password
from fleet.cli.options import AsJson, Backend, InventoryFile, PlaybookFile, Seed, StoreTarget
from fleet.cli.worker.joining import Options, add_all
from fleet.errors import ConfigurationError

if TYPE_CHECKING:
    from fleet.model.expansion import Roster
    from fleet.model.inventory import Host, Inventory

app = typer.Typer(name="worker", help="Add, list, drain and remove remote workers.", no_args_is_help=True)

Names = Annotated[list[str], typer.Argument(metavar="NAME…", help="The workers, by their names in the inventory.")]


@app.command("add")
def worker_add(  # noqa: PLR0913 (each is one option of the command)
    inventory: InventoryFile,
    host: Annotated[
        str | None, typer.Argument(metavar="[HOST]", help="ssh://USER@HOST:PORT, or a candidate's name.")
    ] = None,
    *,
    from_file: Annotated[
        str | None, typer.Option("--from", metavar="FILE", help="Many: a URL and its options a line, or YAML.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Its name in the inventory (made of the address).")] = None,
    group: Annotated[str | None, typer.Option(help="Its group in the inventory.")] = None,
    cost: Annotated[str | None, typer.Option(metavar="PRICE", help="What it costs: '1.20/hour', '900 once'.")] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(metavar="DEVICE", help="cpu:4, cuda:2 or a type of the inventory; repeatable (its GPUs)."),
    ] = None,
    python: Annotated[str | None, typer.Option(metavar="PATH", help="Its Python (one that fleet makes there).")] = None,
    trial: Annotated[bool, typer.Option("--trial", help="Measure only: put the host back as it was.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Pin its new host key without asking.")] = False,
    precision: Annotated[float, typer.Option(min=0.5, max=50, help="± % within which the gain is wanted.")] = 4.0,
    pairs: Annotated[int, typer.Option(min=2, max=50, help="At most so many pairs of trials.")] = 6,
    bundle: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What it installs from instead of an index (fleet bundle).")
    ] = None,
    isolate: Annotated[
        bool, typer.Option("--isolate", help="A Bento cluster: stop its broker while it is measured what this adds.")
    ] = False,
    wireguard: Annotated[
        str | None,
        typer.Option(metavar="NETWORK", help="A Bento cluster: reach the head by a tunnel, such as 10.77.0.0/24."),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where the worker reaches the tunnel's head (its SSH address)."),
    ] = None,
    seed: Seed = 1,
    playbook: PlaybookFile = None,
    ask_sudo: AskSudo = False,
    store: StoreTarget = None,
    as_json: AsJson = False,
    backend: Backend = "auto",
) -> None:
    """Trust, survey and provision a host, measure what it adds, and keep it. Run again, it finishes what was cut off.

    Example: fleet worker add prod.yaml ssh://ubuntu@10.0.0.7 --name far-7 --cost 1.20/hour
    """
    from fleet.codec.newcomer import Newcomer, load_newcomers

    if (host is None) == (from_file is None):
        raise ConfigurationError("which worker?", hint="name one host, or a file of them with --from")
    if from_file is not None and any((name, group, cost, device, python)):
        raise ConfigurationError("--name, --group, --cost, --device and --python belong into the file's lines")
    newcomers = (
        (Newcomer(host=host, name=name, group=group, cost=cost, device=tuple(device or ()), python=python),)
        if host is not None
        else load_newcomers(from_file or "")
    )
    options = Options(
        trial=trial,
        yes=yes,
        wanted=precision / 100,
        most=pairs,
        seed=seed,
        playbook=playbook,
        bundle=bundle,
        sudo=asked_password() if ask_sudo else None,
        store=store,
        as_json=as_json,
        backend=backend,
        isolate=isolate,
        wireguard=wireguard,
        endpoint=endpoint,
    )
    add_all(str(inventory), newcomers, options)


@app.command("list")
def worker_list(
    inventory: InventoryFile, *, store: StoreTarget = None, as_json: AsJson = False, backend: Backend = "auto"
) -> None:
    """List the workers: state, devices, who answers, the share of the work that each had last, cost.

    Example: fleet worker list prod.yaml
    """
    from fleet.codec import dump_line, load_inventory
    from fleet.ui import screen
    from fleet.ui.workers import roster_lines

    loaded = load_inventory(str(inventory))
    rows = _rows(loaded, _shares(loaded, store), backend)
    if as_json:
        for row in rows:
            typer.echo(dump_line(row))
        return
    screen.show(roster_lines(rows, loaded.prices, screen.width_of()))


@app.command("drain")
def worker_drain(
    inventory: InventoryFile,
    names: Names,
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Let it have tasks again.")] = False,
    ask_sudo: AskSudo = False,
    backend: Backend = "auto",
) -> None:
    """Give a worker no new task, from now on and in every later run; what it is at finishes.

    Example: fleet worker drain prod.yaml far-7
    """
    from fleet.cli.bento.joining import have_workers_run
    from fleet.cli.worker.leaving import set_drained

    workers = _workers(str(inventory), names)
    have_workers_run(str(inventory), [host.name for host in workers], backend, running=undo, ask_sudo=ask_sudo)
    for host in workers:
        if host.drained is not undo:
            typer.echo(f"{host.name} is {'drained' if host.drained else 'not drained'} already")
            continue
        set_drained(str(inventory), host.name, drained=not undo)
        typer.echo(f"{host.name} gets {'tasks again' if undo else 'no new task'}")


@app.command("remove")
def worker_remove(
    inventory: InventoryFile,
    names: Names,
    *,
    keep_files: Annotated[bool, typer.Option("--keep-files", help="Leave what fleet put there.")] = False,
    ask_sudo: AskSudo = False,
    store: StoreTarget = None,
    backend: Backend = "auto",
) -> None:
    """Drain a worker, stop what fleet started there, put the host back as it was, take it out of the inventory.

    Example: fleet worker remove prod.yaml far-7
    """
    from fleet.cli.worker.leaving import remove_one

    sudo = asked_password() if ask_sudo else None
    for name in names:
        remove_one(str(inventory), name, keep_files=keep_files, sudo=sudo, store=store, backend=backend)


def _workers(path: str, names: list[str]) -> tuple[Host, ...]:
    """The workers of these names. ConfigurationError for one that is none, or half added, and for the head's."""
    from fleet.cli.hosts.checkups import named
    from fleet.cli.worker.entries import again
    from fleet.codec import load_inventory
    from fleet.provision.worker import folder_of, half_added

    loaded = load_inventory(path)
    pending = half_added(folder_of(loaded), loaded)
    for joining in (pending[name] for name in names if name in pending):
        text = f"{joining.host} is half added: it was cut off at `{joining.stage.value}`"
        undo = f"fleet worker remove {path} {joining.host}"
        raise ConfigurationError(text, hint=f"finish it: {again(path, joining)}; or undo it: {undo}")
    hosts = named(loaded, names, "worker")
    for host in hosts:
        if host is loaded.head:
            raise ConfigurationError(f"{host.name} is the head: nothing runs without it")
    return hosts


def _rows(inventory: Inventory, shares: Mapping[str, float], backend: str) -> tuple[Roster, ...]:
    from contextlib import ExitStack, closing

    from fleet.cli.hosts.checkups import secrets_for, started
    from fleet.cli.worker.entries import extended
    from fleet.model.expansion import Roster
    from fleet.model.inventory import Role
    from fleet.provision.worker import folder_of, half_added, silent
    from fleet.transport.ssh import SshTransport

    pending = half_added(folder_of(inventory), inventory)
    whole = extended(inventory.path, *pending.values())
    with ExitStack() as stack:
        reached = started(stack, whole, backend)
        transport = stack.enter_context(closing(SshTransport(*secrets_for(whole.hosts))))
        workers = [host for host in reached.hosts if host.role is not Role.HEAD]
        problems = silent(transport, workers)
    return tuple(
        Roster(
            host=whole.host(host.name),
            problem=problems.get(host.name),
            share=shares.get(host.name),
            stage=pending[host.name].stage if host.name in pending else None,
        )
        for host in workers
    )


def _shares(inventory: Inventory, store: str | None) -> Mapping[str, float]:
    from fleet.analyse.foretell.marginal import shares
    from fleet.cli.wiring import opened_store
    from fleet.cli.worker.joining import last_run

    with opened_store(store) as kept:
        log = last_run(kept, inventory.name)
    return shares(log) if log else {}
