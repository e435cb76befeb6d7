"""One program on one SSH channel: begun by any login shell, fed and drained at once, its end told from a lost link."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import paramiko

from fleet.errors import CommandError, ConnectError, HostError
from fleet.model.inventory import Host
from fleet.model.playbook import Command, Completed
from fleet.transport.commandline import Preamble
from fleet.transport.hearsay import in_brief
from fleet.transport.streams import CHUNK, STREAM_LIMIT, Kept, Sink, pump, timed_out

_CHANNEL_REQUEST = bytes([98])
"""SSH_MSG_CHANNEL_REQUEST of RFC 4254."""
PACKET = 32 * 2**10
"""Bytes handed to paramiko at once; more would only be cut, and copied, again."""
START_TIMEOUT = 30.0
"""Seconds within which a host begins a program or takes a line; hosts that swap need several."""
NO_STATUS = -1
"""What paramiko has for a program that did not exit: a signal ended it, or the link did."""


class Program:
    """One program on one channel. `begun` is set when the login shell has become the program, or never will."""

    def __init__(self, channel: paramiko.Channel, line: str) -> None:
        self.channel = channel
        self.line = line
        self.preamble = Preamble()
        self.begun = threading.Event()
        self._asked_for = False

    def start(self) -> None:
        """Ask the host to run it, unless that is done. The answer is not waited for: stdin may follow at once."""
        if self._asked_for:
            return
        self._asked_for = True
        request = paramiko.Message()
        request.add_byte(_CHANNEL_REQUEST)
        request.add_int(self.channel.remote_chanid)
        request.add_string("exec")
        request.add_boolean(True)  # noqa: FBT003 (paramiko's signature: an answer is wanted)
        request.add_string(self.line)
        # What `exec_command` does before it waits; paramiko's annotations leave out what is private.
        channel: Any = self.channel
        channel._event_pending()  # noqa: SLF001 (paramiko has no other way to ask without waiting)
        channel.transport._send_user_message(request)  # noqa: SLF001 (likewise)

    def await_start(self, host: Host) -> None:
        """Return when the host has begun to run it. CommandError where it refuses to, or hangs.

        A host may answer so late that the program has spoken, and even ended and closed the channel, before that.
        """
        answered = self.channel.event.wait(START_TIMEOUT)
        if self.channel.event_ready or self.preamble.pid is not None or self.channel.exit_status != NO_STATUS:
            return
        transport = self.channel.get_transport()
        if transport.is_active():
            hint = "is the host out of memory or processes?"
            raise CommandError("it does not begin to run the command", host=host.name, hint=hint)
        if answered:
            raise self._gone(host)
        raise TimeoutError

    @property
    def usable(self) -> bool:
        """Whether it has not ended, as far as the host has told."""
        return not (self.channel.closed or self.channel.eof_received or self.channel.exit_status_ready())

    def feed(self, data: bytes) -> None:
        """Start it and write its stdin. That it does not read to the end, or at all, is its own affair.

        Without data not even the end is sent: the program has `/dev/null`. An end that crosses paramiko's answer to
        the host's own close is an end of a channel that is gone, for which OpenSSH drops the whole connection.
        """
        with suppress(OSError, EOFError, paramiko.SSHException):
            self.start()
            if not data:
                return
            send(self.channel, data)
            self.channel.shutdown_write()

    def drain_stdout(self, sink: Sink) -> None:
        """Read its stdout to the end, without what the login shell printed before."""
        pump(lambda: _receive(self.channel.recv), lambda data: self._hear(data, sink))
        self.begun.set()

    def _hear(self, data: bytes, sink: Sink) -> None:
        own = self.preamble.feed(data)
        if self.preamble.pid is not None:
            self.begun.set()
        sink(own)

    def drain_stderr(self, sink: Sink) -> None:
        """Read its stderr to the end."""
        pump(lambda: _receive(self.channel.recv_stderr), sink)

    def finish(self, host: Host, command: Command, limit: int, until: float) -> Completed:
        """Feed and drain it to its end; `limit` in bytes of stdout, `until` on the monotonic clock."""
        out, err = Kept(limit), Kept(STREAM_LIMIT)
        try:
            return self._finished(host, command, out, err, until)
        except HostError as error:
            error.heard = bytes(out.data)
            raise

    def _finished(self, host: Host, command: Command, out: Kept, err: Kept, until: float) -> Completed:
        bell = _Bell()
        self.channel.in_buffer.set_event(bell)
        self.channel.in_stderr_buffer.set_event(bell)
        if len(command.stdin) <= self.channel.out_window_size:
            self.feed(command.stdin)  # the host takes it at once, whether the program reads it or not
        else:
            threading.Thread(target=self.feed, args=(command.stdin,), daemon=True).start()
        if not self._drain(bell, out.feed, err.feed, until):
            if self.preamble.noise and self.preamble.pid is None:
                raise self.never_ran(host, bytes(err.data))
            raise timed_out(host, command, out)
        self.await_start(host)
        if not self.channel.status_event.wait(max(0.0, until - time.monotonic())):
            raise timed_out(host, command, out)
        if lost := self.lost(host):
            raise lost
        if self.preamble.pid is None:
            raise self.never_ran(host, bytes(err.data))
        return Completed(
            exit_status=self.channel.exit_status,
            stdout=bytes(out.data),
            stderr=bytes(err.data),
            truncated=out.truncated or err.truncated,
        )

    def _drain(self, bell: _Bell, out: Sink, err: Sink, until: float) -> bool:
        """Read both streams to their end, in this very thread; whether they ended in time."""
        ended = False
        while not ended:
            if not bell.heard(max(0.0, until - time.monotonic())):
                return False
            ended = bool(self.channel.eof_received or self.channel.closed)
            while self.channel.recv_ready():
                self._hear(self.channel.recv(CHUNK), out)
            while self.channel.recv_stderr_ready():
                err(self.channel.recv_stderr(CHUNK))
        return True

    def never_ran(self, host: Host, complaint: bytes) -> CommandError:
        """The error where the login shell ended, or went on talking, without becoming the program."""
        said = in_brief(self.preamble.noise + b"\n" + complaint) or "it said nothing"
        if self.channel.eof_received or self.channel.closed:
            hint = "it needs a login shell, no forced command, no rc file that reads or exits; is it the right user?"
        else:
            hint = (
                "a shell rc file of the user's, or a forced command, talks on or waits: let it do so on terminals only"
            )
        return CommandError(f"the login shell did not run the command: {said}", host=host.name, hint=hint)

    def lost(self, host: Host) -> HostError | None:
        """The error where the streams ended because the link did; None where the program ended."""
        if self.channel.exit_status != NO_STATUS or self.channel.eof_received:
            return None
        return self._gone(host)

    def _gone(self, host: Host) -> ConnectError:
        return ConnectError("the connection was lost", host=host.name, hint="is the host still up?")


class _Bell(threading.Event):
    """Rung by paramiko when either of a channel's streams has something to read, or has ended."""

    def clear(self) -> None:
        """Nothing: the stream that is empty clears it, and the other may not be."""

    def heard(self, seconds: float) -> bool:
        """Wait until it rings; False where it does not within so many seconds."""
        rang = self.wait(seconds)
        super().clear()
        return rang


def send(channel: paramiko.Channel, data: bytes) -> None:
    """Write it all, however small the window; OSError when the channel has closed."""
    view = memoryview(data)
    while view:
        sent = channel.send(bytes(view[:PACKET]))
        if sent == 0:
            raise BrokenPipeError("the channel has closed")
        view = view[sent:]


def _receive(read: Callable[[int], bytes]) -> bytes:
    """The next bytes, however long they take: only writing has a time limit of its own."""
    while True:
        with suppress(TimeoutError):
            return read(CHUNK)
