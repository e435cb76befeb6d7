"""A device that is a real NVIDIA card: the whole trace, in real time, in memory that grows as a real agent's does."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections import deque

from fleet.errors import ConfigurationError
from fleet.remote.prover.cuda_board import Board, CupyBoard
from fleet.remote.prover.cuda_work import SLOTS, CudaWork, working_memory
from fleet.remote.prover.device import Digest, Proved
from fleet.remote.prover.memory import required_memory
from fleet.remote.prover.state import AgentSeat
from fleet.remote.prover.trace import trace_po2, trace_shape

CONTEXT = 500 * 10**6
"""Bytes that a CUDA context with these kernels takes on the card, about: part of what a real agent is seen to hold."""
_WARM_UP_PO2 = 16
"""Enough to run every kind of kernel; the memory is taken for the whole segment."""
_ELEMENT_BYTES = 4
_NAME = re.compile(r"gpu([0-9]{1,3})\Z")


def held_memory(po2: int, columns: int) -> int:
    """Bytes that an agent holds on a card for segments of 2^po2 cycles, its context included.

    What a real agent of that size holds; more only where the traces are so wide that the work needs more.
    """
    return max(required_memory(po2), working_memory(po2, columns) + CONTEXT)


def open_card(name: str) -> CupyBoard:
    """The card that an inventory calls gpuN: number N on the PCI bus, as nvidia-smi counts. ConfigurationError."""
    found = _NAME.match(name)
    if found is None:
        raise ConfigurationError(f"device {name} is a CUDA device", hint="call it gpu0, gpu1, … as nvidia-smi counts")
    return CupyBoard(int(found[1]))


class CudaDevice:
    """One agent on a card. `memory`: bytes of it that agents may hold together, None = all. Board and seat are its own.

    `effort`: how often it does the work of each segment and join before it answers.

    `begin` and `finish` keep two segments under way, so that one is copied to the card while the other is proved;
    `prove` is both, one after the other. Threads may prove, join and finalize at the same time, for the same end: the
    card does their work in the order in which they came.
    """

    def __init__(self, board: Board, *, memory: int | None, columns: int, seat: AgentSeat, effort: int = 1) -> None:
        self._board = board
        self._memory = memory
        self._columns = columns
        self._seat = seat
        self._work = CudaWork(board, columns, effort)
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(SLOTS):
            self._free.put(slot)
        self._under_way: deque[int] = deque()
        self._beginning = threading.Lock()
        self._folding = threading.Lock()
        self._clock = threading.Lock()
        self._ended = 0.0

    def warm_up(self, po2: int) -> None:
        """Take the memory, pin the host's, and do each kind of task once. OutOfMemory when there is too little."""
        self._hold(po2)
        first = min(po2, _WARM_UP_PO2)
        rows, columns = trace_shape(first, self._columns)
        self.begin(bytes(_ELEMENT_BYTES * rows * columns), first)
        digest = self.finish()
        self.finalize(self.join(digest, digest).digest)

    def prove(self, trace: bytes, po2: int, arrival: float | None = None) -> Proved:
        """Commit to the trace, which has 2^po2 rows. OutOfMemory; ValueError for bytes that are no such trace."""
        came = time.monotonic() if arrival is None else arrival
        with self._seat.working():
            with self._beginning:
                slot = self._free.get()
                sending = time.monotonic()
                self._start(slot, trace, po2)
                sent = time.monotonic()
            digest = self._end(slot)
        started, finished = self._took(came)
        # What was copied while another segment was proved has kept nobody waiting.
        moving = max(0.0, sent - max(sending, started))
        return Proved(digest=digest, started=started, finished=finished, transfer_seconds=moving)

    def begin(self, trace: bytes, po2: int) -> None:
        """Start on a segment; its trace is under way on return. At most two may be begun and not finished."""
        try:
            slot = self._free.get_nowait()
        except queue.Empty:
            raise RuntimeError(f"{SLOTS} segments are under way: finish one first") from None
        self._start(slot, trace, po2)
        self._under_way.append(slot)

    def finish(self) -> Digest:
        """The digest of the segment begun first. ValueError where its trace had an element that is not below p."""
        return self._end(self._under_way.popleft())

    def join(self, left: Digest, right: Digest) -> Proved:
        """Fold two neighbouring digests into one."""
        came = time.monotonic()
        with self._seat.working(), self._folding:
            digest = self._work.join(left, right)
        started, finished = self._took(came)
        return Proved(digest=digest, started=started, finished=finished)

    def finalize(self, root: Digest) -> Proved:
        """Turn the root of the job's tree into the job's digest."""
        came = time.monotonic()
        with self._seat.working(), self._folding:
            digest = self._work.finalize(root)
        started, finished = self._took(came)
        return Proved(digest=digest, started=started, finished=finished)

    def close(self) -> None:
        """Give the memory back. Never raises, may be called twice."""
        self._board.close()
        self._seat.close()

    def _start(self, slot: int, trace: bytes, po2: int) -> None:
        """Begin in a slot that is free, and stays so where that fails."""
        try:
            self._check(trace, po2)
            self._hold(po2)
            self._work.begin(slot, trace, po2)
        except BaseException:
            self._free.put(slot)
            raise

    def _check(self, trace: bytes, po2: int) -> None:
        rows = trace_po2(trace, self._columns)
        if rows != po2:
            raise ValueError(f"a segment of 2^{po2} cycles has as many rows, not 2^{rows}")

    def _took(self, came: float) -> tuple[float, float]:
        """When a task that is done now was begun, no two at the same time, and when it ended."""
        with self._clock:
            begun, self._ended = max(came, self._ended), time.monotonic()
            return begun, self._ended

    def _end(self, slot: int) -> Digest:
        try:
            return self._work.finish(slot)
        finally:
            self._free.put(slot)

    def _hold(self, po2: int) -> None:
        held = held_memory(po2, self._columns)
        self._seat.hold_memory(held, self._memory)
        self._work.make_room(po2, held - CONTEXT)
