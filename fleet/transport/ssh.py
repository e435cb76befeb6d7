"""Hosts by SSH: one connection a host, a channel a program; works with any login shell and needs no SFTP."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType

from fleet.errors import ConnectError, HostError
from fleet.model.inventory import Host, Login
from fleet.model.playbook import Command, Completed, Secret
from fleet.transport import files
from fleet.transport.commandline import begun, command_line
from fleet.transport.fanout import fanout
from fleet.transport.keyring import Keyring
from fleet.transport.link import Link
from fleet.transport.program import START_TIMEOUT, send
from fleet.transport.streams import STREAM_LIMIT, Lines, Tail
from fleet.transport.sudo import Sudo
from fleet.transport.troubles import translated

# `sleep` takes fractions nearly everywhere, and a second where not.
_KILL = """\
kill -s TERM -- "-$1" 2>/dev/null || exit 0
for _ in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.1 || sleep 1
    kill -s 0 -- "-$1" 2>/dev/null || exit 0
done
kill -s KILL -- "-$1" 2>/dev/null
"""


class SshTransport:
    """Every host of the inventory by SSH. Connections are kept until `close`; any thread may use them.

    `sudo_passwords`: by host, where sudo wants one. `passphrases`: by the path of the key that one locks.
    """

    def __init__(
        self,
        sudo_passwords: Mapping[str, Secret] = MappingProxyType({}),
        passphrases: Mapping[str, Secret] = MappingProxyType({}),
    ) -> None:
        # Without a handler Python would print paramiko's tracebacks on the operator's screen.
        logging.getLogger("paramiko").addHandler(logging.NullHandler())
        self._links: dict[tuple[Login, bool, bool], Link] = {}
        self._keyring = Keyring(passphrases)
        self._lock = threading.Lock()
        self._closed = False
        self._sudo = Sudo(lambda host, command: self._execute(host, command, STREAM_LIMIT), sudo_passwords)

    def approach(self, hosts: Sequence[Host]) -> None:
        """Begin to connect to hosts that will be needed, and return: what else is to be done can be done meanwhile.

        A host that cannot be reached, or does not let us in, is not asked twice: the first command says why.
        """
        threading.Thread(target=self._approach, args=(hosts,), daemon=True).start()

    def _approach(self, hosts: Sequence[Host]) -> None:
        fanout(lambda host: self._link(host).approach(), hosts)
        if self._closed:  # meanwhile
            self.close()

    def run(self, host: Host, command: Command) -> Completed:
        """Run a command to the end of its streams; when its time is over, its process group is killed."""
        return self._execute(host, self._sudo.wrap(host, command), STREAM_LIMIT)

    def open(self, host: Host, argv: Sequence[str]) -> SshChannel:
        """Start a long-running program; return when it runs. It ends when its stdin does: closing it kills nothing."""
        return SshChannel(host, self._link(host, lasting=True), argv)

    def put(self, host: Host, path: str, data: bytes, mode: int) -> None:
        """Write a file, whole or not at all."""
        files.check(host, f"write {path}", self._execute(host, files.put_command(path, data, mode), STREAM_LIMIT))

    def get(self, host: Host, path: str, offset: int, limit: int) -> bytes:
        """Up to `limit` bytes of a file from `offset`."""
        command = files.get_command(path, offset, limit)
        return files.check(host, f"read {path}", self._execute(host, command, limit)).stdout

    def close(self) -> None:
        """Close every connection. Never raises."""
        with self._lock:
            self._closed = True
            links = tuple(self._links.values())
        for link in links:
            link.close()

    def _link(self, host: Host, *, lasting: bool = False) -> Link:
        """The host's connection for commands, or its other one: what befalls a command must not end a cluster."""
        with self._lock:
            if self._closed:
                raise ConnectError("the connections are closed", host=host.name)
            return self._links.setdefault((host.login, host.lab, lasting), Link(host, self._keyring))

    def _execute(self, host: Host, command: Command, limit: int) -> Completed:
        link = self._link(host)
        with translated(host):
            line, stdin = begun(command.argv, command.stdin)
            link.connect()
            until = time.monotonic() + command.timeout
            program = link.program(line, command.timeout)
            try:
                done = program.finish(host, replace(command, stdin=stdin), limit, until)
            except BaseException:
                if not program.channel.closed and program.preamble.pid is not None:
                    killing = Command(argv=("/bin/sh", "-c", _KILL, "sh", str(program.preamble.pid)), sudo=command.sudo)
                    _kill(host, link, self._sudo.wrap(host, killing))
                raise
            finally:
                program.channel.close()
            link.keep_ready()
            return done


class SshChannel:
    """A program on a host with its streams open. One reader and one writer at a time."""

    def __init__(self, host: Host, link: Link, argv: Sequence[str]) -> None:
        self._host = host
        self._lines = Lines(host.name)
        self._tail = Tail()
        with translated(host):
            self._program = link.program(command_line(argv))
            self._program.channel.settimeout(START_TIMEOUT)
            for task in (self._program.start, self._read_lines, self._read_complaints):
                threading.Thread(target=task, daemon=True).start()
            try:
                self._await_begin()
            except BaseException:
                self.close()
                raise

    def send(self, line: str) -> None:
        """Write one line. ConnectError when the link or the program is gone, or takes nothing for 30 s."""
        with translated(self._host):
            try:
                send(self._program.channel, line.encode() + b"\n")
            except TimeoutError as error:
                raise ConnectError("the program on it takes no input", host=self._host.name) from error
            except OSError as error:
                raise ConnectError("the program on it, or the link, has ended", host=self._host.name) from error

    def receive(self, timeout: float) -> str | None:
        """The next line of its stdout; None at its end, ConnectError where the link has ended instead."""
        return self._lines.take(timeout)

    @property
    def complaints(self) -> str:
        """The end of what it wrote to stderr so far."""
        return self._tail.text

    def close(self) -> None:
        """Close its stdin and the channel."""
        self._lines.end()
        with suppress(Exception):
            self._program.channel.close()

    def _await_begin(self) -> None:
        self._program.await_start(self._host)
        self._program.begun.wait(START_TIMEOUT)
        if self._program.preamble.pid is None:
            raise self._program.lost(self._host) or self._program.never_ran(self._host, self._tail.data)

    def _read_lines(self) -> None:
        self._program.drain_stdout(self._lines.feed)
        self._lines.end(self._program.lost(self._host))

    def _read_complaints(self) -> None:
        self._program.drain_stderr(self._tail.feed)


def _kill(host: Host, link: Link, killing: Command) -> None:
    """End the program's process group on the host, in a thread that is waited for briefly: the host may hang."""

    def kill() -> None:
        with suppress(HostError), translated(host):
            channel = link.program(command_line(killing.argv)).channel
            channel.exec_command(command_line(killing.argv))
            send(channel, killing.stdin)
            channel.shutdown_write()
            channel.recv_exit_status()
            channel.close()

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    thread.join(2.0)
