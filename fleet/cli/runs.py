"""The command that prints what files and outputs look like: schema."""

from __future__ import annotations

from typing import Annotated

import typer

from fleet.errors import ConfigurationError

app = typer.Typer()


@app.command()
def schema(
    what: Annotated[
        str, typer.Argument(metavar="inventory|report|simulation|capacity|history", help="Which schema.")
    ] = "inventory",
) -> None:
    """Print the JSON Schema of the inventory file, or of what report, simulate or capacity print with `--json`.

    Example: fleet schema inventory
    """
    import json

    from fleet.codec import inventory_schema
    from fleet.report import schema as report_schema
    from fleet.report.computed import capacity_schema, simulation_schema
    from fleet.report.historyjson import history_schema

    makers = {
        "inventory": inventory_schema,
        "report": report_schema,
        "simulation": simulation_schema,
        "capacity": capacity_schema,
        "history": history_schema,
    }
    if what not in makers:
        raise ConfigurationError(f"no schema {what!r}", hint=f"one of: {', '.join(makers)}")
    typer.echo(json.dumps(makers[what](), indent=2))
