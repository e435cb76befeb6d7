"""What distance costs a task: round trips to the head and bytes over the host's line.

A task makes `trips` round trips one after the other, and no agent fetches ahead. Its bytes start slowly on top: TCP
sends ten segments in the first round trip and twice as many in each further one (RFC 6928), also on a connection that
was idle since the task before (RFC 2861). So distance hurts before bandwidth does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fleet.model.record import TaskKind
from fleet.twin.calibrate import Pools
from fleet.twin.replay import Service

FIRST_WINDOW = 10 * 1460
"""Bytes that TCP sends in the first round trip."""
TRIPS = 5
"""Round trips of a task on a remote worker, one after the other (decision.md, from Bento's sources)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How a host is joined to the head: seconds of a round trip, bytes per second of its line, trips a task makes."""

    rtt: float = 0.0
    bandwidth: float = math.inf
    trips: int = TRIPS


def latency(link: Link, payload: float) -> float:
    """Seconds of a task's round trips, `payload` bytes among them; nobody else has to wait for these."""
    return link.rtt * (link.trips + math.log2(1 + payload / FIRST_WINDOW))


def line_seconds(link: Link, payload: float) -> float:
    """Seconds for which a task's bytes keep the host's line from its other agents."""
    return payload / link.bandwidth


def linked(pools: Pools, links: Mapping[str, Link], payloads: Mapping[TaskKind, float]) -> Pools:
    """The pools with what each host's link adds to its tasks; `payloads`: bytes of a task by kind, 0 where not named.

    Hosts without a link are as they were.
    """

    def further(service: Service, link: Link, payload: float) -> Service:
        trips, line = latency(link, payload), line_seconds(link, payload)
        return replace(service, latency=service.latency + trips, line=service.line + line)

    return {
        (host, kind): tuple(further(s, links[host], payloads.get(kind, 0.0)) for s in samples)
        if host in links
        else samples
        for (host, kind), samples in pools.items()
    }


def efficiency(seconds: float, link: Link, payload: float, poll: float = 0.0) -> float:
    """η: the share of an agent's time that goes into tasks of `seconds` when they come over this link.

    `poll`: mean seconds until it asks for the next one.
    """
    return seconds / (seconds + latency(link, payload) + line_seconds(link, payload) + poll)
