"""A run that is at work on a host, seen before anything is put back there, and cut off where that is meant."""

from __future__ import annotations

from fleet.errors import HostError
from fleet.model.inventory import Host
from fleet.plan.bento import watch
from fleet.plan.shell import underway
from fleet.plan.shell.journal import folder_of
from fleet.plan.shell.program import Piece, answers, program
from fleet.ports import Transport
from fleet.transport.controller import controller
from fleet.transport.exchange import exchange

ASK_SECONDS = 30.0


def under_way(transport: Transport, host: Host) -> str | None:
    """Whose run is at work there, and when it was heard of last; None where none is. HostError."""
    return underway.told(_said(transport, host, underway.asking(host)))


def refuse(transport: Transport, host: Host) -> None:
    """HostError where a run is at work there."""
    if (whose := under_way(transport, host)) is not None:
        raise underway.busy(host, whose, "; --insist cuts it off where it holds a Bento head")


def cut_off(transport: Transport, host: Host) -> None:
    """End a run that holds a Bento head: it may change nothing more there. HostError where another is at work."""
    if under_way(transport, host) is not None:
        by = f"`fleet restore --insist` by {controller()} has put everything back"
        _said(transport, host, watch.cut(folder_of(host, root=False), by))
        refuse(transport, host)


def _said(transport: Transport, host: Host, text: str) -> str:
    found = exchange(
        transport,
        host,
        lambda nonce: program([Piece(label="held", text=text)], nonce),
        answers,
        ASK_SECONDS,
        sudo=False,
    )
    answer = found.get("held")
    if answer is None or answer.status != 0:
        raise HostError("whether a run is under way there cannot be told", host=host.name)
    return answer.text
