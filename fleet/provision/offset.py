"""How far a host's clock is from the controller's: a few questions to one shell, each a bare round trip."""

from __future__ import annotations

from fleet.model.facts import ClockOffset
from fleet.model.inventory import Host
from fleet.plan.checkup.clock import ClockSample, clock_function, offset, read_clock
from fleet.ports import Channel, Clock, Transport
from fleet.transport.exchange import SHELL, fresh_nonce

SAMPLES = 4
"""Round trips; the quickest counts, and the first also loads `date`."""
NOISE_LINES = 1000
"""Lines of other output that are skipped while an answer is waited for."""
ANSWER_SECONDS = 20.0


def measure_offset(transport: Transport, host: Host, clock: Clock) -> ClockOffset | None:
    """Host clock minus controller clock; None where the host tells no time. HostError where it is lost."""
    nonce = fresh_nonce()
    channel = transport.open(host, SHELL)
    try:
        channel.send(clock_function(host.python, nonce))
        samples = [_sample(channel, clock, nonce) for _ in range(SAMPLES)]
    finally:
        channel.close()
    told = [sample for sample in samples if sample is not None]
    return offset(host.name, told) if told else None


def _sample(channel: Channel, clock: Clock, nonce: str) -> ClockSample | None:
    sent = clock.now()
    channel.send("clock")
    for _ in range(NOISE_LINES):
        line = channel.receive(ANSWER_SECONDS)
        received = clock.now()
        if line is None:
            return None
        if line.startswith(nonce):
            return read_clock(line, nonce, sent, received)
    return None
