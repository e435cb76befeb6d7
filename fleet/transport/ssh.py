"""Hosts by SSH: one connection a host, a channel a program; works with any login shell and needs no SFTP."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress

import paramiko

from fleet.errors import CommandError, ConnectError, HostError
from fleet.model.inventory import Host, Login
from fleet.model.playbook import Command, Completed
from fleet.transport import files
from fleet.transport.commandline import Preamble, command_line
from fleet.transport.connect import Link, translated
from fleet.transport.hearsay import in_brief
from fleet.transport.streams import CHUNK, STREAM_LIMIT, Kept, Lines, Sink, Tail, exchange, pump, timed_out

PACKET = 32 * 2**10
"""Bytes handed to paramiko at once; more would only be cut, and copied, again."""
START_TIMEOUT = 30.0
"""Seconds within which a host begins a program or takes a line; hosts that swap need several."""
NO_STATUS = -1
"""What paramiko has for a program that did not exit: a signal ended it, or the link did."""

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
    """Every host of the inventory by SSH. Connections are kept until `close`; any thread may use them."""

    def __init__(self) -> None:
        # Without a handler Python would print paramiko's tracebacks on the operator's screen.
        logging.getLogger("paramiko").addHandler(logging.NullHandler())
        self._links: dict[tuple[Login, bool], Link] = {}
        self._lock = threading.Lock()
        self._closed = False

    def run(self, host: Host, command: Command) -> Completed:
        """Run a command to the end of its streams; when its time is over, its process group is killed."""
        return self._execute(host, command, STREAM_LIMIT)

    def open(self, host: Host, argv: Sequence[str]) -> SshChannel:
        """Start a long-running program; return when it runs. It ends when its stdin does: closing it kills nothing."""
        return SshChannel(host, self._link(host), argv)

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

    def _link(self, host: Host) -> Link:
        with self._lock:
            if self._closed:
                raise ConnectError("the connections are closed", host=host.name)
            return self._links.setdefault((host.login, host.lab), Link(host))

    def _execute(self, host: Host, command: Command, limit: int) -> Completed:
        link = self._link(host)
        with translated(host):
            line = command_line(command.argv)
            link.connect()
            until = time.monotonic() + command.timeout
            program = _Program(link.session(command.timeout), line)
            try:
                return program.finish(host, command, limit, until)
            except BaseException:
                if not program.channel.closed:
                    _kill(link, program.preamble.pid)
                raise
            finally:
                program.channel.close()


class _Program:
    """One program on one channel.

    `started` is done when the host has taken the command line, or refused it; `begun` is set when the login shell has
    become the program, or never will.
    """

    def __init__(self, channel: paramiko.Channel, line: str) -> None:
        self.channel = channel
        self.preamble = Preamble()
        self.started: Future[None] = Future()
        self.begun = threading.Event()
        self._line = line

    def start(self) -> None:
        """Ask the host to run it. Waits for the answer, which a hung host never gives: call it in a thread."""
        try:
            self.channel.exec_command(self._line)
        except Exception as error:  # noqa: BLE001 (handed over: `started.result()` raises it)
            self.channel.close()
            self.started.set_exception(error)
        else:
            self.started.set_result(None)

    def await_start(self, host: Host) -> None:
        """Return when the host has begun to run it. CommandError where it refuses to, or hangs."""
        try:
            self.started.result(timeout=START_TIMEOUT)
        except (paramiko.SSHException, TimeoutError) as error:
            if self.channel.get_transport().is_active():
                hint = "is the host out of memory or processes?"
                raise CommandError("it does not begin to run the command", host=host.name, hint=hint) from error
            raise

    def feed(self, data: bytes) -> None:
        """Start it and write its stdin. That it does not read to the end, or at all, is its own affair."""
        self.start()
        with suppress(OSError):
            send(self.channel, data)
            self.channel.shutdown_write()

    def drain_stdout(self, sink: Sink) -> None:
        """Read its stdout to the end, without what the login shell printed before."""

        def heard(data: bytes) -> None:
            own = self.preamble.feed(data)
            if self.preamble.pid is not None:
                self.begun.set()
            sink(own)

        pump(lambda: receive(self.channel.recv), heard)
        self.begun.set()

    def drain_stderr(self, sink: Sink) -> None:
        """Read its stderr to the end."""
        pump(lambda: receive(self.channel.recv_stderr), sink)

    def finish(self, host: Host, command: Command, limit: int, until: float) -> Completed:
        """Feed and drain it to its end; `limit` in bytes of stdout, `until` on the monotonic clock."""
        out, err = Kept(limit), Kept(STREAM_LIMIT)
        drains = (lambda: self.drain_stdout(out.feed), lambda: self.drain_stderr(err.feed))
        if not exchange(drains, lambda: self.feed(command.stdin), until - time.monotonic()):
            raise timed_out(host, command)
        self.await_start(host)
        if not self.channel.status_event.wait(max(0.0, until - time.monotonic())):
            raise timed_out(host, command)
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

    def never_ran(self, host: Host, complaint: bytes) -> CommandError:
        """The error where the login shell ended, or went on talking, without becoming the program."""
        said = in_brief(self.preamble.noise + b"\n" + complaint) or "it said nothing"
        hint = "the user needs a login shell and no forced command; is it the right user?"
        return CommandError(f"the login shell did not run the command: {said}", host=host.name, hint=hint)

    def lost(self, host: Host) -> HostError | None:
        """The error where the streams ended because the link did; None where the program ended."""
        if self.channel.exit_status != NO_STATUS or self.channel.eof_received:
            return None
        return ConnectError("the connection was lost", host=host.name, hint="is the host still up?")


class SshChannel:
    """A program on a host with its streams open. One reader and one writer at a time."""

    def __init__(self, host: Host, link: Link, argv: Sequence[str]) -> None:
        self._host = host
        self._lines = Lines(host.name)
        self._tail = Tail()
        with translated(host):
            self._program = _Program(link.session(), command_line(argv))
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


def send(channel: paramiko.Channel, data: bytes) -> None:
    """Write it all, however small the window; OSError when the channel has closed."""
    view = memoryview(data)
    while view:
        sent = channel.send(bytes(view[:PACKET]))
        if sent == 0:
            raise BrokenPipeError("the channel has closed")
        view = view[sent:]


def receive(read: Callable[[int], bytes]) -> bytes:
    """The next bytes, however long they take: only writing has a time limit of its own."""
    while True:
        with suppress(TimeoutError):
            return read(CHUNK)


def _kill(link: Link, pid: int | None) -> None:
    """End the program's process group on the host, in a thread that is waited for briefly: the host may hang."""
    if pid is None:
        return

    def kill() -> None:
        with suppress(HostError, paramiko.SSHException, OSError, EOFError):
            channel = link.session()
            channel.exec_command(command_line(("/bin/sh", "-c", _KILL, "sh", str(pid))))
            channel.recv_exit_status()
            channel.close()

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    thread.join(2.0)
