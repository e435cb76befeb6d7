"""The commands over a Bento cluster that is there already."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from fleet.cli.bento.advice import settings
from fleet.cli.bento.head import configure, isolate, status
from fleet.cli.options import AsJson, AtHead, LastJobs, UrlVariable, seconds, timer
from fleet.errors import ConfigurationError

if TYPE_CHECKING:
    from fleet.model.history import History, Knobs
    from fleet.model.inventory import Inventory
    from fleet.workload.bento.records.past import Wanted
    from fleet.workload.bento.records.reading import Place

app = typer.Typer()
group = typer.Typer(no_args_is_help=True, help="A Bento cluster that is there already.")
app.add_typer(group, name="bento")
group.command()(status)
group.command()(isolate)
group.command()(configure)
group.command()(settings)


@group.command()
def analyse(  # noqa: PLR0913 (each is one option of the command)
    source: Annotated[
        str | None, typer.Argument(metavar="DATABASE_URL|INVENTORY", help="The task database, or by SSH to the head.")
    ] = None,
    *,
    variable: UrlVariable = None,
    at: AtHead = None,
    job: Annotated[str | None, typer.Option(metavar="ID", help="Only this job.")] = None,
    last: LastJobs = 20,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Made in the last …, such as 7d.")] = None,
    poll: Annotated[str | None, typer.Option(metavar="TIME", help="The cluster's POLL_TIME, else 1s.")] = None,
    refresh: Annotated[
        str | None, typer.Option(metavar="TIME", help="The cluster's STREAM_REFRESH_INTERVAL, else 5s.")
    ] = None,
    agents: Annotated[
        int | None, typer.Option(min=1, max=1000, help="How many prove, else as many as were seen.")
    ] = None,
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown on stdout.")] = False,
) -> None:
    """Say what a cluster's jobs of the past tell: effective Hz, what binds, what other timers would give. Read-only.

    postgresql:// is the legacy stack, redis:// the current one. A password belongs in PGPASSWORD, PGPASSFILE or
    ~/.pgpass, Redis' in REDISCLI_AUTH. Example: fleet bento analyse prod.yaml --since 7d
    """
    from fleet.model.history import Knobs
    from fleet.workload.bento.records.past import Wanted

    wanted = Wanted(
        job=None if job is None else _uuid(job), last=last, since=None if since is None else seconds("--since", since)
    )
    knobs = Knobs(
        poll=1.0 if poll is None else timer("--poll", poll),
        refresh=5.0 if refresh is None else timer("--refresh", refresh),
        poll_stated=poll is not None,
        refresh_stated=refresh is not None,
        agents=agents,
    )
    _show(past(source, variable, at, wanted, knobs), as_json=as_json, markdown=markdown)


def past(source: str | None, variable: str | None, at: str | None, wanted: Wanted, knobs: Knobs) -> History:
    """What jobs of a cluster's past say; a lab's in the seconds that its devices stand for."""
    from fleet.analyse.history import history
    from fleet.ui import screen
    from fleet.workload.bento.records.past import emulated
    from fleet.workload.bento.records.reading import read_jobs

    haste = _haste(source)
    with reached(source, variable, at) as place:
        read = read_jobs(place, wanted)
    read = read if haste is None else emulated(read, haste)
    with screen.working("replaying"):
        return history(read.archive, read.jobs, knobs, read.workers)


def _haste(source: str | None) -> float | None:
    """Emulated seconds per real second of an inventory's lab; None for other hosts, and a URL, which does not tell."""
    from fleet.codec import load_inventory

    if source is None or "://" in source:
        return None
    inventory = load_inventory(source)
    return inventory.time_scale if inventory.emulated else None


def _show(found: History, *, as_json: bool, markdown: bool) -> None:
    import sys

    from fleet.report.screens.history import history_markdown, history_screen
    from fleet.report.structured.history import history_json
    from fleet.ui import screen
    from fleet.ui.streams import can_show_unicode

    if as_json:
        typer.echo(history_json(found))
    elif markdown:
        typer.echo(history_markdown(found), nl=False)
    else:
        screen.show(history_screen(found, width=screen.width_of(), ascii_only=not can_show_unicode(sys.stdout)))


@contextmanager
def reached(source: str | None, variable: str | None, at: str | None) -> Iterator[Place]:
    """The database, as it can be reached from here for as long as this lasts."""
    from fleet.codec import load_inventory
    from fleet.workload.bento.records.reading import FORMS, place_at

    if (source is None) == (variable is None):
        raise ConfigurationError(
            "name a task database, or an inventory", hint=f"{FORMS}, prod.yaml, or --database-url-env NAME"
        )
    if variable is not None:
        url = os.environ.get(variable)
        if not url:
            raise ConfigurationError(f"--database-url-env {variable}: there is no such variable, or it is empty")
        yield place_at(url, secret=True)
    elif source is not None and "://" in source:
        yield place_at(source, secret=False)
    else:
        with _by_ssh(load_inventory(str(Path(source or ""))), at) as place:
            yield place


def _as_seen_by_head(reached: Inventory, at: str | None) -> Place:
    """The task database: as the operator says, else as the cluster's own files have it, else as the stack is shipped.

    Its password, too, is the env file's where the inventory has a `bento` block.
    """
    from contextlib import closing

    from fleet.cli.hosts.checkups import secrets_for
    from fleet.model.bento import Stack
    from fleet.transport.ssh import SshTransport
    from fleet.workload.bento.discover import seen
    from fleet.workload.bento.records.reading import AS_SEEN_BY_HEAD, place_at
    from fleet.workload.bento.way import place_in

    if at is not None or reached.bento is None:
        return place_at(at or AS_SEEN_BY_HEAD[Stack.LEGACY], secret=False)
    with closing(SshTransport(*secrets_for([reached.head]))) as transport:
        return place_in(seen(transport, reached.head, reached.bento))


@contextmanager
def _by_ssh(inventory: Inventory, at: str | None) -> Iterator[Place]:
    """The database of an inventory's head, by a tunnel that ends with this."""
    from fleet.cli.hosts.checkups import asked_passphrases, started
    from fleet.transport.keyring import Keyring
    from fleet.transport.tunnel import tunnel
    from fleet.workload.bento.records.reading import by_tunnel, endpoint_of

    with ExitStack() as stack:
        reached = started(stack, inventory, "auto")
        place, head = _as_seen_by_head(reached, at), reached.head
        port = stack.enter_context(tunnel(head, Keyring(asked_passphrases([head])), endpoint_of(place)))
        yield by_tunnel(place, port, head.name)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ConfigurationError(
            f"--job {text}: expected a job's id, such as 077270bd-18e0-4824-8035-20758b6dce49"
        ) from None
