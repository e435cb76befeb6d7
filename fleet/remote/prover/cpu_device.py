"""A device that is one of this machine's own cores: real arithmetic on the whole trace, in real time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

from fleet.remote.prover import cpu
from fleet.remote.prover.device import Digest, Proved
from fleet.remote.prover.memory import OutOfMemory
from fleet.remote.prover.state import AgentSeat
from fleet.remote.prover.trace import make_trace, trace_po2


class CpuDevice:
    """One agent on a CPU device. `memory` in bytes, None = no limit but the machine's.

    The calling thread is pinned to `core` where the system allows it; None = not pinned. The seat is closed with it.
    """

    def __init__(self, *, memory: int | None, core: int | None, columns: int, seat: AgentSeat) -> None:
        self._memory = memory
        self._columns = columns
        self._seat = seat
        if core is not None and hasattr(os, "sched_setaffinity"):
            with suppress(OSError):
                os.sched_setaffinity(0, {core})

    def warm_up(self, po2: int) -> None:
        """Take the memory, compile, and prove one segment of this size. OutOfMemory when there is too little."""
        trace = make_trace(0, 0, po2, self._columns)
        digest = self.prove(trace, po2).digest
        self.finalize(self.join(digest, digest).digest)

    def prove(self, trace: bytes, po2: int, arrival: float | None = None) -> Proved:
        """Commit to the trace, which has 2^po2 rows. OutOfMemory; ValueError for bytes that are no such trace."""
        if trace_po2(trace, self._columns) != po2:
            raise ValueError(f"a segment of 2^{po2} cycles has as many rows, not 2^{trace_po2(trace, self._columns)}")
        self._seat.hold_memory(cpu.working_memory(po2, self._columns), self._memory)
        return self._timed(lambda: cpu.prove(trace, self._columns), arrival)

    def join(self, left: Digest, right: Digest) -> Proved:
        """Fold two neighbouring digests into one."""
        return self._timed(lambda: cpu.join(left, right))

    def finalize(self, root: Digest) -> Proved:
        """Turn the root of the job's tree into the job's digest."""
        return self._timed(lambda: cpu.finalize(root))

    def close(self) -> None:
        """Give the memory back. Never raises, may be called twice."""
        self._seat.close()

    def _timed(self, work: Callable[[], Digest], arrival: float | None = None) -> Proved:
        started = time.monotonic() if arrival is None else arrival
        with self._seat.working():
            try:
                digest = work()
            except MemoryError as error:
                raise OutOfMemory(str(error)) from error
        return Proved(digest=digest, started=started, finished=time.monotonic())
