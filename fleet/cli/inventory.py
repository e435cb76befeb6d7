"""Commands over inventory files: import from other tools, show, graph, export. No host is touched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.idiom import speak_as
from fleet.cli.options import UNWRITABLE, AsJson, InventoryFile
from fleet.errors import ConfigurationError

if TYPE_CHECKING:
    from fleet.codec.foreign import Format

app = typer.Typer(name="inventory", help="Inventories: read other tools', show and export yours.", no_args_is_help=True)

Force = Annotated[bool, typer.Option("--force", help="Overwrite the file.")]
Head = Annotated[str | None, typer.Option("--head", metavar="HOST", help="Which host is the head.")]
Devices = Annotated[
    str | None,
    typer.Option("--devices", metavar="KIND[:COUNT]", help="Devices of hosts that do not say: cuda:4, cpu:2."),
]
FleetName = Annotated[str | None, typer.Option("--name", help="What the fleet is called.")]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Another tool's inventory.")],
    *,
    source: Annotated[
        str | None, typer.Option("--from", help="ansible, ssh, superbench, ray or skypilot; else by its content.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write it here, not to standard output.")] = None,
    name: FleetName = None,
    head: Head = None,
    devices: Devices = None,
    force: Force = False,
) -> None:
    """Turn the inventory of Ansible, SSH, SuperBench, Ray or SkyPilot into fleet's, with comments.

    Example: fleet inventory import hosts.ini -o prod.yaml
    """
    from fleet.codec.foreign import Wishes, load_foreign, parse_devices, render

    foreign = load_foreign(str(file), _format(source))
    wishes = Wishes(name=name, head=head, devices=parse_devices(devices) if devices else None)
    text = render(foreign, wishes)
    write(text, out, force=force)
    for lost in foreign.lost:
        typer.echo(f"not carried over: {lost.text}", err=True)


@app.command()
def show(inventory: InventoryFile, *, as_json: AsJson = False) -> None:
    """Show every host with all that holds for it: its own fields, its group's, the defaults.

    Example: fleet inventory show inventory/lab.yaml
    """
    from fleet.codec import dump, load_inventory
    from fleet.ui import fleets, screen

    loaded = load_inventory(str(inventory))
    speak_as(loaded)
    if as_json:
        typer.echo(dump(loaded))
    else:
        screen.show(fleets.inventory_lines(loaded, screen.width_of()))


@app.command()
def graph(inventory: InventoryFile) -> None:
    """Draw the tree of groups, hosts and devices.

    Example: fleet inventory graph inventory/lab.yaml
    """
    from fleet.codec import load_inventory
    from fleet.ui import fleets, screen

    screen.show(fleets.graph_lines(load_inventory(str(inventory))))


@app.command()
def export(
    inventory: InventoryFile,
    *,
    ansible: Annotated[bool, typer.Option("--ansible", help="As an Ansible inventory in YAML.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write it here, not to standard output.")] = None,
    force: Force = False,
) -> None:
    """Write the inventory for another tool; Ansible is the one there is.

    Example: fleet inventory export prod.yaml --ansible -o hosts.yaml
    """
    from fleet.codec import load_inventory
    from fleet.codec.foreign import ansible_text

    if not ansible:
        raise ConfigurationError("for which tool?", hint="add --ansible")
    save(ansible_text(load_inventory(str(inventory))), out, force=force)


def write(text: str, out: Path | None, *, force: bool) -> None:
    """Print an inventory, or write it to a file, once it is known to load."""
    from fleet.codec import parse_inventory

    parse_inventory(text, str(out or "the inventory"))
    save(text, out, force=force)


def save(text: str, out: Path | None, *, force: bool) -> None:
    """Print a text, or write it to a file that is not there yet. ConfigurationError where it cannot be written."""
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        with out.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise ConfigurationError(f"{out} is there already", hint="name another file, or --force") from None
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}", hint=UNWRITABLE) from error
    typer.echo(f"wrote {out}", err=True)


def _format(text: str | None) -> Format | None:
    from fleet.codec.foreign import Format

    if text is None:
        return None
    if text not in set(Format):
        raise ConfigurationError(f"--from: expected one of {', '.join(Format)}, found {text!r}")
    return Format(text)
