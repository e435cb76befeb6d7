"""Asks hosts what their cards reach, one question to all at once."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.codec.text import Malformed, load_line
from fleet.errors import HostError
from fleet.model.gpuhealth import HostFigures
from fleet.model.inventory import DeviceKind, Host
from fleet.model.playbook import Command
from fleet.ports import Transport
from fleet.transport.fanout import fanout

MODULE = "fleet.remote.gpuhealth"
ASK_SECONDS = 300.0


def with_cards(hosts: Sequence[Host]) -> tuple[Host, ...]:
    """The hosts whose inventory declares a card."""
    return tuple(host for host in hosts if any(device.kind is DeviceKind.CUDA for device in host.devices))


def gpu_figures(transport: Transport, hosts: Sequence[Host]) -> tuple[HostFigures, ...]:
    """Each host's figures, in order; what keeps a host from telling is its figures' problem."""
    found = fanout(lambda host: _ask(transport, host), tuple(hosts))
    return tuple(
        HostFigures(host=host.name, problem=answer.message, cure=answer.hint)
        if isinstance(answer, HostError)
        else answer
        for host, answer in found
    )


def _ask(transport: Transport, host: Host) -> HostFigures:
    """HostError where it cannot be reached; a host without fleet says so in its figures' problem."""
    done = transport.run(host, Command(argv=(host.python, "-P", "-m", MODULE, host.name), timeout=ASK_SECONDS))
    lines = done.stdout.splitlines()
    try:
        if lines:
            return load_line(HostFigures, lines[-1])
    except Malformed:
        return HostFigures(
            host=host.name, problem="its answer cannot be read", cure="provision it again: fleet bench does"
        )
    return HostFigures(host=host.name, problem="fleet does not run there", cure="provision it: fleet bench does")
