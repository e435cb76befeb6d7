"""The command line: typed options in, one pipeline call, an exit code out."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, NoReturn

import typer

from fleet import __version__
from fleet.errors import FleetError, Interrupted

ROOMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "bench": ("bench", "plan"),
        "hosts.checkups": ("trust", "doctor"),
        "hosts.provision": ("provision", "restore"),
        "stored.report": ("report",),
        "stored.catalogue": ("runs", "tag", "note"),
        "stored.compare": ("compare",),
        "stored.trend": ("trend",),
        "stored.export": ("export",),
        "superbench": ("superbench",),
        "schema": ("schema",),
        "stored.simulate": ("simulate",),
        "stored.capacity": ("capacity",),
        "lab": ("lab",),
        "init": ("init",),
        "inventory": ("inventory",),
        "worker.commands": ("worker",),
        "hosts.bundle": ("bundle",),
        "hosts.watch": ("watch", "topology"),
        "bento.commands": ("bento",),
        "topics": ("help",),
    }
)
"""The modules with commands, as the help lists them, and what is typed for each: only the module asked for is loaded.

To load them all, and to have typer make each of their commands, takes as long as to connect to a host.
"""


_BEGIN = (
    "Without hardware: fleet bench inventory/lab.yaml"
    "\n\nYour own hosts: fleet init, then fleet doctor, fleet plan and fleet bench"
    "\n\nHow it works, and what a message means: fleet help"
)
"""What somebody types first; it stands last, where the eye is."""


def _version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"fleet {__version__}")
        raise typer.Exit


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
        done = _with([room for room, words in ROOMS.items() if {*words} & {*sys.argv[1:2]}] or ROOMS)(
            standalone_mode=False
        )
    except FleetError as error:
        _give_up(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (KeyboardInterrupt, typer.Abort):
        _give_up(Interrupted(_ASKED))
    except Exception as error:  # noqa: BLE001 (what nobody foresaw is shown as everything else is)
        _unforeseen(error)
    if done == Interrupted.exit_code:
        _give_up(Interrupted(_ASKED))
    sys.exit(done if isinstance(done, int) else 0)


_ASKED = "asked to stop"


def _unforeseen(error: Exception) -> NoReturn:
    """A command line that cannot be read, or a mistake; a group that was named alone shows its help."""
    from typer.exceptions import TyperException

    from fleet.cli.mishaps import mistake, mistyped

    if not isinstance(error, TyperException):
        _give_up(mistake(error))
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message())
        sys.exit(0)
    _give_up(mistyped(error))


def whole() -> typer.Typer:
    """Every command: for the help, and for who has mistyped."""
    return _with(ROOMS)


def _with(rooms: Iterable[str]) -> typer.Typer:
    """The commands of these modules."""
    app = typer.Typer(
        name="fleet",
        help="Retune, add a GPU, or add a remote worker? Benchmarks a fleet of GPU hosts and answers with evidence.",
        epilog=_BEGIN,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for room in rooms:
        app.add_typer(import_module(f"fleet.cli.{room}").app)
    return app


def _give_up(error: FleetError) -> NoReturn:
    from fleet.ui import screen

    screen.show_error(error)
    sys.exit(error.exit_code)


def _interrupt(number: int, frame: object) -> NoReturn:
    """Treat the polite signals as Ctrl-C: everything that was started is taken down on the way out."""
    del number, frame
    raise KeyboardInterrupt
