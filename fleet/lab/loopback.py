"""Labs on loopback addresses, without root: an inventory's lab hosts, started before a run and ended after it, or kept.

A kept lab belongs to its inventory file and user. What a lab leaves behind are its keys, homes and logs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fleet.errors import ConfigurationError
from fleet.lab.bento import stack
from fleet.lab.layout import Layout, dressed, lab_directory
from fleet.lab.servers import Backend, Lab, answers, end_kept, kept_keeper
from fleet.model.inventory import Host, Inventory


@contextmanager
def running(inventory: Inventory, *, backend: str = Backend.AUTO) -> Iterator[Inventory]:
    """The inventory with its lab hosts up and completed; they end with the block unless the lab is a kept one."""
    directory = lab_directory(inventory)
    hosts = _lab_hosts(inventory)
    if not hosts or _is_up(inventory, hosts):
        yield dressed(inventory, directory)
        return
    layout = Layout(directory)
    try:
        with _lab(inventory, hosts, layout, backend), stack.running(inventory, layout):
            yield dressed(inventory, directory)
    finally:
        stack.forget(inventory, layout)


def up(inventory: Inventory, *, backend: str = Backend.AUTO) -> tuple[str, ...]:
    """Start the lab's hosts and keep them; in lines for the operator."""
    hosts = _lab_hosts(inventory)
    if not hosts:
        raise ConfigurationError(f"{inventory.path} has no lab hosts", hint="give its hosts a `lab:` key")
    if _is_up(inventory, hosts):
        return ("the lab is up already", *status(inventory))
    layout = Layout(lab_directory(inventory))
    lab = _lab(inventory, hosts, layout, backend, kept=True)
    try:
        stack.bring_up(inventory, layout)
    except BaseException:
        lab.close()
        end_kept(layout)
        raise
    lab.close()
    return (f"the lab is up, served by {_WORDS[lab.backend]}", *status(inventory))


def status(inventory: Inventory) -> tuple[str, ...]:
    """A line for each lab host: its address, and whether a server answers there."""
    hosts = _lab_hosts(inventory)
    width = max((len(host.name) for host in hosts), default=0)
    return tuple(
        f"{host.name:<{width}}  {host.login.address}:{host.login.port}  {'up' if answers(host) else 'down'}"
        for host in hosts
    )


def down(inventory: Inventory) -> tuple[str, ...]:
    """End a kept lab; in lines for the operator."""
    layout = Layout(lab_directory(inventory))
    if kept_keeper(layout) is not None:
        stack.take_down(inventory, layout)
    ended = end_kept(layout)
    stack.forget(inventory, layout)
    return ("the lab is down" if ended else "the lab was not up",)


_WORDS = {Backend.OPENSSH: "OpenSSH", Backend.BUILTIN: "fleet's own server"}


def _lab(inventory: Inventory, hosts: tuple[Host, ...], layout: Layout, backend: str, *, kept: bool = False) -> Lab:
    """The servers, with what a head with a Bento needs beside them."""
    beside, chosen = stack.beside(inventory, layout), _backend(backend)
    if beside and chosen is Backend.BUILTIN:
        raise ConfigurationError("a lab with Bento is served by OpenSSH only", hint="leave --lab-backend out")
    chosen = Backend.OPENSSH if beside else chosen
    return Lab(hosts, layout, backend=chosen, kept=kept, beside=beside, cluster=bool(beside))


def _lab_hosts(inventory: Inventory) -> tuple[Host, ...]:
    return tuple(host for host in inventory.hosts if host.lab)


def _is_up(inventory: Inventory, hosts: tuple[Host, ...]) -> bool:
    """Whether a kept lab is up. ConfigurationError where it is, but not with all these hosts."""
    if kept_keeper(Layout(lab_directory(inventory))) is None:
        return False
    silent = [host.name for host in hosts if not answers(host)]
    if silent:
        raise ConfigurationError(
            f"the kept lab of {inventory.name} does not serve {', '.join(silent)}",
            hint=f"the inventory has changed or a server has died: fleet lab down {inventory.path}, then up",
        )
    return True


def _backend(name: str) -> Backend:
    try:
        return Backend(name)
    except ValueError:
        hint = f"use one of {', '.join(Backend)}"
        raise ConfigurationError(f"{name!r} is no lab backend", hint=hint) from None
