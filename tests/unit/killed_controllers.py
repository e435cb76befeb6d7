"""A controller that isolates and configures a head, and is killed (SIGKILL) on its way: run as a program.

Its arguments: the host as JSON, the settings as JSON, and when: `before`, `during` or `after` the exchange whose
program holds a text, for the n-th time.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

from fleet.codec import load
from fleet.model.bento import BentoSettings, Tuning
from fleet.model.inventory import Device, DeviceKind, Host
from fleet.model.playbook import Command, Completed
from fleet.model.trial import AgentSpec, Layout
from fleet.ports import Channel
from fleet.transport.ssh import SshTransport
from fleet.workload.bento.configuration import configured
from fleet.workload.bento.discover import discover
from fleet.workload.bento.guard import Custody, Guard
from fleet.workload.bento.isolation import Consent, isolated

DEADLINE = 12.0
"""Seconds: more than a busy machine takes for one beat."""


def die() -> None:
    """As the kernel ends a program that took too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


class KilledAt:
    """A transport whose user dies at one of its exchanges."""

    def __init__(self, moment: str, text: str, count: int) -> None:
        self._inner = SshTransport()
        self._moment, self._text, self._left = moment, text.encode(), count

    def run(self, host: Host, command: Command) -> Completed:
        """Run a program, or die before, during or after it."""
        hit = self._text in command.stdin
        self._left -= hit
        if not hit or self._left != 0:
            return self._inner.run(host, command)
        if self._moment == "before":
            die()
        if self._moment == "during":
            threading.Timer(0.7, die).start()
        done = self._inner.run(host, command)
        die()
        return done

    def open(self, host: Host, argv: Sequence[str]) -> Channel:
        """Start a program."""
        return self._inner.open(host, argv)

    def put(self, host: Host, path: str, data: bytes, mode: int) -> None:
        """Write a file."""
        self._inner.put(host, path, data, mode)

    def get(self, host: Host, path: str, offset: int, limit: int) -> bytes:
        """Read a file."""
        return self._inner.get(host, path, offset, limit)

    def close(self) -> None:
        """Close it."""
        self._inner.close()


def layout(host: Host) -> Layout:
    """Two agents on the host's first device."""
    return Layout(agents=tuple(AgentSpec(host=host.name, device="gpu0", slot=slot) for slot in range(2)), po2=19)


def device() -> Device:
    """What the layout is on."""
    return Device(name="gpu0", kind=DeviceKind.CUDA, model="L4")


def main() -> None:
    """Isolate, configure, and put back; it is not meant to get to the end."""
    host, settings = load(Host, sys.argv[1]), load(BentoSettings, sys.argv[2])
    transport = KilledAt(sys.argv[3], sys.argv[4], int(sys.argv[5]))
    found = discover(transport, host, settings)
    with (
        Guard(transport, host, Custody(inventory="trial", deadline=DEADLINE)) as guard,
        isolated(guard, found, Consent(isolate=True)),
        configured(guard, found, layout(host), Tuning()),
    ):
        time.sleep(0.2)
    sys.stdout.write("the end\n")


if __name__ == "__main__":
    main()
