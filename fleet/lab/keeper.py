"""The process between fleet and a lab's servers: when fleet ends, however it ends, the keeper ends all of them.

`python -m fleet.lab.keeper` reads one JSON line, {"kept": FILE or null, "servers": {NAME: {"argv", "home", "log"}}},
starts the servers and answers {NAME: process id}. Then, unless it is kept, it takes `kill NAME` lines, each answered
when nothing of that host is left, and the end of its stdin ends it. A kept one leaves the terminal, writes its process
id and start time to FILE, and is ended by SIGTERM.

It adopts the orphans among its descendants, so that no program that a session left behind can hide from it.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fleet.lab import processes
from fleet.remote.paths import paths

STAGES = ((None, 2.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0))
"""How programs are ended, and seconds for it: first they see their connection end, then a request, then force."""
TICK = 0.02
_STDIN = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One running server, and the home directory of what runs in its sessions."""

    name: str
    pid: int
    home: Path


def main() -> int:
    """Keep the servers until it is time to end them."""
    order = json.loads(_read_line())
    _on_stop(_stop)
    if order["kept"] and os.fork():
        os._exit(0)
    processes.adopt_orphans()
    servers: list[Server] = []
    try:
        for name, one in order["servers"].items():
            servers.append(Server(name=name, pid=_start(one["argv"], Path(one["log"])), home=Path(one["home"])))
        if order["kept"]:
            _write_identity(Path(order["kept"]))
        print(json.dumps({server.name: server.pid for server in servers}), flush=True)  # noqa: T201 (the answer)
        _wait(servers, kept=bool(order["kept"]))
    except _Stop:
        pass
    finally:
        _on_stop(signal.SIG_IGN)
        _end(servers)
        for server in servers:  # a node removes its own, unless it was killed
            shutil.rmtree(paths(str(server.home)).short(), ignore_errors=True)
        if order["kept"]:
            Path(order["kept"]).unlink(missing_ok=True)
    return 0


class _Stop(Exception):  # noqa: N818 (a request, not a failure)
    """SIGTERM, SIGINT or SIGHUP came."""


def _stop(_number: int, _frame: object) -> None:
    raise _Stop


def _on_stop(handler: Callable[[int, object], None] | signal.Handlers) -> None:
    for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sign, handler)


def _start(argv: list[str], log: Path) -> int:
    """Start a server in a session of its own; it dies with the keeper, even with one that is killed."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and what is ignored stays so over exec
        processes.die_with_parent()
        null = os.open(os.devnull, os.O_RDONLY)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for target, source in ((0, null), (1, output), (2, output)):
            os.dup2(source, target)
        os.execv(argv[0], argv)  # noqa: S606 (no shell is wanted)
    finally:
        os._exit(127)


def _write_identity(file: Path) -> None:
    file.write_text(f"{os.getpid()} {processes.start_time(os.getpid())}\n", "ascii")


def _wait(servers: list[Server], *, kept: bool) -> None:
    if kept:
        with Path(os.devnull).open("r+b", buffering=0) as null:
            for target in (0, 1, 2):
                os.dup2(null.fileno(), target)
    while True:
        processes.reap()
        ready, _, _ = select.select([] if kept else [_STDIN], [], [], 1.0)
        if ready:
            words = _read_line().split()
            if not words:
                return
            _kill_host(next(server for server in servers if server.name == words[1]))
            print("{}", flush=True)  # noqa: T201 (the answer)


def _read_line() -> str:
    """A line of stdin, read byte by byte so that `select` sees what is left; empty at its end."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(_STDIN, 1)
        if not byte:
            return ""
        line += byte
    return line.decode()


def _kill_host(server: Server) -> None:
    """Kill the server and everything that ran in its sessions, as a power cut would."""
    while True:
        own = processes.with_home(server.home, processes.descendants(os.getpid()))
        doomed = {server.pid} | processes.descendants(server.pid) | own
        # Stopped first, so that no server lives to report the end of its programs: the dead do not say goodbye.
        processes.send_signal(doomed, signal.SIGSTOP)
        processes.send_signal(doomed, signal.SIGKILL)
        processes.reap()
        if not any(processes.start_time(pid) for pid in doomed):
            return
        time.sleep(TICK)


def _end(servers: list[Server]) -> None:
    """End the servers and all other descendants; return when none is left."""
    processes.send_signal((server.pid for server in servers), signal.SIGTERM)
    for sign, seconds in STAGES:
        until = time.monotonic() + seconds
        if sign is signal.SIGTERM:
            processes.send_signal(processes.descendants(os.getpid()), sign)
        while time.monotonic() < until:
            processes.reap()
            left = processes.descendants(os.getpid())
            if not left:
                return
            if sign is signal.SIGKILL:
                processes.send_signal(left, sign)
            time.sleep(TICK)


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        sys.exit(main())
