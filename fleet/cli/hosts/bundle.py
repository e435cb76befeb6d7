"""The command for hosts without internet: everything they need as one archive, made here and brought to them."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.options import Backend
from fleet.errors import ConfigurationError, HostError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleet.model.bundle import Bundle, Target
    from fleet.model.inventory import Host, Inventory
    from fleet.ports import Transport

app = typer.Typer()


@app.command()
def bundle(
    words: Annotated[list[str], typer.Argument(metavar="[INVENTORY] OUT", help="Whose hosts, and the archive.")],
    *,
    python: Annotated[str | None, typer.Option(help="For hosts with this Python, such as 3.11.")] = None,
    arch: Annotated[str, typer.Option(help="… and this machine: x86_64 or aarch64.")] = "x86_64",
    push: Annotated[
        bool, typer.Option("--push", help="Bring it to the inventory's hosts; made before if need be.")
    ] = False,
    limit: Annotated[list[str] | None, typer.Option("--limit", metavar="HOST", help="Only this host; again.")] = None,
    backend: Backend = "auto",
) -> None:
    """Pack what agents need (Ray, fleet and all below them) for hosts without internet, checked against fleet's lock.

    Example: fleet bundle prod.yaml agents.tar --push
    """
    from fleet.provision.bundle import make, read, target

    out = Path(words[-1])
    if len(words) == 1:
        if python is None or push or limit:
            hint = "an inventory, or --python 3.11 --arch x86_64; --push and --limit need an inventory"
            raise ConfigurationError("for which hosts?", hint=hint)
        _said(make([target(python, arch)], out, _say), out)
        return
    if len(words) > 2:  # noqa: PLR2004 (an inventory and an archive)
        raise ConfigurationError(f"expected [INVENTORY] OUT, found {len(words)} words")
    with ExitStack() as stack:
        transport, kinds = _kinds(stack, words[0], limit or [], backend)
        if push and out.exists():
            found = read(out)
        else:
            wanted = {target(one.python, one.arch) for one in kinds.values()}
            found = make(sorted(wanted), out, _say)
            _said(found, out)
        if push:
            _push(transport, out, found, kinds)


def _kinds(stack: ExitStack, inventory: str, limit: list[str], backend: str) -> tuple[Transport, Mapping[Host, Target]]:
    """The hosts as they are reached, each with its kind; who does not answer is said and left out. HostError: none."""
    from fleet.cli.hosts.checkups import named, secrets_for, started
    from fleet.codec import load_inventory
    from fleet.transport.ssh import SshTransport

    loaded = load_inventory(inventory)
    wanted = [host.name for host in named(loaded, limit, "--limit") or loaded.hosts]
    reached = started(stack, loaded, backend)
    transport = stack.enter_context(closing(SshTransport(*secrets_for(loaded.hosts))))
    kinds = _asked(transport, reached, wanted)
    if not kinds:
        raise HostError("no host says what it needs", hint="say it: --python 3.11 --arch x86_64")
    return transport, kinds


def _asked(transport: Transport, reached: Inventory, names: Sequence[str]) -> Mapping[Host, Target]:
    """The kinds of these hosts; who does not tell is said and left out."""
    from dataclasses import replace

    from fleet.measure.clock import SystemClock
    from fleet.provision.delivery import kind_of
    from fleet.provision.survey import survey

    hosts = tuple(reached.host(name) for name in names)
    seen = survey(transport, replace(reached, hosts=hosts), lambda _: None, SystemClock())
    for failure in seen.failures:
        _say(f"{failure.host} is left out: {failure.message}")
    pythons = {facts.host: facts.python for facts in seen.facts if facts.python}
    return {host: kind_of(transport, host, pythons[host.name]) for host in hosts if host.name in pythons}


def bring(transport: Transport, reached: Inventory, name: str, path: Path) -> None:
    """Bring a bundle to one host. HostError; ConfigurationError where the file is no bundle."""
    from fleet.provision.bundle import read
    from fleet.provision.delivery import deliver

    found = read(path)
    for host, kind in _asked(transport, reached, [name]).items():
        deliver(transport, host, path, found, kind, _say)


def _push(transport: Transport, out: Path, found: Bundle, kinds: Mapping[Host, Target]) -> None:
    from fleet.provision.delivery import deliver
    from fleet.transport.fanout import fanout

    def send(host: Host) -> int:
        return deliver(transport, host, out, found, kinds[host], _say)

    failed = []
    for host, answer in fanout(send, tuple(kinds)):
        if isinstance(answer, HostError):
            failed.append(host.name)
            typer.echo(f"not brought: {answer}")
        else:
            typer.echo(f"{host.name}: complete, {answer / 1e6:,.1f} MB sent")
    if failed:
        raise HostError(f"without the bundle: {', '.join(failed)}", hint="the same command goes on where it stopped")


def _said(found: Bundle, out: Path) -> None:
    size = sum(file.size for file in found.files)
    made_for = "; ".join(map(str, found.targets))
    typer.echo(
        f"{out}: {len(found.files)} wheels, {size / 1e6:,.1f} MB, fleet {found.fleet}, Ray {found.ray}, {made_for}"
    )


def _say(text: str) -> None:
    typer.echo(text, err=True)
