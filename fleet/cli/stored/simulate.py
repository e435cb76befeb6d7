"""The what-if command, over a stored run."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from fleet.cli.idiom import speak_as
from fleet.cli.options import AsJson, Months, RunName, StoreTarget, seconds, timer
from fleet.cli.wiring import opened_store
from fleet.errors import ConfigurationError

app = typer.Typer()

_COUNT = re.compile(r"[+-]?[0-9]{1,3}\Z")


@app.command()
def simulate(  # noqa: PLR0913 (each is one option of the command)
    run: RunName = "latest",
    *,
    gpus: Annotated[str, typer.Option(metavar="+N", help="So many GPUs more in the box, or fewer (-N).")] = "0",
    remote: Annotated[str, typer.Option(metavar="+N", help="So many remote workers more, or fewer (-N).")] = "0",
    po2: Annotated[int | None, typer.Option(min=10, max=30, help="Segments of 2^po2 cycles.")] = None,
    agents: Annotated[int | None, typer.Option(min=1, max=16, help="Agents on each device.")] = None,
    rtt: Annotated[str, typer.Option(metavar="TIME", help="Remote workers further away by this round trip.")] = "0",
    poll: Annotated[
        str | None, typer.Option(metavar="TIME", help="Agents ask for work this often (0: at once).")
    ] = None,
    refresh: Annotated[
        str | None, typer.Option(metavar="TIME", help="What they see is refreshed this often (legacy stack: 5s).")
    ] = None,
    optimise: Annotated[bool, typer.Option("--optimise", help="Compare everything that is feasible.")] = False,
    months: Months = 24.0,
    store: StoreTarget = None,
    as_json: AsJson = False,
) -> None:
    """Replay a stored run with something changed: what it gives, how surely, which wait it removes.

    Example: fleet simulate latest --gpus +1 --remote +2
    """
    from fleet.analyse.foretell.simulate import simulate as ask
    from fleet.cli.premises import planning
    from fleet.cli.stored.replaying import replaying
    from fleet.model.simulation import Change
    from fleet.report.screens.simulation import simulation_screen
    from fleet.report.structured.computed import simulation_json
    from fleet.ui.streams import can_show_unicode

    change = Change(
        gpus=_count("--gpus", gpus),
        remotes=_count("--remote", remote),
        po2=po2,
        agents=agents,
        rtt=seconds("--rtt", rtt),
        poll=None if poll is None else timer("--poll", poll),
        refresh=None if refresh is None else timer("--refresh", refresh),
    )
    with opened_store(store) as kept:
        log = kept.load(run)
    speak_as(log.inventory)
    with replaying():
        found = ask(log, change, planning(), search=optimise, months=months)
    if as_json:
        typer.echo(simulation_json(found))
        return
    import sys

    from fleet.ui import screen

    lines = simulation_screen(found, width=screen.width_of(), ascii_only=not can_show_unicode(sys.stdout))
    screen.show(lines)


def _count(option: str, text: str) -> int:
    if not _COUNT.match(text.strip()):
        raise ConfigurationError(f"{option} {text}: expected how many more or fewer, such as +1 or -1")
    return int(text)
