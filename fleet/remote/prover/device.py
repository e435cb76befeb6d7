"""What every prover device can do, and what it says of each task it did. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

Digest = tuple[int, ...]
"""Eight elements of the BabyBear field, each in [0, p)."""
JOIN_LEAVES = 4096
"""Leaves of a join's tree: 2·4096 − 1 permutations, a few milliseconds of one core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """One task as the device did it. All times are REAL seconds; multiply by `time_scale` for emulated ones.

    `started` and `finished` are readings of this host's monotonic clock: compare them with nothing from another host,
    use `seconds`. On an emulated device `finished` is the planned end, free of wake-up latency.
    `transfer_seconds`: the part of `seconds` spent moving bytes over the host's bus, waiting for a turn included.
    `late`: by how much the real arithmetic outlasted the declared time (0.0: the declared time was kept).
    """

    digest: Digest
    started: float
    finished: float
    transfer_seconds: float = 0.0
    late: float = 0.0

    @property
    def seconds(self) -> float:
        """How long the task took, from its call on."""
        return self.finished - self.started


class ProverDevice(Protocol):
    """One agent's handle on its device. Used by one thread at a time; several handles may share a device."""

    def warm_up(self, po2: int) -> None:
        """Take the memory for segments of 2^po2 cycles, and compile. OutOfMemory when there is too little."""

    def prove(self, trace: bytes, po2: int, arrival: float | None = None) -> Proved:
        """Commit to a segment of 2^po2 cycles. OutOfMemory; ValueError for bytes that are no such trace.

        `arrival`: when the task came, by this host's monotonic clock, if before the call: its trace had to be fetched.
        """

    def join(self, left: Digest, right: Digest) -> Proved:
        """Fold two neighbouring digests into one."""

    def finalize(self, root: Digest) -> Proved:
        """Turn the root of the job's tree into the job's digest."""

    def close(self) -> None:
        """Give the memory back. Never raises, may be called twice."""
