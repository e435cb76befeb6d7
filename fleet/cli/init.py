"""`fleet init`: a few questions, and an inventory to begin with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.inventory import Devices, FleetName, Force, Head, write
from fleet.errors import ConfigurationError

if TYPE_CHECKING:
    from fleet.codec.foreign import Foreign

app = typer.Typer()

_SSH_CONFIG = "~/.ssh/config"


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="Where to write the inventory.")] = Path("fleet.yaml"),
    *,
    name: FleetName = None,
    host: Annotated[
        list[str] | None, typer.Option("--host", help="A host, USER@ADDRESS:PORT or its name in ssh_config; again.")
    ] = None,
    head: Head = None,
    devices: Devices = None,
    ssh_config: Annotated[str, typer.Option("--ssh-config", help="Where hosts are looked for.")] = _SSH_CONFIG,
    force: Force = False,
) -> None:
    """Write a commented inventory: asks for what the options leave open; offers the hosts of ~/.ssh/config.

    Example: fleet init prod.yaml --host ubuntu@10.0.0.1 --host 10.0.0.2 --devices cuda:2
    """
    from fleet.codec.foreign import Wishes, choose, parse_devices, render

    if file.exists() and not force:
        raise ConfigurationError(f"{file} is there already", hint="name another file, or --force")
    known = _known(ssh_config)
    asks = sys.stdin.isatty() and sys.stderr.isatty()
    if not asks and not host:
        raise ConfigurationError("no terminal to ask on", hint="say which hosts: --host ADDRESS, once for each")
    picked = choose(known, host or _ask_hosts(known))
    names = [found.name for found in picked.hosts]
    if asks:
        name = name or _ask("What is the fleet called?", file.stem)
        head = head or (_ask(f"Which host is the head ({', '.join(names)})?", names[0]) if names[1:] else None)
        devices = devices or _ask("What does each host have? cuda:4 = four GPUs, cpu:2 = two cores", "cuda:1")
    wishes = Wishes(name=name or file.stem, head=head, devices=parse_devices(devices) if devices else None)
    write(render(picked, wishes, made_by="`fleet init`"), file, force=force)
    typer.echo(f"next: fleet plan {file}", err=True)


def _known(path: str) -> Foreign | None:
    """The hosts of the SSH configuration; None where there is none."""
    from fleet.codec.document import home_expanded
    from fleet.codec.foreign import Format, load_foreign

    if path == _SSH_CONFIG and not Path(home_expanded(path)).is_file():
        return None
    try:
        return load_foreign(path, Format.SSH)
    except ConfigurationError as error:
        # What others wrote there must not stop who names hosts by their address.
        typer.echo(f"no hosts from {path}: {error.message}", err=True)
        return None


def _ask_hosts(known: Foreign | None) -> list[str]:
    names = [host.name for host in known.hosts if not host.jump] if known else []
    if known and names:
        jumps = ", ".join(host.name for host in known.hosts if host.jump)
        typer.echo(f"Hosts in {known.path}{f' (others are reached through {jumps})' if jumps else ''}:", err=True)
        for at, name in enumerate(names, 1):
            typer.echo(f"  {at:>3}  {name}", err=True)
    question = "Which hosts? Numbers, names or [user@]address[:port], with spaces between"
    words = _ask(question, " ".join(map(str, range(1, len(names) + 1))) or None).replace(",", " ").split()
    return [names[int(w) - 1] if w.isdecimal() and 1 <= int(w) <= len(names) else w for w in words]


def _ask(question: str, default: str | None) -> str:
    answer: str = typer.prompt(question, default=default, err=True)
    return answer.strip()
