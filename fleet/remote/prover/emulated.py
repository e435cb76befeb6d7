"""An emulated device: real arithmetic on a small trace for the digest, declared times and memory for the rest.

A task's end follows from its reservations, never from when a sleep happened to wake up: each phase arrives at its turn
when the phase before was planned to end. So wake-up latency, which `time_scale` would blow up, does not add up, and
what the real arithmetic costs lies within the declared time.
"""

from __future__ import annotations

import time

from fleet.model.inventory import Emulation
from fleet.remote.prover import cpu
from fleet.remote.prover.device import Digest, Proved
from fleet.remote.prover.memory import required_memory
from fleet.remote.prover.state import AgentSeat
from fleet.remote.prover.trace import make_trace

_SHARE_TO_DEVICE = 0.8
"""Of a segment's traffic, what goes to the device before it computes; the rest comes back after."""
_NAP = 50e-6
_MARGIN = 5 * _NAP
_WARM_UP_PO2 = 8


class EmulatedDevice:
    """One agent on an emulated device. `memory` in bytes, `bus` in bytes per emulated second; None = no limit.

    `time_scale`: emulated seconds per real second. The seat is the device's from here on and is closed with it.
    """

    def __init__(
        self,
        declared: Emulation,
        *,
        memory: int | None,
        bus: float | None,
        time_scale: float,
        columns: int,
        seat: AgentSeat,
    ) -> None:
        self._declared = declared
        self._memory = memory
        self._bus = bus
        self._time_scale = time_scale
        self._columns = columns
        self._seat = seat

    def warm_up(self, po2: int) -> None:
        """Take the memory, and compile by doing each kind of task once. OutOfMemory when there is too little."""
        self._seat.hold_memory(required_memory(po2), self._memory)
        digest = cpu.prove(make_trace(0, 0, _WARM_UP_PO2, self._columns), self._columns)
        cpu.finalize(cpu.join(digest, digest))

    def prove(self, trace: bytes, po2: int, arrival: float | None = None) -> Proved:
        """Transfer, compute (the real arithmetic is done meanwhile), transfer back; times are those of 2^po2 cycles.

        Fetching the trace since `arrival` is part of the declared transfer: `time_scale` would blow it up otherwise.
        """
        arrival = time.monotonic() if arrival is None else arrival
        self._seat.hold_memory(required_memory(po2), self._memory)
        moving = self._moving_seconds(po2)
        there = self._seat.take_bus(arrival, moving * _SHARE_TO_DEVICE)
        sleep_until(there.end)
        computing = (self._declared.overhead + 2.0**po2 / self._declared.cycles_per_second) / self._time_scale
        compute = self._seat.take_device(there.end, computing)
        digest = cpu.prove(trace, self._columns)
        late = max(0.0, time.monotonic() - compute.end)
        sleep_until(compute.end)
        back = self._seat.take_bus(compute.end + late, moving * (1 - _SHARE_TO_DEVICE))
        sleep_until(back.end)
        return Proved(
            digest=digest,
            started=arrival,
            finished=back.end,
            transfer_seconds=(there.end - arrival) + (back.end - compute.end - late),
            late=late,
        )

    def join(self, left: Digest, right: Digest) -> Proved:
        """Hold the device for the declared time of a join and do a real one meanwhile."""
        arrival = time.monotonic()
        compute = self._seat.take_device(arrival, self._declared.join / self._time_scale)
        digest = cpu.join(left, right)
        late = max(0.0, time.monotonic() - compute.end)
        sleep_until(compute.end)
        return Proved(digest=digest, started=arrival, finished=compute.end + late, late=late)

    def finalize(self, root: Digest) -> Proved:
        """Not declared, so not emulated: it takes the real time that it takes."""
        arrival = time.monotonic()
        digest = cpu.finalize(root)
        return Proved(digest=digest, started=arrival, finished=time.monotonic())

    def close(self) -> None:
        """Give the memory back. Never raises, may be called twice."""
        self._seat.close()

    def _moving_seconds(self, po2: int) -> float:
        return self._declared.traffic * 2.0**po2 / self._bus / self._time_scale if self._bus else 0.0


def sleep_until(deadline: float) -> None:
    """Sleep until the monotonic clock shows `deadline`; its last part in naps, which overshoot by half as much."""
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(left - _MARGIN if left > 2 * _MARGIN else min(left, _NAP))
