"""The commands that look at all hosts' GPUs at once: watch, topology."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.options import AsJson, Backend, InventoryFile
from fleet.errors import HostError

if TYPE_CHECKING:
    from fleet.model.watch import Frame
    from fleet.ui.watchboard import Sort

app = typer.Typer()

_FIRST_PATIENCE = 40.0
"""Seconds for every host to say something, where only one look is wanted; a driver that hangs takes half of it."""


@app.command()
def watch(
    inventory: InventoryFile,
    *,
    interval: Annotated[
        float, typer.Option("--interval", "-n", min=0.1, max=3600, help="Seconds between looks.")
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="One look, as plain lines, and an end.")] = False,
    sort: Annotated[str, typer.Option("--sort", help="host, busy, memory, power or heat.")] = "host",
    match: Annotated[str, typer.Option("--filter", metavar="WORDS", help="Rows of these hosts, groups, models.")] = "",
    as_json: AsJson = False,
    backend: Backend = "auto",
) -> None:
    """Show all hosts' GPUs live, on one screen; plain lines where the output is no terminal. Changes nothing.

    Needs no fleet on the hosts: what has none there is looked at by a shell program (nvidia-smi, /proc).

    Example: fleet watch prod.yaml --sort busy
    """
    import sys
    from contextlib import ExitStack, closing

    from fleet.cli.hosts.checkups import secrets_for, started
    from fleet.codec import load_inventory
    from fleet.measure.watching import Watching
    from fleet.transport.ssh import SshTransport
    from fleet.ui.watch import Watch
    from fleet.ui.watchboard import Wish

    wish = Wish(sort=_sort(sort), filter=match)
    loaded = load_inventory(str(inventory))
    with ExitStack() as stack:
        reached = started(stack, loaded, backend)
        transport = stack.enter_context(closing(SshTransport(*secrets_for(loaded.hosts))))
        shown = Watch(reached.hosts, loaded.name, interval)
        stack.enter_context(Watching(transport, reached.hosts, interval, shown.hear))
        if once:
            frame = shown.wait(_FIRST_PATIENCE + interval)
            if as_json:
                shown.print_json(sys.stdout, once=True)
            else:
                shown.print_plain(sys.stdout, wish)
            return _complain(frame)
        if as_json:
            return shown.print_json(sys.stdout, once=False)
        return shown.show(sys.stdout, wish)


@app.command()
def topology(inventory: InventoryFile, *, as_json: AsJson = False, backend: Backend = "auto") -> None:
    """Draw where each host's GPUs sit: memory nodes, PCIe root ports and switches, NVLink; who shares what.

    Example: fleet topology prod.yaml
    """
    from contextlib import ExitStack, closing

    from fleet.cli.hosts.checkups import started
    from fleet.codec import dump_line, load_inventory
    from fleet.measure.topologies import topologies
    from fleet.model.inventory import DeviceKind
    from fleet.model.topology import Topologies
    from fleet.report.screens.topology import topology_lines
    from fleet.transport.ssh import SshTransport
    from fleet.ui import screen

    with ExitStack() as stack:
        reached = started(stack, load_inventory(str(inventory)), backend)
        found = topologies(stack.enter_context(closing(SshTransport())), reached.hosts)
    if as_json:
        typer.echo(dump_line(Topologies(hosts=found)))
    else:
        for one in found:
            screen.show(topology_lines(one, screen.width_of()))
    declared = {host.name for host in reached.hosts if any(device.kind is DeviceKind.CUDA for device in host.devices)}
    if missing := [one.host for one in found if one.problem and one.host in declared]:
        raise HostError(f"no GPUs seen: {', '.join(missing)}", hint="the lines above say why")


def _sort(name: str) -> Sort:
    from fleet.errors import ConfigurationError
    from fleet.ui.watchboard import Sort

    try:
        return Sort(name)
    except ValueError:
        known = ", ".join(Sort)
        raise ConfigurationError(f"--sort {name}: no such order", hint=f"one of: {known}") from None


def _complain(frame: Frame) -> None:
    """Raise where a host could not be looked at, or a card that it should have."""
    silent = [host.name for host in frame.hosts if host.lost or host.look is None]
    silent += [
        f"{host.name}/{lack.device}"
        for host in frame.hosts
        for lack in host.lacks
        if host.name not in silent and lack.device and lack.field == "*"
    ]
    if silent:
        raise HostError(f"not seen: {', '.join(silent)}", hint="the lines above say why")
