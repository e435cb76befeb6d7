"""A small simulator: processes are generators that wait and take turns on locks.

Made for the planted machines only, and different in kind from `fleet.twin` on purpose: the twin keeps an event list of
tasks, here every agent is a process.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field


@dataclass
class Lock:
    """A resource that serves `places` processes at a time in order of arrival.

    It remembers for how long it was `held` (place-seconds) and for how long some process `waited` for it.
    """

    places: int = 1
    queue: deque[Process] = field(default_factory=deque)
    held: float = 0.0
    waited: float = 0.0


Effect = tuple[str, Lock | None, float]
Process = Generator[Effect, None, None]


class Simulator:
    """Runs processes that yield ("take", lock, 0), ("give", lock, 0) or ("wait", None, seconds)."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Process]] = []
        self._order = 0

    def start(self, process: Process, after: float = 0.0) -> None:
        """Let a process go on so many seconds from now."""
        self._order += 1
        heapq.heappush(self._due, (self.now + after, self._order, process))

    def run(self) -> None:
        """Until nobody waits any more."""
        while self._due:
            self.now, _, process = heapq.heappop(self._due)
            self._advance(process)

    def _advance(self, process: Process) -> None:
        for verb, lock, seconds in process:
            if verb == "wait":
                self.start(process, seconds)
                return
            assert lock is not None
            if verb == "take":
                if not lock.places:
                    lock.waited -= 0.0 if lock.queue else self.now
                    lock.queue.append(process)
                    return
                lock.places -= 1
                lock.held -= self.now
            else:
                lock.held += self.now
                if lock.queue:
                    lock.held -= self.now
                    self.start(lock.queue.popleft())
                    lock.waited += 0.0 if lock.queue else self.now
                else:
                    lock.places += 1
