"""The command that says how to set a Bento cluster, from a stored run, its task database, or both."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.bento.past import Source, past
from fleet.cli.options import AsJson, AtHead, LastJobs, StoreTarget, UrlVariable
from fleet.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from fleet.model.advice import Settings
    from fleet.model.inventory import Inventory


def settings(
    source: Annotated[
        str | None, typer.Argument(metavar="[RUN|DATABASE_URL|INVENTORY]", help="What it is learned from.")
    ] = None,
    *,
    variable: UrlVariable = None,
    at: AtHead = None,
    last: LastJobs = 20,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FOLDER", help="Write the files there; none is overwritten.")
    ] = None,
    store: StoreTarget = None,
    as_json: AsJson = False,
) -> None:
    """Recommend settings: segment size, agents, timers, peak_prove_khz, each with its gain and evidence.

    Ready files: lines of the env file, a compose override (with an INVENTORY that has `bento`), the broker's lines.
    Nothing is changed anywhere. Example: fleet bento settings prod.yaml --write ready
    """
    from fleet.report.screens.advice import advice_json, advice_screen
    from fleet.ui import screen
    from fleet.ui.streams import can_show_unicode

    found, inventory = _asked(source, variable, at, last, store)
    files = tuple(_files(found, inventory))
    if write is not None:
        _write(write, files)
    if as_json:
        typer.echo(advice_json(found, files))
        return
    screen.show(advice_screen(found, files, width=screen.width_of(), ascii_only=not can_show_unicode(sys.stdout)))


def _asked(
    source: str | None, variable: str | None, at: str | None, last: int, store: str | None
) -> tuple[Settings, Inventory | None]:
    """What is recommended, and the inventory where one was named."""
    from fleet.analyse.advice import advice_of_run, merged
    from fleet.cli.wiring import opened_store

    named = Source(named=source, variable=variable, at=at)
    if variable is not None or (source is not None and "://" in source):
        return _of_the_past(named, last), None
    if source is None or not Path(source).is_file():
        if source is not None and Path(source).suffix in {".yaml", ".yml"}:
            raise ConfigurationError(f"{source}: there is no such file")
        with opened_store(store) as kept:
            return advice_of_run(kept.load(source or "latest")), None
    inventory = named.inventory
    found = _of_the_past(named, last)
    run = _last_run(inventory, store) if inventory else None
    return (merged(run, found) if run else found), inventory


def _of_the_past(source: Source, last: int) -> Settings:
    from fleet.analyse.advice import advice_of_history
    from fleet.model.history import Knobs
    from fleet.workload.bento.records.past import Wanted

    return advice_of_history(past(source, Wanted(last=last), Knobs()))


def _last_run(inventory: Inventory, store: str | None) -> Settings | None:
    """What the fleet's newest run says; None where it has none that counts."""
    from fleet.analyse.advice import advice_of_run
    from fleet.cli.wiring import opened_store
    from fleet.cli.worker.joining import last_run

    with opened_store(store) as kept:
        log = last_run(kept, inventory.name)
    try:
        return advice_of_run(log) if log else None
    except ConfigurationError:
        return None


def _files(found: Settings, inventory: Inventory | None) -> Iterator[tuple[str, str]]:
    """The files made of it: name and text."""
    from fleet.analyse.advice import EMULATED
    from fleet.plan.bento.settings import broker_lines, env_lines

    mark = f"# {EMULATED}\n" if found.emulated else ""
    if lines := env_lines(found):
        yield "fleet.env", mark + "\n".join(lines) + "\n"
    if inventory is not None and (text := _override(found, inventory)):
        yield "compose.fleet.yml", mark + text
    if lines := broker_lines(found):
        yield "broker.fleet.toml", mark + "\n".join(lines) + "\n"


def _override(found: Settings, inventory: Inventory) -> str | None:
    """The override for the compose file that the head has."""
    from contextlib import ExitStack, closing

    from fleet.cli.hosts.checkups import secrets_for, started
    from fleet.codec.composeyaml import write_compose
    from fleet.plan.bento.settings import override_tree
    from fleet.transport.ssh import SshTransport
    from fleet.workload.bento.discover import seen

    if not found.changed:
        return None
    with ExitStack() as stack:
        reached = started(stack, inventory, "auto")
        if reached.bento is None:
            return None
        transport = stack.enter_context(closing(SshTransport(*secrets_for([reached.head]))))
        sight = seen(transport, reached.head, reached.bento)
    tree = override_tree(found, sight, reached.head)
    return None if tree is None else write_compose(tree)


def _write(folder: Path, files: tuple[tuple[str, str], ...]) -> None:
    """The files, whole or not at all. ConfigurationError where one is there already."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files:
            with (folder / name).open("x", encoding="utf-8") as stream:
                stream.write(text)
    except FileExistsError as error:
        raise ConfigurationError(f"{error.filename} is there already", hint="name another folder") from None
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror}", hint="name another folder") from error
