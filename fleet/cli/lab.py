"""Commands that keep a lab: up, status, down."""

from __future__ import annotations

import typer

from fleet.cli.options import Backend, InventoryFile

app = typer.Typer(name="lab", help="Hosts made on this machine, to try fleet without hardware.", no_args_is_help=True)


@app.command("up")
def lab_up(inventory: InventoryFile, *, backend: Backend = "auto") -> None:
    """Start the lab's hosts and keep them.

    Example: fleet lab up inventory/lab.yaml
    """
    from fleet.codec import load_inventory
    from fleet.lab import loopback

    for line in loopback.up(load_inventory(str(inventory)), backend=backend):
        typer.echo(line)


@app.command("status")
def lab_status(inventory: InventoryFile) -> None:
    """Say which of the lab's hosts are up.

    Example: fleet lab status inventory/lab.yaml
    """
    from fleet.codec import load_inventory
    from fleet.lab import loopback

    for line in loopback.status(load_inventory(str(inventory))):
        typer.echo(line)


@app.command("down")
def lab_down(inventory: InventoryFile) -> None:
    """Stop the lab's hosts.

    Example: fleet lab down inventory/lab.yaml
    """
    from fleet.codec import load_inventory
    from fleet.lab import loopback

    for line in loopback.down(load_inventory(str(inventory))):
        typer.echo(line)
