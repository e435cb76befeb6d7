"""A TCP connection that sends and acknowledges at once.

Commands are small packets in a row, which Nagle's algorithm holds back for 40 ms; sshd has it on, and then waits for an
acknowledgement that the kernel would delay as long.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

DEAD_AFTER_MS = 45_000
"""Milliseconds that sent bytes may stay unacknowledged before the kernel gives the connection up."""


def connected(address: str, port: int, timeout: float) -> socket.socket:
    """A connection to the first of the address's IPv6 and IPv4 addresses that takes us. OSError where none does."""
    # As bytes a plain name is looked up as it stands; for a text Python first loads its tables of international names.
    name: Any = address.encode() if address.isascii() else address
    link = _Prompt(fileno=socket.create_connection((name, port), timeout).detach())
    link.settimeout(timeout)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER_MS)
    return link


class _Prompt(socket.socket):
    """A socket that asks the kernel to be quick again each time it has read: the kernel forgets."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        data = super().recv(size, flags)
        if hasattr(socket, "TCP_QUICKACK"):
            with suppress(OSError):
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data
