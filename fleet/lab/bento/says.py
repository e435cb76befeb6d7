"""A line of a stand-in's log, in the form that Bento's programs have."""

from __future__ import annotations

import time


def say(text: str, level: str = "INFO") -> None:
    """Write it, with the time in UTC."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    print(f"{stamp}.{int(now % 1 * 1e6):06d}Z {level:>5} {text}", flush=True)  # noqa: T201 (it is the log)
