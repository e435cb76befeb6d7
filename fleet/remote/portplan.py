"""Which port of a host's range is whose, so that a firewall can open exactly these. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.model.inventory import Ports

_FIXED = 7
SMALLEST_RANGE = _FIXED + 8
"""Ports that a host needs: the fixed ones, and some for agents and the driver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePorts:
    """The ports of one Ray node. Those from `metrics_agent` to `runtime_env_agent` are named but never opened."""

    gcs: int
    node_manager: int
    object_manager: int
    metrics_agent: int
    metrics_export: int
    dashboard_agent: int
    runtime_env_agent: int
    first_worker: int
    last_worker: int


def node_ports(ports: Ports) -> NodePorts:
    """The plan for a range. ValueError where the range is too small."""
    size = ports.last - ports.first + 1
    if size < SMALLEST_RANGE:
        raise ValueError(f"ports {ports.first} to {ports.last} are {size}, at least {SMALLEST_RANGE} are needed")
    gcs, node, objects, metrics, export, dashboard, runtime, worker = range(ports.first, ports.first + _FIXED + 1)
    return NodePorts(
        gcs=gcs,
        node_manager=node,
        object_manager=objects,
        metrics_agent=metrics,
        metrics_export=export,
        dashboard_agent=dashboard,
        runtime_env_agent=runtime,
        first_worker=worker,
        last_worker=ports.last,
    )
