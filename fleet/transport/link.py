"""The one connection to a host, kept over the run, and the shell that waits on it for the next program."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import suppress

import fabric
import paramiko

from fleet.errors import ConnectError, HostError
from fleet.model.inventory import Host
from fleet.transport.commandline import READS_STDIN
from fleet.transport.connect import connected_to, disconnect
from fleet.transport.keyring import Keyring
from fleet.transport.program import Program
from fleet.transport.troubles import translated

SESSION_TIMEOUT = 20.0
"""Seconds within which a connected host opens a channel."""
LETTING_GO = 5.0
"""Seconds that a host takes, at most, to let go of a session whose program has ended."""
LOOK_AGAIN = 0.1
"""Seconds between two looks whether it has."""


class Link:
    """The one SSH connection to a host: made when first needed, made again when it has broken. Safe in threads."""

    def __init__(self, host: Host, keyring: Keyring) -> None:
        self._host = host
        self._keyring = keyring
        self._connection: fabric.Connection | None = None
        self._connecting = threading.Lock()
        self._turn = threading.Lock()
        self._opening = threading.Lock()
        self._ready: Future[Program | None] | None = None
        self._commands = 0
        self._tried = False
        self._in_vain: HostError | None = None

    def approach(self) -> None:
        """Connect, where nobody has tried yet. Never raises: whoever needs the connection is told what is wrong."""
        with self._connecting:
            if not self._tried:
                try:
                    self._connected()
                except HostError as error:
                    self._in_vain = error

    def connect(self) -> None:
        """Connect, where there is no connection yet or the old one has broken."""
        with translated(self._host):
            self._transport()

    def program(self, line: str, timeout: float = SESSION_TIMEOUT) -> Program:
        """A program to be: the shell that is kept ready where that is wanted, or one on a channel of its own.

        The channel opens within `timeout` seconds.
        """
        with translated(self._host):
            transport = self._transport()
            ready = self._taken(transport) if line == READS_STDIN else None
            return ready or Program(self._session(transport, min(timeout, SESSION_TIMEOUT)), line)

    def way_to(self, address: str, port: int) -> paramiko.Channel:
        """A stream to a port as the host itself reaches it. ConnectError where the host does not get there."""
        with translated(self._host):
            transport = self._transport()
            try:
                return transport.open_channel(
                    "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=self._host.login.connect_timeout
                )
            except paramiko.ChannelException as error:
                hint = "is it up, and does its sshd allow AllowTcpForwarding?"
                raise ConnectError(f"nothing answers there on {address}:{port}", hint=hint) from error

    def keep_ready(self) -> None:
        """Start a shell for the next program beforehand, without waiting.

        That saves the program two round trips: the channel's, and the one after which sshd lets it have its stdin. Not
        after the first program: for many hosts it is the only one. The shell ends with the connection.
        """
        self._commands += 1
        with self._turn:
            if self._commands > 1 and self._ready is None and self._connection and self._connection.is_connected:
                self._ready = Future()
                args = (self._connection.transport, self._ready)
                threading.Thread(target=self._make_ready, args=args, daemon=True).start()

    def close(self) -> None:
        """Drop the connection. Never raises."""
        disconnect(self._connection)

    def _session(self, transport: paramiko.Transport, timeout: float) -> paramiko.Channel:
        try:
            return self._opened(transport, timeout)
        except paramiko.ChannelException:
            # The last session that the host allows may be the ready shell's, or that of a program which has just ended.
            if ready := self._taken(transport):
                ready.channel.close()
            return self._opened_again(transport, timeout)
        except (paramiko.SSHException, EOFError, OSError):
            # A connection that broke while idle is found out here, before anything was asked of the host.
            if transport.is_active():
                raise
        return self._opened(self._transport(), SESSION_TIMEOUT)

    def _opened(self, transport: paramiko.Transport, timeout: float) -> paramiko.Channel:
        # Of two that are refused at once paramiko tells only one why.
        with self._opening:
            return transport.open_session(timeout=timeout)

    def _opened_again(self, transport: paramiko.Transport, timeout: float) -> paramiko.Channel:
        """A channel on a host that has refused one: it lets go of a session a while after that has ended."""
        until = time.monotonic() + LETTING_GO
        while True:
            time.sleep(LOOK_AGAIN)
            try:
                return self._opened(transport, timeout)
            except paramiko.ChannelException:
                if time.monotonic() > until:
                    raise

    def _make_ready(self, transport: paramiko.Transport, ready: Future[Program | None]) -> None:
        program: Program | None = None
        with suppress(Exception):  # whoever needs a channel asks again, and is told what is wrong
            program = Program(self._opened(transport, SESSION_TIMEOUT), READS_STDIN)
            program.start()
            program.channel.event.wait(SESSION_TIMEOUT)
        ready.set_result(program)

    def _taken(self, transport: paramiko.Transport) -> Program | None:
        """The shell that is kept ready, or soon will be; None where there is none, or it has ended."""
        with self._turn:
            ready, self._ready = self._ready, None
        program = ready.result() if ready else None
        return program if program and program.usable and program.channel.get_transport() is transport else None

    def _transport(self) -> paramiko.Transport:
        with self._connecting:
            if self._in_vain is not None:
                error, self._in_vain = self._in_vain, None
                raise error
            return self._connected()

    def _connected(self) -> paramiko.Transport:
        self._tried = True
        if self._connection is None or not self._connection.is_connected:
            self.close()
            self._ready = None
            self._connection = connected_to(self._host, self._keyring)
        transport: paramiko.Transport = self._connection.transport
        return transport
