"""Programs that sample hosts while something that fleet did not start is measured there: begun where one is needed.

A host without one is measured all the same; what its trials lack says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from fleet.model.event import Note
from fleet.model.facts import Failure
from fleet.model.inventory import Host
from fleet.model.samples import Lack, Telemetry
from fleet.model.wire import NodeConfig
from fleet.ports import Observer, Transport
from fleet.workload.nodes import Nodes, by_itself
from fleet.workload.telemetry import Spools

MODULE = "fleet.remote.onlooker"
EVERYTHING = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """How a run is looked at. `offsets`: host clock minus ours in seconds; `interval`: seconds between samples.

    `archive`: brings fleet to a host and tells in which file there it is. HostError where it cannot run there.
    """

    run: str
    offsets: Mapping[str, float]
    interval: float
    archive: Callable[[Host], str]


class Onlookers:
    """One on each host that was ever asked for, for as long as this is entered. Used by one thread."""

    def __init__(self, transport: Transport, hosts: Sequence[Host], looking: Looking, observer: Observer) -> None:
        self._transport = transport
        self.hosts: Mapping[str, Host] = {host.name: host for host in hosts}
        """Where one can be, by name."""
        self._looking = looking
        self._observe = observer
        self._spools = Spools(transport, looking.run, looking.offsets, looking.interval)
        self._nodes: dict[str, Nodes] = {}
        self._lacks: dict[str, Lack] = {}

    def __enter__(self) -> Self:
        """Nothing is begun yet."""
        return self

    def __exit__(self, *exc: object) -> None:
        """End all of them; each takes what it left on its host with it. Never raises."""
        for nodes in self._nodes.values():
            nodes.close()

    def begin(self, names: Iterable[str]) -> None:
        """Have one come up on each of these hosts that has none yet; does not wait for it."""
        for name in names:
            if name in self.hosts and name not in self._nodes:
                host = self.hosts[name]
                self._nodes[name] = Nodes(
                    self._transport, (host,), self._config, module=MODULE, archive=self._looking.archive
                )
                self._nodes[name].begin()

    def mark(self, names: Iterable[str], name: str) -> None:
        """Have the GPUs of these hosts looked at as a whole, once each has an onlooker or is known to get none."""
        wanted = tuple(dict.fromkeys(names))
        self.begin(wanted)
        for each in wanted:
            if each in self._nodes:
                self._nodes[each].wait(needed=each)
                self._nodes[each].mark(name)

    def collected(self, names: Iterable[str], start: float, end: float, mark: str) -> Telemetry:
        """What these hosts were like from `start` to `end`, Unix seconds of the controller; they were marked `mark`."""
        wanted = [name for name in dict.fromkeys(names) if name in self._nodes]
        alive = [host for name in wanted for host in self._nodes[name].alive()]
        found, failures = self._spools.collect(alive, start, end, mark=mark)
        for name in wanted:
            for news in self._nodes[name].news():
                self._missing(name, news.message, lasting=isinstance(news, Failure))
        for failure in failures:
            self._missing(failure.host or "", failure.message, lasting=False)
        lacks = (self._lacks[name] for name in wanted if name in self._lacks)
        return replace(found, lacks=(*found.lacks, *lacks))

    def _missing(self, host: str, why: str, *, lasting: bool) -> None:
        reason = f"no telemetry: {why.removeprefix('its node has ended: ')}"
        if lasting:
            self._lacks[host] = Lack(host=host, device=None, field=EVERYTHING, reason=reason, time=time.time())
        self._observe(Note(text=f"{host}: {reason}", warning=True))

    def _config(self, host: Host) -> NodeConfig:
        return by_itself(host, self._looking.run, self._spools.path(host), self._looking.interval)
