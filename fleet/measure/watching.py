"""Listens to hosts for `fleet watch`: a thread a host, which calls again when the host has gone away.

Where fleet runs on a host its own watcher looks (`fleet.remote.watcher`); else a shell program that is sent there, and
needs nothing but /bin/sh (`fleet.remote.bareprobe`). Nothing is written on any host.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from types import TracebackType
from typing import Self

from fleet.codec.text import Malformed, dump_line, load_line
from fleet.errors import CommandError, FleetError, HostError
from fleet.model.inventory import DeviceKind, Host
from fleet.model.samples import CardState, DeviceSample, HostSample, Lack
from fleet.model.watch import HostLost, Look, WatchConfig, Watched
from fleet.ports import Channel, Transport
from fleet.remote.bareprobe import BEGIN, END, LOOK_LIMIT, PROGRAM, SHORTEST_BARE, Bare, look, parse_bare

MODULE = "fleet.remote.watcher"
PATIENCE = 15.0
"""Seconds, and five intervals more, within which a host says something, or it is taken for lost."""
_CALL_AGAIN = (2.0, 5.0, 10.0)
"""Seconds until a lost host is called again: the first time, the second, and ever after."""
_MOST_LINES = 512
"""Of one look: more than any host has devices and things that it lacks."""

Hear = Callable[[Look | HostLost, str], None]
"""What is done with a host's next look, or with its loss, and the host's name. Called from the hosts' threads."""


class Watching:
    """Hosts that are watched, every `interval` seconds, while this is entered."""

    def __init__(self, transport: Transport, hosts: Sequence[Host], interval: float, hear: Hear) -> None:
        self._transport = transport
        self._hosts = tuple(hosts)
        self._interval = interval
        self._hear = hear
        self._ending = threading.Event()
        self._channels: dict[str, Channel] = {}

    def __enter__(self) -> Self:
        """Call all hosts at once."""
        for host in self._hosts:
            threading.Thread(target=self._tend, args=(host,), name=f"watch {host.name}", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up. The hosts' programs end with their connections."""
        self._ending.set()
        for channel in tuple(self._channels.values()):
            channel.close()

    def _tend(self, host: Host) -> None:
        """Watch a host until the end, however often it goes away."""
        bare, failures = False, 0
        while not self._ending.is_set():
            try:
                for found in self._bare_looks(host) if bare else self._looks(host):
                    failures = 0
                    self._tell(host, found)
                reason = "it has said its last"
            except _NoFleetError:
                bare = True
                continue
            except FleetError as error:
                reason = error.message
            self._tell(host, HostLost(host=host.name, reason=reason))
            bare = False
            self._ending.wait(_CALL_AGAIN[min(failures, len(_CALL_AGAIN) - 1)])
            failures += 1

    def _tell(self, host: Host, what: Look | HostLost) -> None:
        if not self._ending.is_set():
            self._hear(what, host.name)

    def _looks(self, host: Host) -> Iterator[Look]:
        """What fleet's watcher says, look by look. HostError; _NoFleetError where no fleet answers there."""
        config = WatchConfig(
            host=host.name,
            address=host.node_address,
            work_dir=host.work_dir,
            devices=host.devices,
            interval=self._interval,
            bus=host.bus,
        )
        try:
            channel = self._open(host, (host.python, "-P", "-m", MODULE))
        except CommandError as error:
            raise _NoFleetError from error
        with closing(channel):
            begun = False
            seen: list[Watched] = []
            try:
                channel.send(dump_line(config))
                while (line := channel.receive(PATIENCE + 5 * self._interval)) is not None:
                    if line.strip():
                        seen = [*seen, _understood(host, line)][-_MOST_LINES:]
                    elif any(isinstance(each, HostSample) for each in seen):
                        begun = True
                        yield _gathered(seen)
                        seen = []
            except HostError as error:
                # A host that is gone says so again when the shell program is sent there.
                if not begun:
                    raise _NoFleetError from error
                raise
            if not begun:
                raise _NoFleetError
            raise CommandError(channel.complaints.strip() or "its watcher has ended", host=host.name)

    def _bare_looks(self, host: Host) -> Iterator[Look]:
        """What the shell program says, look by look. HostError."""
        pause = max(SHORTEST_BARE, self._interval)
        with closing(self._open(host, ("/bin/sh", "-c", PROGRAM, "sh", f"{pause:g}"))) as channel:
            before: Bare | None = None
            text: list[str] = []
            while (line := channel.receive(PATIENCE + 5 * pause)) is not None:
                if line == BEGIN:
                    text = []
                elif line == END:
                    after = _read_bare(host, "\n".join(text))
                    if before is not None:
                        yield look(host.name, host.node_address, before, after)
                    before = after
                elif len(text) < LOOK_LIMIT // 80:
                    text.append(line[:LOOK_LIMIT])
            raise CommandError(channel.complaints.strip() or "its shell program has ended", host=host.name)

    def _open(self, host: Host, argv: tuple[str, ...]) -> Channel:
        channel = self._channels[host.name] = self._transport.open(host, argv)
        if self._ending.is_set():
            channel.close()
        return channel


class _NoFleetError(Exception):
    """No fleet runs on the host: it is looked at with what is there."""


def _understood(host: Host, line: str) -> Watched:
    try:
        return load_line(Watched, line)
    except Malformed as error:
        raise CommandError(f"its watcher cannot be understood: {error}", host=host.name) from error


def _read_bare(host: Host, text: str) -> Bare:
    try:
        return parse_bare(host.name, text, [each.name for each in host.devices if each.kind is DeviceKind.CUDA])
    except (ValueError, KeyError, IndexError) as error:
        raise CommandError("what its /proc says cannot be read", host=host.name) from error


def _gathered(seen: Sequence[Watched]) -> Look:
    """One look: the lines up to an empty one."""
    sample = next(each for each in seen if isinstance(each, HostSample))
    return Look(
        host=sample,
        devices=tuple(each for each in seen if isinstance(each, DeviceSample)),
        cards=tuple(each for each in seen if isinstance(each, CardState)),
        lacks=tuple(each for each in seen if isinstance(each, Lack)),
    )
