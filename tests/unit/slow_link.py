"""A TCP link of any length on this machine: what goes through comes out later, in order, as fast as it came in.

The kernel here has no netem, so that the delay is a program's: `slow_link(target, one_way)` listens on a port of
its own and passes every connection on. The first `drops` connections are hung up on at once, as by a host that is
flaky.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 64 * 2**10
BACKLOG = 64
AHEAD = 1024
"""Chunks on their way at once, in one direction: 64 MiB, more than any window."""


@contextmanager
def slow_link(
    target: tuple[str, int], one_way: float = 0.0, *, drops: int = 0, address: str = "127.0.0.1"
) -> Iterator[tuple[str, int]]:
    """Where to connect in place of `target`; `one_way` in seconds. Ends with the block, and so do its connections."""
    links: list[socket.socket] = []
    with socket.create_server((address, 0), backlog=BACKLOG) as listener:
        threading.Thread(target=_accept, args=(listener, target, one_way, drops, links), daemon=True).start()
        try:
            yield listener.getsockname()[:2]
        finally:
            for link in (listener, *links):
                with suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)
                link.close()


def _accept(
    listener: socket.socket, target: tuple[str, int], one_way: float, drops: int, links: list[socket.socket]
) -> None:
    with suppress(OSError):
        while True:
            near = listener.accept()[0]
            if drops > 0:
                drops -= 1
                near.close()
                continue
            far = socket.create_connection(target)
            links += (near, far)
            for link in (near, far):
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, sink in ((near, far), (far, near)):
                way: queue.Queue[tuple[float, bytes]] = queue.Queue(AHEAD)
                threading.Thread(target=_receive, args=(source, way, one_way), daemon=True).start()
                threading.Thread(target=_deliver, args=(sink, way), daemon=True).start()


def _receive(source: socket.socket, way: queue.Queue[tuple[float, bytes]], one_way: float) -> None:
    data = b"?"
    while data:
        try:
            data = source.recv(CHUNK)
            if hasattr(socket, "TCP_QUICKACK"):
                # The delay is to be ours alone: sshd waits for an acknowledgement that the kernel holds back for 40 ms.
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        except OSError:
            data = b""
        way.put((time.monotonic() + one_way, data))


def _deliver(sink: socket.socket, way: queue.Queue[tuple[float, bytes]]) -> None:
    with suppress(OSError):
        while True:
            due, data = way.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(data)
