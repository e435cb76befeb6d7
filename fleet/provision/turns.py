"""Whose turn it is to change a host: one controller's at a time. Who finds another at it says so, and waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from fleet.errors import ProvisionError
from fleet.model.inventory import Host
from fleet.plan.shell.journal import PATIENCE
from fleet.plan.shell.program import Answer, Piece, answers, program
from fleet.plan.shell.quoting import tame
from fleet.plan.shell.turn import BUSY, LOCK, let_go, lock, sweep
from fleet.ports import Transport
from fleet.transport.controller import controller
from fleet.transport.exchange import exchange

TIDY_SECONDS = 60.0


def patience_for(host: Host, held: Answer | None, patience: int, tell: Callable[[str], None]) -> int:
    """The seconds to wait for the lock the next time, from what the host said of it; `patience`: those of this time.

    `tell` is told who is waited for. ProvisionError where it is of no use to wait.
    """
    if held is None or held.status == 0:
        return patience
    who = " ".join(tame(held.text, 300).split()) or "nobody knows whose"
    if held.status != BUSY:
        raise ProvisionError("nothing was changed: the lock on the host cannot be taken", hint=who)
    if patience:
        waited = f"nothing was changed: another command that changes the host did not end in {PATIENCE // 60} minutes"
        raise ProvisionError(waited, hint=f"it is of {who}")
    tell(f"{host.name}: another command changes it: {who}; waiting for that")
    return PATIENCE


def put(
    transport: Transport,
    host: Host,
    pieces: Sequence[Piece],
    timeout: float,
    tell: Callable[[str], None],
    *,
    root: bool,
    cut_off: Callable[[Mapping[str, Answer]], None] | None = None,
) -> Mapping[str, Answer]:
    """The answers of a program that changes the host, run when no other does. HostError, ProvisionError.

    `cut_off`: is told the answers that had come when the connection was lost.
    """
    whole = tuple(map(let_go, pieces))
    return _taken(
        lambda patience: (lock(host, controller(), patience, root=root), *whole),
        transport,
        host,
        timeout,
        tell,
        root=root,
        cut_off=cut_off,
    )


def wait(transport: Transport, host: Host, timeout: float, tell: Callable[[str], None], *, root: bool) -> None:
    """Return when nobody changes the host, with what those have left who died at it removed. As `put`."""
    _taken(lambda patience: (sweep(host, patience, root=root),), transport, host, timeout, tell, root=root)


def tidy(transport: Transport, host: Host, *, root: bool) -> None:
    """Put in order what a controller that is gone has left there, unless somebody is changing the host. HostError."""
    write = partial(program, (lock(host, controller(), 0, root=root),))
    exchange(transport, host, write, answers, TIDY_SECONDS, sudo=root)


def _taken(
    pieces: Callable[[int], Sequence[Piece]],
    transport: Transport,
    host: Host,
    timeout: float,
    tell: Callable[[str], None],
    *,
    root: bool,
    cut_off: Callable[[Mapping[str, Answer]], None] | None = None,
) -> Mapping[str, Answer]:
    """The answers of a program, sent again with patience where another holds the lock."""
    patience = 0
    while True:
        write = partial(program, pieces(patience))
        found = exchange(transport, host, write, answers, timeout + patience, sudo=root, cut_off=cut_off)
        held = found.get(LOCK)
        if held is None or held.status == 0:
            return found
        patience = patience_for(host, held, patience, tell)
