"""The command that prints what files and outputs look like: schema."""

from __future__ import annotations

from typing import Annotated

import typer

from fleet.errors import ConfigurationError

app = typer.Typer()


@app.command()
def schema(
    what: Annotated[
        str, typer.Argument(metavar="inventory|playbook|report|simulation|capacity|history", help="Which schema.")
    ] = "inventory",
) -> None:
    """Print the JSON Schema of a file that people write, which editors complete, or of what `--json` prints.

    An editor with the YAML language server takes it from a first line `# yaml-language-server: $schema=FILE`.

    Example: fleet schema inventory > fleet.schema.json
    """
    import json

    from fleet.codec.jsonschema import inventory_schema, playbook_schema
    from fleet.report.computed import capacity_schema, simulation_schema
    from fleet.report.historyjson import history_schema
    from fleet.report.jsonreport import schema as report_schema

    makers = {
        "inventory": inventory_schema,
        "playbook": playbook_schema,
        "report": report_schema,
        "simulation": simulation_schema,
        "capacity": capacity_schema,
        "history": history_schema,
    }
    if what not in makers:
        raise ConfigurationError(f"no schema {what!r}", hint=f"one of: {', '.join(makers)}")
    typer.echo(json.dumps(makers[what](), indent=2))
