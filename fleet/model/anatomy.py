"""What jobs are made of: where the agents' time went, service times, and what neighbours and distance cost."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.model.estimate import Estimate
from fleet.model.trial import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Where the agents' time went, shares that add up to 1: busy, waiting for dispatch, waiting for the task graph."""

    layout: Layout
    busy: float
    dispatch: float
    graph: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTime:
    """Mean seconds of the tasks of one kind on one host (None: the records do not name it), over `count` tasks."""

    kind: str
    host: str | None
    seconds: Estimate
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decomposition:
    """What the jobs of one layout are made of, under one load; all times are means of its trials, in seconds.

    `seconds` from the first start to the last end. No schedule is shorter than the largest of `executor_seconds`
    (segments are cut no faster), `work` (what all agents do, shared evenly) and `critical_path` (the longest chain of
    tasks). `coordinator`: the share of the time for which handing out tasks, one at a time, was at work.
    """

    layout: Layout
    jobs: int
    seconds: float
    share: Share
    executor_hz: float | None
    executor_seconds: float
    work: float
    critical_path: float
    coordinator: float | None
    services: tuple[ServiceTime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inflation:
    """φ(g, a): how many times as long a prove takes on a host with `devices` devices of `agents` agents each at work.

    Against one agent on one device of that host, at the same segment size.
    """

    layout: Layout
    host: str
    devices: int
    agents: int
    stretch: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """η: at which share of a near device's pace a device of a remote host proves; 1 = distance is free."""

    host: str
    layout: Layout
    efficiency: Estimate
