"""The Ray nodes of a run: brought up together, watched, and taken down together."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import assert_never

from fleet.errors import HostError
from fleet.model.facts import Failure
from fleet.model.inventory import Host
from fleet.model.wire import Mark, NodeConfig, NodeReady, RemoteError, ToController, ToHand, ToNode
from fleet.ports import Transport
from fleet.transport.controller import controller
from fleet.workload.links import Link, start

MODULE = "fleet.remote.cluster.node"
START_PATIENCE = 120.0
"""Seconds for all nodes to come up; a node gives up by itself before that."""
END_PATIENCE = 10.0
"""Seconds for all nodes to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What a host's thread has to say: the node is up, something about it, or why it is no more."""

    host: str
    what: NodeReady | RemoteError | Failure


class Nodes:
    """A node on each of the hosts, a thread for each. Used by one thread.

    `module`: the program there; `archive` says which file on a host it is in, where the host's Python has none
    (HostError where it cannot be brought). `pass_on` is handed whatever else a host says, or None when it has failed,
    in the host's own thread.
    """

    def __init__(
        self,
        transport: Transport,
        hosts: Sequence[Host],
        configure: Callable[[Host], ToNode | ToHand],
        *,
        module: str = MODULE,
        archive: Callable[[Host], str | None] = lambda _host: None,
        pass_on: Callable[[str, ToController | None], None] | None = None,
    ) -> None:
        self._transport = transport
        self._hosts = tuple(hosts)
        self._configure = configure
        self._module = module
        self._archive = archive
        self._pass_on = pass_on or (lambda _host, _said: None)
        self._heard: queue.SimpleQueue[_Heard] = queue.SimpleQueue()
        self._links: dict[str, Link] = {}
        self._threads: list[threading.Thread] = []
        self._ready: set[str] = set()
        self._failed: dict[str, Failure] = {}
        self._news: list[Failure | RemoteError] = []
        self._ending = threading.Event()

    def begin(self) -> None:
        """Begin to bring all of them up, at once: each waits for the head by itself."""
        self._threads = [threading.Thread(target=self._tend, args=(host,), daemon=True) for host in self._hosts]
        for thread in self._threads:
            thread.start()

    def wait(self, needed: str) -> None:
        """Wait until each is up or has failed; no longer where the host `needed` has failed."""
        until = time.monotonic() + START_PATIENCE
        while needed not in self._failed and len(self._ready | self._failed.keys()) < len(self._hosts):
            try:
                self._learn(self._heard.get(timeout=max(0.0, until - time.monotonic())))
            except queue.Empty:
                for host in self._hosts:
                    if host.name not in self._ready:
                        self.give_up(host.name, "cluster", f"its node was not up after {START_PATIENCE:.0f} s")

    def alive(self) -> tuple[Host, ...]:
        """The hosts whose nodes are up, as far as is known now."""
        while not self._heard.empty():
            self._learn(self._heard.get())
        return tuple(host for host in self._hosts if host.name in self._ready and host.name not in self._failed)

    def failure(self, host: str) -> Failure | None:
        """Why a host's node is no more, or never was."""
        self.alive()
        return self._failed.get(host)

    def news(self) -> tuple[Failure | RemoteError, ...]:
        """Failures, and lesser troubles, since this was asked last."""
        self.alive()
        new, self._news = tuple(self._news), []
        return new

    def give_up(self, host: str, stage: str, message: str) -> None:
        """Go on without a host."""
        self._learn(_Heard(host=host, what=Failure(host=host, stage=stage, message=message)))
        if (link := self._links.get(host)) is not None:
            link.close()

    def say(self, host: str, value: ToNode | ToHand) -> None:
        """Tell a host's node something. HostError where it cannot be told."""
        self._links[host].say(value)

    def mark(self, name: str) -> None:
        """Have every node that is up mark its spool. One that cannot be told is about to be found lost anyway."""
        for host in self.alive():
            with suppress(HostError):
                self.say(host.name, Mark(name=name))

    def close(self) -> None:
        """Take all down, and wait until they have ended. Never raises, may be called twice."""
        self._ending.set()
        for link in tuple(self._links.values()):
            link.dismiss()
        until = time.monotonic() + END_PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        for link in tuple(self._links.values()):
            link.close()

    def _learn(self, heard: _Heard) -> None:
        match heard.what:
            case NodeReady():
                self._ready.add(heard.host)
            case Failure():
                if heard.host not in self._failed:
                    self._failed[heard.host] = heard.what
                    self._news.append(heard.what)
            case RemoteError():
                self._news.append(heard.what)
            case _:
                assert_never(heard.what)

    def _tend(self, host: Host) -> None:
        """The thread of one host: start its node, then listen to it to its end."""
        try:
            self._listen(host)
        except HostError as error:
            failure = Failure(host=host.name, stage="cluster", message=error.message, hint=error.hint)
            self._heard.put(_Heard(host=host.name, what=failure))
        self._pass_on(host.name, None)

    def _listen(self, host: Host) -> None:
        link = self._links[host.name] = start(self._transport, host, self._module, self._archive(host))
        if self._ending.is_set():
            return link.close()
        link.say(self._configure(host))
        stage = "cluster"
        while (said := link.hear_ever()) is not None:
            match said:
                case NodeReady():
                    stage = "measure"
                    self._heard.put(_Heard(host=host.name, what=said))
                case RemoteError(fatal=True):
                    failure = Failure(host=host.name, stage=stage, message=said.message, hint=said.hint)
                    self._heard.put(_Heard(host=host.name, what=failure))
                case RemoteError():
                    self._heard.put(_Heard(host=host.name, what=said))
                case _:
                    self._pass_on(host.name, said)
        message = f"its node has ended{_because(link)}"
        self._heard.put(_Heard(host=host.name, what=Failure(host=host.name, stage=stage, message=message)))
        return None


def _because(link: Link) -> str:
    return f": {link.complaint}" if link.complaint else ""


def by_itself(host: Host, run: str, spool: str, interval: float) -> NodeConfig:
    """What a host is told on which no Ray runs: it is its own head, and nobody joins it."""
    return NodeConfig(
        run=run,
        host=host.name,
        address=host.node_address,
        head=host.node_address,
        gcs_port=host.ports.first,
        ports=host.ports,
        token="",
        work_dir=host.work_dir,
        devices=host.devices,
        spool=spool,
        interval=interval,
        bus=host.bus,
        whose=controller(),
    )
