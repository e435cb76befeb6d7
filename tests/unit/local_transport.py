"""Programs and files of this machine through the Transport port, without SSH: what cluster tests run on.

Each program is in a process group of its own. No adapter of fleet's: it would hide that a host is far away.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import IO

from fleet.errors import CommandError, ConnectError
from fleet.model.inventory import Host
from fleet.model.playbook import Command, Completed, Secret
from fleet.transport import files
from fleet.transport.streams import CHUNK, STREAM_LIMIT, Kept, Lines, Sink, Tail, pump, timed_out
from fleet.transport.sudo import Sudo

GRACE = 5.0
"""Seconds that a program gets to end after its stdin was closed, before it is killed."""
_NOT_FOUND, _NOT_RUNNABLE, _BY_SIGNAL = 127, 126, -1
"""Exit statuses: the first two as a shell gives them, the last where a signal ended the program."""


class LocalTransport:
    """This machine as a host. Nothing is kept open between calls. `sudo_passwords`: by host, where sudo wants one."""

    def __init__(self, sudo_passwords: Mapping[str, Secret] = MappingProxyType({})) -> None:
        self._sudo = Sudo(lambda host, command: _execute(host, command, STREAM_LIMIT), sudo_passwords)

    def run(self, host: Host, command: Command) -> Completed:
        """Run a command to the end of its streams."""
        return _execute(host, self._sudo.wrap(host, command), STREAM_LIMIT)

    def open(self, host: Host, argv: Sequence[str]) -> LocalChannel:
        """Start a long-running program."""
        return LocalChannel(host, argv)

    def put(self, host: Host, path: str, data: bytes, mode: int) -> None:
        """Write a file, whole or not at all."""
        files.check(host, f"write {path}", _execute(host, files.put_command(path, data, mode), STREAM_LIMIT))

    def get(self, host: Host, path: str, offset: int, limit: int) -> bytes:
        """Up to `limit` bytes of a file from `offset`."""
        return files.check(host, f"read {path}", _execute(host, files.get_command(path, offset, limit), limit)).stdout

    def close(self) -> None:
        """Nothing is open."""


class LocalChannel:
    """A program of this machine with its streams open."""

    def __init__(self, host: Host, argv: Sequence[str]) -> None:
        self._host = host.name
        try:
            self._process = _start(argv)
        except OSError as error:
            raise CommandError(f"cannot start {argv[0]}: {error.strerror}", host=host.name) from error
        self._input, output, errors = _pipes(self._process)
        self._lines = Lines(host.name)
        self._tail = Tail()
        self._closed = False
        threading.Thread(target=self._read_lines, args=(output,), daemon=True).start()
        threading.Thread(target=_drain, args=(errors, self._tail.feed), daemon=True).start()

    def send(self, line: str) -> None:
        """Write one line. ConnectError when the program is gone."""
        try:
            self._input.write(line.encode() + b"\n")
            self._input.flush()
        except (OSError, ValueError) as error:
            raise ConnectError("the program on it has ended", host=self._host) from error

    def receive(self, timeout: float) -> str | None:
        """The next line of its stdout; None at its end."""
        return self._lines.take(timeout)

    @property
    def complaints(self) -> str:
        """The end of what it wrote to stderr so far."""
        return self._tail.text

    def close(self) -> None:
        """Close its stdin; it is killed if it has not ended a few seconds later."""
        if not self._closed:
            self._closed = True
            self._lines.end()
            threading.Thread(target=self._see_off, daemon=True).start()

    def _read_lines(self, output: IO[bytes]) -> None:
        _drain(output, self._lines.feed)
        self._lines.end()

    def _see_off(self) -> None:
        with suppress(OSError):
            self._input.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE)
        _end(self._process)


def _execute(host: Host, command: Command, limit: int) -> Completed:
    until = time.monotonic() + command.timeout
    try:
        process = _start(command.argv)
    except OSError as error:
        status = _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_RUNNABLE
        return Completed(exit_status=status, stdout=b"", stderr=f"{command.argv[0]}: {error.strerror}\n".encode())
    into, output, errors = _pipes(process)
    out, err = Kept(limit), Kept(STREAM_LIMIT)
    drains = (lambda: _drain(output, out.feed), lambda: _drain(errors, err.feed))
    try:
        if not exchange(drains, lambda: _feed(into, command.stdin), command.timeout):
            raise timed_out(host, command, out)
        status = process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise timed_out(host, command, out) from error
    finally:
        _end(process)
    return Completed(
        exit_status=max(status, _BY_SIGNAL),
        stdout=bytes(out.data),
        stderr=bytes(err.data),
        truncated=out.truncated or err.truncated,
    )


def _start(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, cwd=Path.home(), start_new_session=True)


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise AssertionError("it was started with three pipes")
    return process.stdin, process.stdout, process.stderr


def _drain(stream: IO[bytes], sink: Sink) -> None:
    """Read to the end and close, in the one thread that reads: a closed descriptor may be somebody else's next."""
    with stream:
        pump(lambda: os.read(stream.fileno(), CHUNK), sink)


def _feed(into: IO[bytes], data: bytes) -> None:
    with suppress(OSError), into:
        into.write(data)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process group of a program that still runs, politely first, and reap it."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, sign)
            with suppress(subprocess.TimeoutExpired):
                process.wait(1.0)


def exchange(drains: Sequence[Callable[[], None]], feed: Callable[[], None], seconds: float) -> bool:
    """Run `feed` and the drains of a program's streams, all at once; whether every drain ended within `seconds`.

    The threads are not waited for after that: the caller ends what they read from, and they end.
    """
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=drain, daemon=True) for drain in drains]
    for thread in (threading.Thread(target=feed, daemon=True), *threads):
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
