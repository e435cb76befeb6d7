"""The command that prints what files and outputs look like: schema."""

from __future__ import annotations

from typing import Annotated

import typer

from fleet.errors import ConfigurationError

app = typer.Typer()

NAMES = (
    "inventory",
    "playbook",
    "report",
    "simulation",
    "capacity",
    "runs",
    "comparison",
    "trend",
    "history",
    "settings",
)
"""The files that people write, then what `--json` prints: the schemas of the latter ship."""
_COMMANDS = {"bench": "report", "simulate": "simulation", "compare": "comparison"}
"""Commands under whose names people look for the schema of what they print."""


@app.command()
def schema(
    what: Annotated[str, typer.Argument(metavar="NAME", help=f"Which schema: {', '.join(NAMES)}.")] = "inventory",
) -> None:
    """Print the JSON Schema of a file that people write, which editors complete, or of what `--json` prints.

    An editor with the YAML language server takes it from a first line `# yaml-language-server: $schema=FILE`.

    Example: fleet schema inventory > fleet.schema.json
    """
    import json

    from fleet.codec.jsonschema import inventory_schema, playbook_schema
    from fleet.report.structured.run import shipped_schema

    name = _COMMANDS.get(what, what)
    if name not in NAMES:
        raise ConfigurationError(f"no schema {what!r}", hint=f"one of: {', '.join(NAMES)}")
    makers = {"inventory": inventory_schema, "playbook": playbook_schema}
    found = makers[name]() if name in makers else shipped_schema(name)
    typer.echo(json.dumps(found, indent=2))
