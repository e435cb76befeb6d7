"""One shell program to a host and its answers back, in one round trip."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from fleet.errors import CommandError, HostError
from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.plan.shell.quoting import tame
from fleet.ports import Transport

T = TypeVar("T")

SHELL = ("/bin/sh", "-s")


def fresh_nonce() -> str:
    """A mark that nothing on a host can know beforehand: 128 random bits."""
    return secrets.token_hex(16)


def exchange(
    transport: Transport,
    host: Host,
    write: Callable[[str], str],
    read: Callable[[bytes, str], T],
    timeout: float,
    *,
    sudo: bool = False,
    cut_off: Callable[[T], None] | None = None,
) -> T:
    """Run the program that `write(nonce)` gives on the host; what `read(stdout, nonce)` makes of its answers.

    HostError where the host cannot be reached, or CommandError where `read` raises ValueError. `timeout` in seconds.
    `sudo`: as root, where the host's login goes through sudo. `cut_off`: is told what `read` makes of what had come
    when the connection was lost, or the time was over.
    """
    nonce = fresh_nonce()
    command = Command(argv=SHELL, stdin=write(nonce).encode(), timeout=timeout, sudo=sudo)
    try:
        completed = transport.run(host, command)
    except HostError as error:
        if cut_off is not None:
            with suppress(ValueError):
                cut_off(read(error.heard, nonce))
        raise
    try:
        return read(completed.stdout, nonce)
    except ValueError as error:
        said = " ".join(tame(completed.stderr.decode("utf-8", "replace"), 300).split())
        if completed.truncated:
            said = "it wrote so much that it was cut: does a forced command or a wrapper talk there beside the answer?"
        raise CommandError(str(error), host=host.name, hint=said or None) from error
