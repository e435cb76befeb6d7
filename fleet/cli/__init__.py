"""The command line: typed options in, one pipeline call, an exit code out."""

from __future__ import annotations

import copy
import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from fleet import __version__
from fleet.cli import (
    bench,
    bento,
    bundle,
    capacity,
    catalogue,
    hosts,
    init,
    inventory,
    lab,
    provision,
    report,
    runs,
    simulate,
    topics,
    watch,
    worker,
)
from fleet.errors import FleetError, Interrupted

app = typer.Typer(
    name="fleet",
    help="Retune, add a GPU, or add a remote worker? Benchmarks a fleet of GPU hosts and answers with evidence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(bench.app)
app.add_typer(hosts.app)
app.add_typer(provision.app)
app.add_typer(report.app)
app.add_typer(catalogue.app)
app.add_typer(runs.app)
app.add_typer(simulate.app)
app.add_typer(capacity.app)
app.add_typer(lab.app)
app.add_typer(init.app)
app.add_typer(inventory.app)
app.add_typer(worker.app)
app.add_typer(bundle.app)
app.add_typer(watch.app)
app.add_typer(bento.app)
app.add_typer(topics.app)


def _version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"fleet {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=lambda v: _version(asked=v))
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line and leave with its exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        _with_only(sys.argv[1:2])()
    except FleetError as error:
        _give_up(error)
    except KeyboardInterrupt:
        _give_up(Interrupted("interrupted"))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _with_only(words: Sequence[str]) -> typer.Typer:
    """The app with nothing but the command of that name: typer makes each one anew, which takes as long as to connect.

    All of them where the word is none: for the help, and for who has mistyped.
    """
    rooms = [
        group for group in app.registered_groups if group.typer_instance and _names(group.typer_instance) & {*words}
    ]
    if not rooms:
        return app
    small = copy.copy(app)
    small.registered_groups = rooms
    return small


def _names(room: typer.Typer) -> frozenset[str]:
    """What can be typed first to get there."""
    if isinstance(room.info.name, str):
        return frozenset({room.info.name})
    called = (one.name or getattr(one.callback, "__name__", "") for one in room.registered_commands)
    return frozenset(name.replace("_", "-") for name in called)


def _give_up(error: FleetError) -> NoReturn:
    from fleet.ui import screen

    screen.show_error(error)
    sys.exit(error.exit_code)


def _interrupt(number: int, frame: object) -> NoReturn:
    """Treat the polite signals as Ctrl-C: everything that was started is taken down on the way out."""
    del number, frame
    raise KeyboardInterrupt
