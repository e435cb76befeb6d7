"""The commands over a Bento cluster that is there already."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from fleet.cli.bento.advice import settings
from fleet.cli.bento.head import configure, isolate, status
from fleet.cli.options import AsJson, AtHead, LastJobs, UrlVariable, seconds, timer
from fleet.errors import ConfigurationError

if TYPE_CHECKING:
    from fleet.model.history import History, Knobs

app = typer.Typer()
group = typer.Typer(no_args_is_help=True, help="A Bento cluster that is there already.")
app.add_typer(group, name="bento")
group.command()(status)
group.command()(isolate)
group.command()(configure)
group.command()(settings)

Cluster = Annotated[
    str | None, typer.Argument(metavar="DATABASE_URL|INVENTORY", help="The task database, or by SSH to the head.")
]
Job = Annotated[str | None, typer.Option(metavar="ID", help="Only this job.")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="Made in the last …, such as 7d.")]
Poll = Annotated[str | None, typer.Option(metavar="TIME", help="Its POLL_TIME, else as records or files have it.")]
Refresh = Annotated[str | None, typer.Option(metavar="TIME", help="Its STREAM_REFRESH_INTERVAL, likewise.")]
Agents = Annotated[int | None, typer.Option(min=1, max=1000, help="How many prove, else as many as were seen.")]
AsMarkdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown on stdout.")]


@group.command()
def analyse(  # noqa: PLR0913 (each is one option of the command)
    source: Cluster = None,
    *,
    variable: UrlVariable = None,
    at: AtHead = None,
    job: Job = None,
    last: LastJobs = 20,
    since: Since = None,
    poll: Poll = None,
    refresh: Refresh = None,
    agents: Agents = None,
    as_json: AsJson = False,
    markdown: AsMarkdown = False,
) -> None:
    """Say what a cluster's jobs of the past tell: effective Hz, what binds, what other timers would give. Read-only.

    postgresql:// is the legacy stack, redis:// the current one. A password belongs in PGPASSWORD, PGPASSFILE or
    ~/.pgpass, Redis' in REDISCLI_AUTH. Example: fleet bento analyse prod.yaml --since 7d
    """
    from fleet.cli.bento import past
    from fleet.workload.bento.records.past import Wanted

    wanted = Wanted(
        job=None if job is None else _uuid(job), last=last, since=None if since is None else seconds("--since", since)
    )
    named = past.Source(named=source, variable=variable, at=at)
    _show(past.past(named, wanted, _knobs(poll, refresh, agents)), as_json=as_json, markdown=markdown)


def _knobs(poll: str | None, refresh: str | None, agents: int | None) -> Knobs:
    """What the operator states, beside what the stack is shipped with."""
    from fleet.model.history import Knobs

    shipped = Knobs()
    return Knobs(
        poll=shipped.poll if poll is None else timer("--poll", poll),
        refresh=shipped.refresh if refresh is None else timer("--refresh", refresh),
        poll_stated=poll is not None,
        refresh_stated=refresh is not None,
        agents=agents,
    )


def _show(found: History, *, as_json: bool, markdown: bool) -> None:
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


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ConfigurationError(
            f"--job {text}: expected a job's id, such as 077270bd-18e0-4824-8035-20758b6dce49"
        ) from None
