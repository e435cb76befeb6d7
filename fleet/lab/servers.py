"""A lab's servers as one resource: a keeper that runs them and never outlives us, and the wait until all answer."""

from __future__ import annotations

import errno
import ipaddress
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Self

from fleet.errors import ConfigurationError, HostError
from fleet.lab import openssh, processes
from fleet.lab.layout import Layout, prepare
from fleet.model.inventory import Host

ANSWER_TIMEOUT = 20.0
"""Seconds within which every server must answer; on an idle machine it is less than one."""
GREETING_TIMEOUT = 10.0
"""Seconds: a busy machine makes a server that listens wait for its first word."""
END_TIMEOUT = 15.0
"""Seconds for all of the keeper's stages, and some."""
POLL = 0.02


class Backend(StrEnum):
    """Which program serves a lab's hosts."""

    AUTO = "auto"
    OPENSSH = "openssh"
    BUILTIN = "builtin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A program that the keeper runs beside the hosts' servers, and ends with them."""

    name: str
    argv: tuple[str, ...]
    home: Path
    log: Path


class Lab:
    """Running servers for lab hosts. Closing it ends them, and everything that runs in their sessions, unless kept.

    `cluster`: a cluster runs on them, as OpenSSH is told (`openssh.configuration`); fleet's own server serves none.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        layout: Layout,
        *,
        backend: Backend,
        kept: bool = False,
        beside: Sequence[Beside] = (),
        cluster: bool = False,
    ) -> None:
        if not processes.supported():
            raise ConfigurationError("a lab needs Linux and its /proc", hint="run fleet against real hosts from here")
        _check_addresses(hosts)
        prepare(hosts, layout)
        self.backend = _choose(hosts, layout, backend, cluster=cluster)
        others = {each.name: {"argv": each.argv, "home": str(each.home), "log": str(each.log)} for each in beside}
        order = {"kept": str(layout.keeper) if kept else None, "servers": _order(hosts, layout, self.backend) | others}
        self._keeper, self._to_keeper, self._from_keeper = _start_keeper(layout)
        try:
            pids: dict[str, int] = json.loads(self._ask(json.dumps(order)) or "{}")
            for host in hosts:
                _await_answer(host, pids.get(host.name), layout)
        except BaseException:
            self.close()
            end_kept(layout)
            raise

    def kill(self, host: str) -> None:
        """End a host as a power cut would: its server and all that runs in its sessions, at once."""
        self._ask(f"kill {host}")

    def close(self) -> None:
        """Let go of the servers; unless they are kept, return when nothing of them is left. May be called twice."""
        with suppress(OSError):
            self._to_keeper.close()
        try:
            self._keeper.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        self._from_keeper.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _ask(self, line: str) -> bytes:
        """Send the keeper a line and return its answer; empty where it has ended."""
        with suppress(OSError):
            self._to_keeper.write(line.encode() + b"\n")
            self._to_keeper.flush()
        return self._from_keeper.readline()


def kept_keeper(layout: Layout) -> int | None:
    """The process id of the keeper of a kept lab that is up; None where there is none, whatever its file says."""
    try:
        pid, started = (int(word) for word in layout.keeper.read_text("ascii").split())
    except (OSError, ValueError):
        return None
    return pid if processes.start_time(pid) == started else None


def end_kept(layout: Layout) -> bool:
    """End a kept lab; return when nothing of it is left. False where it was not up."""
    pid = kept_keeper(layout)
    if pid is None:
        layout.keeper.unlink(missing_ok=True)
        return False
    started = processes.start_time(pid)
    until = time.monotonic() + END_TIMEOUT
    processes.send_signal((pid,), signal.SIGTERM)
    while processes.start_time(pid) == started:
        if time.monotonic() > until:
            raise HostError(f"the lab's keeper, process {pid}, does not end", hint=f"kill -9 {pid}")
        time.sleep(POLL)
    return True


def answers(host: Host) -> bool:
    """Whether an SSH server greets at the host's address. Where none is, that is known at once."""
    try:
        with socket.create_connection((host.login.address, host.login.port), timeout=GREETING_TIMEOUT) as link:
            return link.recv(4) == b"SSH-"
    except OSError:
        return False


def _start_keeper(layout: Layout) -> tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]:
    with layout.keeper_log.open("wb") as log:
        keeper = subprocess.Popen(
            (sys.executable, "-P", "-m", "fleet.lab.keeper"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    if keeper.stdin is None or keeper.stdout is None:
        raise AssertionError("it was started with two pipes")
    return keeper, keeper.stdin, keeper.stdout


def _check_addresses(hosts: Sequence[Host]) -> None:
    """Each address is loopback, of this machine, and free. ConfigurationError or HostError where one is not."""
    taken: dict[tuple[str, int], str] = {}
    for host in hosts:
        login = host.login
        if not _is_loopback(login.address):
            hint = "a lab host lives on this machine: use 127.0.0.11, 127.0.0.12, …"
            raise ConfigurationError(f"{login.address} is no loopback address", host=host.name, hint=hint)
        if other := taken.get((login.address, login.port)):
            hint = "give each lab host an address or a port of its own"
            where = f"{login.address}:{login.port}"
            raise ConfigurationError(f"{where} is also the address of {other}", host=host.name, hint=hint)
        taken[login.address, login.port] = host.name
        _check_free(host)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _check_free(host: Host) -> None:
    login = host.login
    family = socket.AF_INET6 if ":" in login.address else socket.AF_INET
    try:
        socket.create_server((login.address, login.port), family=family).close()
    except OSError as error:
        hint = {
            errno.EADDRINUSE: "another lab may be up: fleet lab down INVENTORY, or state another port",
            errno.EADDRNOTAVAIL: "this machine has no such address: on Linux all of 127.0.0.0/8 works",
            errno.EACCES: "ports below 1024 are for root: state a higher one",
        }.get(error.errno or 0)
        where = f"{login.address}:{login.port}"
        raise HostError(f"the lab cannot use {where}: {error.strerror}", host=host.name, hint=hint) from error


def _choose(hosts: Sequence[Host], layout: Layout, backend: Backend, *, cluster: bool) -> Backend:
    """The backend to use: OpenSSH where it would run, unless another is asked for."""
    if backend is Backend.BUILTIN:
        return backend
    for host in hosts:
        text = openssh.configuration(
            host,
            host_key=layout.host_key(host.name),
            authorized=layout.authorized,
            home=layout.home(host.name),
            cluster=cluster,
        )
        layout.config(host.name).write_text(text, "utf-8")
    why = openssh.obstacle(openssh.program(), layout.config(hosts[0].name))
    if why is None:
        return Backend.OPENSSH
    if backend is Backend.OPENSSH:
        raise ConfigurationError(f"OpenSSH cannot serve the lab: {why}", hint="use the builtin backend")
    return Backend.BUILTIN


def _order(hosts: Sequence[Host], layout: Layout, backend: Backend) -> dict[str, dict[str, object]]:
    """What the keeper is to start, by host."""
    sshd = openssh.program() or ""
    order: dict[str, dict[str, object]] = {}
    for host in hosts:
        home = layout.home(host.name)
        if backend is Backend.OPENSSH:
            argv = openssh.argv(sshd, layout.config(host.name))
        else:
            where = (host.login.address, str(host.login.port))
            paths = (str(layout.host_key(host.name)), str(layout.authorized), str(home))
            argv = (sys.executable, "-P", "-m", "fleet.lab.sshserver", *where, *paths)
        order[host.name] = {"argv": argv, "home": str(home), "log": str(layout.log(host.name))}
    return order


def _await_answer(host: Host, pid: int | None, layout: Layout) -> None:
    """Return when the host's server greets. HostError, with the end of its log, when it ended or takes too long."""
    until = time.monotonic() + ANSWER_TIMEOUT
    while not answers(host):
        log = layout.log(host.name) if pid else layout.keeper_log
        if pid is None or processes.start_time(pid) is None or time.monotonic() > until:
            said = " ".join(log.read_text("utf-8", "replace").split())[-300:] if log.exists() else ""
            raise HostError(
                f"its server does not answer: {said or 'it said nothing'}", host=host.name, hint=f"see {log}"
            )
        time.sleep(POLL)
