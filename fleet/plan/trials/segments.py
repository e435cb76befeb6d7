"""How the synthetic guest's execution is cut into segments of 2^po2 cycles.

Constants fitted so that the guide's three jobs come out to the cycle: 1,024 iterations at po2 20 are 9 segments and
8,650,752 cycles (33·2^18), 4,096 at po2 20 are 34,603,008 (33·2^20), 4,096 at po2 19 are 35,127,296 (67·2^19).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

CYCLES_PER_ITERATION = 8192
RESERVED_CYCLES = 20480
"""Cycles of every segment that are not the guest's own (paging, set-up)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The `index`-th segment: 2^`po2` cycles, of which `user_cycles` are the guest's."""

    index: int
    po2: int
    user_cycles: int

    @property
    def cycles(self) -> int:
        """Padded cycles, 2^po2."""
        return 1 << self.po2


def segments(iterations: int, po2: int) -> Iterator[Segment]:
    """Cut the execution; every segment is full but the last, which is padded to the next power of two only.

    ValueError where 2^po2 cycles leave no room for the guest or there is nothing to run.
    """
    room = (1 << po2) - RESERVED_CYCLES
    if room <= 0:
        raise ValueError(f"po2 {po2} leaves no room for the guest: use 15 or more")
    if iterations < 1:
        raise ValueError("at least one iteration is needed")
    left = iterations * CYCLES_PER_ITERATION
    index = 0
    while left > 0:
        user = min(left, room)
        yield Segment(index=index, po2=(user + RESERVED_CYCLES - 1).bit_length(), user_cycles=user)
        left -= user
        index += 1


def total_cycles(iterations: int, po2: int) -> int:
    """The job's cycles, padded per segment."""
    return sum(segment.cycles for segment in segments(iterations, po2))
