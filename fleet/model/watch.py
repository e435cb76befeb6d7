"""What `fleet watch` asks of hosts, hears from them and shows."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.model.inventory import Device
from fleet.model.samples import CardState, DeviceSample, HostSample, Lack


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchConfig:
    """The one line that a watcher (`python -m fleet.remote.watcher`) reads: what to look at, and how often.

    `address`, `devices`, `work_dir` and `bus` as in the inventory; `interval` in seconds.
    """

    host: str
    address: str
    work_dir: str
    devices: tuple[Device, ...]
    interval: float
    bus: float | None = None


Watched = HostSample | DeviceSample | CardState | Lack
"""What a watcher says: a line each. The host's sample comes first, then its devices' of the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLost:
    """A host that says nothing any more, and why; it is called again."""

    host: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one host said at one time."""

    host: HostSample
    devices: tuple[DeviceSample, ...] = ()
    cards: tuple[CardState, ...] = ()
    lacks: tuple[Lack, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """The last driver error (`xid`) that was heard of a GPU, and when, in the host's Unix seconds."""

    device: str
    xid: int
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedHost:
    """One host as it is shown: its last look (None: none yet), and why there is no newer one.

    `cards`: its GPUs' states by the last that was told of each; `lacks`: all that it cannot read; `mishaps`: one for
    each GPU that had any since watching began.
    """

    name: str
    group: str | None = None
    look: Look | None = None
    cards: tuple[CardState, ...] = ()
    lacks: tuple[Lack, ...] = ()
    mishaps: tuple[Mishap, ...] = ()
    lost: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """All hosts at one time (Unix seconds), in the inventory's order."""

    time: float
    hosts: tuple[WatchedHost, ...]
