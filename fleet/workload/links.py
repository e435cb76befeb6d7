"""Programs on hosts that live as long as they hear from us: nodes and the driver."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from fleet.codec.text import Malformed, dump_line, load_line
from fleet.errors import CommandError, HostError
from fleet.model.inventory import Host
from fleet.model.wire import HEARTBEAT_SECONDS, Goodbye, ToController, ToDriver, ToHand, ToNode
from fleet.ports import Channel, Transport

_FOREVER = 3600.0
_FROM_ARCHIVE = """\
import os, runpy, sys
archive, module = sys.argv[1:]
sys.path.insert(0, os.path.abspath(archive))
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


class Link:
    """One program with its streams open, and a thread that keeps it from believing that we are gone."""

    def __init__(self, host: Host, channel: Channel) -> None:
        self.host = host
        self._channel = channel
        self._writing = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._beat, name=f"heartbeat {host.name}", daemon=True).start()

    def say(self, value: ToNode | ToDriver | ToHand) -> None:
        """Send a value. HostError where it cannot be sent."""
        self._send(dump_line(value))

    def hear(self, timeout: float) -> ToController | None:
        """What the program says next; None at its end. HostError after so many seconds of nothing, or of nonsense."""
        line = self._channel.receive(timeout)
        try:
            return None if line is None else load_line(ToController, line)
        except Malformed as error:
            raise CommandError(f"its answer cannot be read: {error}", host=self.host.name) from error

    def hear_ever(self) -> ToController | None:
        """What the program says next, however long that takes; None where it will say no more."""
        while not self._closed.is_set():
            begun = time.monotonic()
            try:
                return self.hear(_FOREVER)
            except CommandError:
                if time.monotonic() - begun < _FOREVER:
                    return None
            except HostError:
                return None
        return None

    @property
    def complaint(self) -> str | None:
        """The last line of what it wrote to stderr, None where it wrote nothing."""
        lines = self._channel.complaints.strip().splitlines()
        return lines[-1] if lines else None

    def dismiss(self) -> None:
        """Ask it to clean up and end. Never raises."""
        with suppress(HostError):
            self.say(Goodbye())

    def see_off(self, patience: float) -> None:
        """Ask it to end, wait for that, but not longer than so many seconds, and close the connection. Never raises."""
        self.dismiss()
        until = time.monotonic() + patience
        with suppress(HostError):
            while (left := until - time.monotonic()) > 0 and self.hear(left) is not None:
                continue
        self.close()

    def close(self) -> None:
        """Close the connection, which ends it too. Never raises, may be called twice."""
        self._closed.set()
        self._channel.close()

    def _beat(self) -> None:
        with suppress(HostError):
            while not self._closed.wait(HEARTBEAT_SECONDS):
                self._send("")

    def _send(self, line: str) -> None:
        with self._writing:
            self._channel.send(line)


def start(transport: Transport, host: Host, module: str, archive: str | None = None) -> Link:
    """Start one of fleet's programs on a host (-P: nothing in the user's home is taken for a module). HostError.

    `archive`: a file on the host to take it from; None = from what its Python has.
    """
    words = ("-m", module) if archive is None else ("-c", _FROM_ARCHIVE, archive, module)
    return Link(host, transport.open(host, (host.python, "-P", *words)))
