"""One run of a command on this host: its process group started, its output kept in bounds, all of it ended after it.

A run's processes are found by its group and by a variable in their environment, so that those that left the group end
with it, too. Nothing else may reap our children meanwhile.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import IO, Self

from fleet.remote.processes import carrying

ERRAND = "FLEET_ERRAND"
"""The environment variable that everything a run starts carries, with the run's name as its value."""
KEPT = 64 * 1024
"""Bytes from the end of what a run prints that are kept, of each stream."""
_CHUNK = 2**16
_POLL = 0.05
_UNWATCHED_POLL = 0.005
_DRAIN = 1.0
_ENDING = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What is to be run: `environment` in full, `core` None = any, `timeout` in seconds."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    core: int | None
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How it went: `status` negative for a signal; None: it could not be started, `complained` says why.

    `printed`: the end of its standard output; `complained`: that of standard error. `late`: it was ended by the limit.
    """

    seconds: float
    status: int | None
    printed: str
    complained: str
    late: bool = False


def run(errand: Errand, stop: threading.Event) -> Ran:
    """Run it to its end, its time limit or `stop`. To be called in a thread of its own, which is bound to the core."""
    if errand.core is not None:
        os.sched_setaffinity(0, {errand.core})
    begun = time.monotonic()
    try:
        process = subprocess.Popen(
            errand.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=errand.directory,
            env={**errand.environment, ERRAND: errand.name},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        return Ran(seconds=0.0, status=None, printed="", complained=f"{errand.argv[0]}: {why}")
    with _Streams(process) as streams:
        late = streams.follow(begun + errand.timeout, stop)
        seconds = time.monotonic() - begun
        _end(process, errand.name)
        streams.drain()
        return Ran(
            seconds=seconds,
            status=process.returncode,
            printed=streams.text(process.stdout),
            complained=streams.text(process.stderr),
            late=late,
        )


class _Streams:
    """What a process prints, the end of it; and the moment of its end."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._kept: dict[int, bytearray] = {}
        self._selector = selectors.DefaultSelector()
        self._stack = ExitStack()
        self._watched = False

    def __enter__(self) -> Self:
        self._stack.enter_context(self._selector)
        for stream in filter(None, (self._process.stdout, self._process.stderr)):
            self._stack.enter_context(stream)
            self._kept[stream.fileno()] = bytearray()
            self._selector.register(stream.fileno(), selectors.EVENT_READ)
        with suppress(OSError):  # kernels before 5.3 have no such thing: there we look often
            end = os.pidfd_open(self._process.pid)
            self._stack.callback(os.close, end)
            self._selector.register(end, selectors.EVENT_READ)
            self._watched = True
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def follow(self, until: float, stop: threading.Event) -> bool:
        """Read until the process has ended, it is late, or we are told to stop. Whether it was late."""
        poll = _POLL if self._watched else _UNWATCHED_POLL
        while self._process.poll() is None and not stop.is_set():
            if time.monotonic() > until:
                return True
            self._read(poll)
        return False

    def drain(self) -> None:
        """Read what is left in the pipes; whoever still holds them has a second."""
        until = time.monotonic() + _DRAIN
        while time.monotonic() < until and self._open():
            self._read(_POLL)

    def text(self, stream: IO[bytes] | None) -> str:
        """The end of what came, undecodable bytes replaced."""
        return self._kept[stream.fileno()].decode(errors="replace") if stream else ""

    def _open(self) -> bool:
        return any(key.fd in self._kept for key in self._selector.get_map().values())

    def _read(self, patience: float) -> None:
        for key, _ in self._selector.select(patience):
            kept = self._kept.get(key.fd)
            if kept is None:
                continue
            data = os.read(key.fd, _CHUNK)
            if not data:
                self._selector.unregister(key.fd)
            kept += data
            del kept[:-KEPT]


def _end(process: subprocess.Popen[bytes], name: str) -> None:
    """Kill what is left of the run, again and again until nothing is."""
    until = time.monotonic() + _ENDING
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    while (left := carrying(ERRAND, name)) and time.monotonic() < until:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_UNWATCHED_POLL)
