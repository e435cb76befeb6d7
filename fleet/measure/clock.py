"""The real clock behind the Clock port."""

from __future__ import annotations

import time


class SystemClock:
    """This machine's time."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
