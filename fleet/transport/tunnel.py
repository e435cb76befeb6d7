"""A port of this machine that leads, by SSH, to a port as a host reaches it: for programs that speak TCP only."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from fleet.errors import HostError
from fleet.model.inventory import Host
from fleet.transport.keyring import Keyring
from fleet.transport.link import Link

_CHUNK = 1 << 16


@contextmanager
def tunnel(host: Host, keyring: Keyring, to: tuple[str, int]) -> Iterator[int]:
    """A local port, on 127.0.0.1 only, for as long as this lasts. ConnectError where the host does not get there.

    Whoever else is on this machine meets the far program's own login, as on the host itself.
    """
    # Without a handler Python would print paramiko's own words on the operator's screen.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    with closing(Link(host, keyring)) as link, closing(socket.create_server(("127.0.0.1", 0))) as door:
        link.way_to(*to).close()  # what is wrong is said here, before anybody comes in
        doorman = threading.Thread(target=_let_in, args=(door, link, to), daemon=True)
        doorman.start()
        try:
            yield int(door.getsockname()[1])
        finally:
            # Closing alone would let one more in: whoever waits in accept() is not woken by it.
            with suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)
            doorman.join()


def _let_in(door: socket.socket, link: Link, to: tuple[str, int]) -> None:
    """Lead everybody who comes to the far port, until the door is closed."""
    while True:
        try:
            guest, _ = door.accept()
        except OSError:
            return
        try:
            far = link.way_to(*to)
        except HostError:
            guest.close()
            continue
        far.settimeout(None)
        for source, sink in ((guest, far), (far, guest)):
            threading.Thread(target=_pass_on, args=(source, sink), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    """Bytes from one to the other until either ends; then both do."""
    with suppress(OSError, EOFError):
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    for end in (source, sink):
        # Closed alone, an end that the other thread reads from would stay open, and its guest wait for ever.
        with suppress(OSError, EOFError):
            end.shutdown(socket.SHUT_RDWR)
        with suppress(OSError, EOFError):
            end.close()
