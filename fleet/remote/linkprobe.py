"""Both ends of a link test between two hosts. It is sent to them as text: no fleet is there yet.

Standard library only, any Python from 3.8 on. One JSON order comes on stdin. To listen: bind ports, say which, then
serve whoever knows the token until stdin ends. To call: try ports of other hosts, measure where asked to, say what came
of it. A token comes on stdin too, never on argv: nobody else on the network gets an answer.
"""

from __future__ import annotations

import errno
import io
import json
import os
import socket
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TypedDict

LIFE = 300.0
"""Seconds after which either end is gone, whatever happened to its controller."""
PATIENCE = 5.0
"""Seconds that a peer may be silent."""
PINGS = 20
BULK_BYTES = 64 * 2**20
BULK_SECONDS = 0.4
"""A direction is filled for so many bytes or so long, whichever ends first."""
CHUNK = 256 * 2**10
AT_ONCE = 32
TURN_SECONDS = 4 * PATIENCE
"""A caller that measures for longer has lost its turn."""
_TURN = threading.Lock()


class Listen(TypedDict):
    """The order to serve `ports` of `address` as `host`."""

    host: str
    address: str
    ports: list[int]
    token: str


class Target(TypedDict):
    """A host to call."""

    host: str
    address: str
    ports: list[int]
    token: str
    measure: bool


class Call(TypedDict):
    """The order to call hosts; `timeout` in seconds for each try."""

    targets: list[Target]
    timeout: float


def listen(order: Listen) -> None:
    """Serve the ports of the order until stdin ends."""
    family = socket.AF_INET6 if ":" in order["address"] else socket.AF_INET
    servers: dict[int, socket.socket] = {}
    taken, own = [], True
    for port in order["ports"]:
        try:
            server, there = _bind(order["address"], port, family)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            taken.append(port)
        else:
            servers[port], own = server, own and there
    for server in servers.values():
        threading.Thread(target=_accept, args=(server, order), daemon=True).start()
    _say({"ports": sorted(servers), "taken": taken, "own": own})
    while sys.stdin.readline():
        pass


def _bind(address: str, port: int, family: int) -> tuple[socket.socket, bool]:
    """A listening socket, and whether the address is the host's own; else (behind NAT) it listens on all of them."""
    try:
        return socket.create_server((address, port), family=family, backlog=64), True
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
    return socket.create_server(("", port), family=family, backlog=64), False


def _accept(server: socket.socket, order: Listen) -> None:
    while True:
        link, _ = server.accept()
        threading.Thread(target=_serve, args=(link, order), daemon=True).start()


def _serve(link: socket.socket, order: Listen) -> None:
    """One caller: its token, our name, then what it asks for."""
    try:
        with link, link.makefile("rb") as heard:
            link.settimeout(PATIENCE)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if heard.readline(200).decode("ascii", "replace").strip() != order["token"]:
                return
            link.sendall(order["host"].encode() + b"\n")
            for verb in iter(lambda: heard.readline(200).strip(), b""):
                if verb == b"ping":
                    link.sendall(b"pong\n")
                elif verb == b"turn":
                    _grant(link, heard)
                    return
                elif verb == b"source":
                    _pour(link)
                    return
                elif verb == b"sink":
                    count = 0
                    for data in iter(lambda: heard.read1(CHUNK), b""):
                        count += len(data)
                    link.sendall(b"%d\n" % count)
    except OSError:
        pass


def _grant(link: socket.socket, heard: io.BufferedReader) -> None:
    """Let the caller measure until it hangs up, while no other one does: they would share our link."""
    with _TURN:
        link.settimeout(TURN_SECONDS)
        link.sendall(b"go\n")
        heard.readline(200)


def _pour(link: socket.socket) -> None:
    """Send zeros until it is enough, and close."""
    data, sent, until = bytes(CHUNK), 0, time.monotonic() + BULK_SECONDS
    while sent < BULK_BYTES and time.monotonic() < until:
        link.sendall(data)
        sent += len(data)
    link.shutdown(socket.SHUT_WR)


def call(order: Call) -> None:
    """Try every port of every target, some at once; then measure, one target after the other."""
    pairs = [(target, port) for target in order["targets"] for port in target["ports"]]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda pair: _knock(pair[0], pair[1], order["timeout"]), pairs))
    for target in order["targets"]:
        tried = [(port, said) for (whose, port), said in zip(pairs, answers) if whose is target]  # noqa: B905 (Python 3.8)
        free = [port for port, said in tried if said is None]
        closed = [[port, said] for port, said in tried if said is not None]
        figures = _measure(target, free[0], order["timeout"]) if target["measure"] and free else {}
        _say({"target": target["host"], "open": free, "closed": closed, **figures})


def _knock(target: Target, port: int, timeout: float) -> str | None:
    """None where the target itself answers on the port, else why not."""
    try:
        link, heard = _greet(target, port, timeout)
        link.close()
        heard.close()
    except socket.timeout:  # noqa: UP041 (Python 3.8)
        return "no answer"
    except OSError as error:
        return error.strerror or str(error)
    return None


def _greet(target: Target, port: int, timeout: float) -> tuple[socket.socket, io.BufferedReader]:
    """A connection on which the target has said its name."""
    link = socket.create_connection((target["address"], port), timeout=timeout)
    try:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(target["token"].encode() + b"\n")
        heard = link.makefile("rb")
        name = heard.readline(200).decode("ascii", "replace").strip()
    except BaseException:
        link.close()
        raise
    if name != target["host"]:
        link.close()
        raise OSError(0, "something else answers there")
    return link, heard


def _measure(target: Target, port: int, timeout: float) -> dict[str, float]:
    """Median round trip in seconds, and bytes a second each way, measured when it is our turn."""
    try:
        link, heard = _greet(target, port, timeout)
        with link, heard:
            _await_turn(link, heard)
            return {
                "rtt": _round_trip(target, port, timeout),
                "up": _rate(target, port, timeout, b"sink\n"),
                "down": _rate(target, port, timeout, b"source\n"),
            }
    except (OSError, ValueError):
        return {}


def _await_turn(link: socket.socket, heard: io.BufferedReader) -> None:
    link.settimeout(LIFE)
    link.sendall(b"turn\n")
    if heard.readline(200) != b"go\n":
        raise OSError(0, "the link broke")


def _round_trip(target: Target, port: int, timeout: float) -> float:
    link, heard = _greet(target, port, timeout)
    times = []
    with link, heard:
        for _ in range(PINGS):
            sent = time.perf_counter()
            link.sendall(b"ping\n")
            if heard.readline(200) != b"pong\n":
                raise OSError(0, "the link broke")
            times.append(time.perf_counter() - sent)
    return statistics.median(times)


def _rate(target: Target, port: int, timeout: float, verb: bytes) -> float:
    link, heard = _greet(target, port, timeout)
    with link, heard:
        link.settimeout(BULK_SECONDS + 2 * PATIENCE)
        begun = time.perf_counter()
        link.sendall(verb)
        if verb == b"sink\n":
            _pour(link)
            count = int(heard.readline(200))
        else:
            count = sum(len(data) for data in iter(lambda: heard.read1(CHUNK), b""))
        return count / (time.perf_counter() - begun)


def _say(message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do what the one order says. What goes wrong is an answer too."""
    watchdog = threading.Timer(LIFE, os._exit, (1,))
    watchdog.daemon = True
    watchdog.start()
    order = json.loads(sys.stdin.readline())
    try:
        listen(order) if "address" in order else call(order)
    except OSError as error:
        _say({"problem": error.strerror or str(error)})


if __name__ == "__main__":
    main()
