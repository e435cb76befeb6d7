"""A program's streams, drained while it is fed: nothing a host writes can stall it or fill our memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from fleet.errors import CommandError, HostError
from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.transport.hearsay import hearsay
from fleet.units import format_bytes, format_seconds

CHUNK = 256 * 2**10
STREAM_LIMIT = 8 * 2**20
"""Bytes of stdout, and of stderr, that a command's answer may have; the rest is read and dropped."""
LINE_LIMIT = 32 * 2**20
"""Bytes of one line of a program's talk: a result of 50,000 tasks is 15 MB of JSON, and twice that is generous."""
TAIL_LIMIT = 4 * 2**10

Read = Callable[[], bytes]
"""The next bytes of a stream; empty at its end."""
Sink = Callable[[bytes], None]


class Kept:
    """The first `limit` bytes of a stream; what follows is dropped, and `truncated` says so."""

    def __init__(self, limit: int) -> None:
        self.data = bytearray()
        self.truncated = False
        self._limit = limit

    def feed(self, data: bytes) -> None:
        """Keep what still fits."""
        room = self._limit - len(self.data)
        self.data += data[:room]
        self.truncated = self.truncated or len(data) > room


class Tail:
    """The last 4 KiB of a stream, as text fit for a screen."""

    def __init__(self) -> None:
        self.data = b""

    def feed(self, data: bytes) -> None:
        """Forget what is older than the last 4 KiB."""
        self.data = (self.data + data)[-TAIL_LIMIT:]

    @property
    def text(self) -> str:
        """The end of the stream so far."""
        return hearsay(self.data, TAIL_LIMIT)


class Lines:
    """Lines between the thread that reads them from `host` and the one that wants them; bounded, so that one waits."""

    def __init__(self, host: str, limit: int = LINE_LIMIT) -> None:
        self._host = host
        self._limit = limit
        self._ready: deque[bytes] = deque()
        self._held = 0
        self._open_line = bytearray()
        self._ended = False
        self._error: HostError | None = None
        self._changed = threading.Condition()

    def feed(self, data: bytes) -> None:
        """Add bytes; waits while more than `limit` bytes of whole lines are not taken yet."""
        *whole, rest = data.split(b"\n")
        with self._changed:
            self._changed.wait_for(lambda: self._held <= self._limit or self._ended)
            if self._ended:
                return
            for part in whole:
                self._grow(part)
                self._ready.append(bytes(self._open_line))
                self._held += len(self._open_line)
                self._open_line.clear()
            self._grow(rest)
            self._changed.notify_all()

    def end(self, error: HostError | None = None) -> None:
        """No more will come; `error` is raised once the lines that did come are taken."""
        with self._changed:
            if self._ended:
                return
            if self._open_line:
                self._ready.append(bytes(self._open_line))
                self._open_line.clear()
            self._error = error
            self._ended = True
            self._changed.notify_all()

    def take(self, timeout: float) -> str | None:
        """The next line, None at the end. CommandError after `timeout` seconds of nothing or for an endless line."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._ready or self._ended, timeout):
                raise CommandError(
                    f"said nothing for {format_seconds(timeout)}",
                    host=self._host,
                    hint="the program on the host hangs or the host is overloaded",
                )
            if self._ready:
                line = self._ready.popleft()
                self._held -= len(line)
                self._changed.notify_all()
                return line.decode("utf-8", "replace")
            if self._error is not None:
                raise self._error
            return None

    def _grow(self, part: bytes) -> None:
        self._open_line += part
        if len(self._open_line) <= self._limit:
            return
        self._open_line.clear()
        self._ended = True
        self._error = CommandError(
            f"wrote a line of more than {format_bytes(self._limit)}",
            host=self._host,
            hint="it does not speak fleet's protocol; look at what runs there",
        )


def pump(read: Read, sink: Sink) -> None:
    """Pass a stream on until it ends; a stream that breaks has ended."""
    with suppress(OSError, EOFError):
        while data := read():
            sink(data)


def timed_out(host: Host, command: Command, out: Kept) -> CommandError:
    """The error for a command that outlived its time; `out`: what it had written by then."""
    hint = "it was told to end; look at the host's load, or give it more time"
    if out.truncated:
        hint = f"it wrote more than {format_bytes(len(out.data))}: does a forced command or a wrapper talk on there?"
    text = f"{command.argv[0]} did not end within {format_seconds(command.timeout)}"
    return CommandError(text, host=host.name, hint=hint)
