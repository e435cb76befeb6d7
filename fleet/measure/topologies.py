"""Asks hosts where their GPUs sit."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.codec.text import Malformed, load_line
from fleet.errors import HostError
from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.model.topology import Topology
from fleet.ports import Transport
from fleet.transport.fanout import fanout

MODULE = "fleet.remote.topology"
ASK_SECONDS = 60.0


def topologies(transport: Transport, hosts: Sequence[Host]) -> tuple[Topology, ...]:
    """Each host's topology, in order; what keeps a host from telling is its topology's problem."""
    found = fanout(lambda host: _ask(transport, host), tuple(hosts))
    return tuple(
        Topology(host=host.name, problem=answer.message) if isinstance(answer, HostError) else answer
        for host, answer in found
    )


def _ask(transport: Transport, host: Host) -> Topology:
    """HostError where it cannot be reached; a host without fleet says so in its topology's problem."""
    done = transport.run(host, Command(argv=(host.python, "-P", "-m", MODULE, host.name), timeout=ASK_SECONDS))
    lines = done.stdout.splitlines()
    try:
        return load_line(Topology, lines[-1]) if lines else Topology(host=host.name, problem="no fleet runs there")
    except Malformed:
        return Topology(host=host.name, problem="its answer cannot be read")
