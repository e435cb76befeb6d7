"""The simulated clock and what is due on it."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Action = Callable[[], None]


class Agenda:
    """Actions in order of time; those of one instant in the order in which they were put down."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Action]] = []
        self._count = 0

    def at(self, time: float, action: Action) -> None:
        """Put an action down for a time, `now` or later."""
        self._count += 1
        heapq.heappush(self._due, (time, self._count, action))

    def step(self) -> bool:
        """Do what is due next; False where nothing is."""
        if not self._due:
            return False
        self.now, _, action = heapq.heappop(self._due)
        action()
        return True

    @property
    def settled(self) -> bool:
        """Whether nothing more is due in this instant."""
        return not self._due or self._due[0][0] > self.now
