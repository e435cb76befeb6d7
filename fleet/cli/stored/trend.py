"""The trend command: one fleet over time."""

from __future__ import annotations

import difflib
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.idiom import speak_as
from fleet.cli.options import AsJson, StoreTarget, Whole
from fleet.cli.stored.compare import share
from fleet.cli.stored.keeping import looked_at, opened_catalogue
from fleet.cli.wiring import opened_store
from fleet.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleet.model.catalogue import RunEntry

app = typer.Typer()


@app.command()
def trend(
    fleet: Annotated[str, typer.Argument(metavar="FLEET", help="A fleet's name, or its inventory file.")],
    *,
    store: StoreTarget = None,
    threshold: Annotated[str, typer.Option(metavar="SHARE", help="A smaller change is none.")] = "2%",
    whole: Whole = False,
    as_json: AsJson = False,
) -> None:
    """Show what a fleet's layouts gave from run to run, where that has changed, and what had changed there.

    Example: fleet trend lab
    """
    from fleet.analyse.across.trend import trend_of
    from fleet.report.screens.trend import trend_lines
    from fleet.report.structured.trend import trend_json
    from fleet.ui import screen
    from fleet.ui.streams import can_show_unicode

    worth = share("--threshold", threshold)
    with opened_catalogue(store) as kept:
        name = _named(fleet, kept.entries())
        looked_at(kept, store, patience=math.inf, fleet=name)  # half a history may say the opposite of the whole
        digests = kept.digests(name)
        if not digests:
            raise ConfigurationError(f"no run of {name} is finished yet", hint="fleet bench INVENTORY")
        found = trend_of(digests, kept.circumstances, worth=worth)
    if as_json:
        typer.echo(trend_json(found))
        return
    with opened_store(store) as runs:
        speak_as(runs.load(digests[-1].run).inventory)
    plain = not can_show_unicode(sys.stdout)
    screen.show(trend_lines(found, screen.width_of(), whole=whole, ascii_only=plain))


def _named(fleet: str, entries: Sequence[RunEntry]) -> str:
    """The name of a fleet that has runs. ConfigurationError for one that has none."""
    from fleet.codec import load_inventory

    names = sorted({entry.summary.inventory for entry in entries})
    if fleet in names:
        return fleet
    name = load_inventory(fleet).name if Path(fleet).suffix in {".yaml", ".yml"} else fleet
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1)
    known = f"did you mean {near[0]}?" if near else f"there are runs of: {', '.join(names) or 'no fleet yet'}"
    raise ConfigurationError(f"there are no runs of a fleet {name}", hint=known)
