"""CPU seconds of one tick of fleet's sampler on the stub of NVML, whole and in parts. Prints one JSON object."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fleet.model.watch import WatchConfig
from fleet.remote.cards import card_sample, read_card
from fleet.remote.procfs import read_host
from fleet.remote.sampler import samples
from fleet.remote.sources import Sources
from fleet.remote.spool import Spool

INTERVAL = 0.1
passed = 0.0
"""Seconds on the clock that the sampler goes by: a tick is a tenth, or what is done once a second would seem free."""


def clock() -> float:
    """In the place of the monotonic clock."""
    return 1000.0 + passed


def cpu_seconds(work: Callable[[], object], ticks: int) -> float:
    """Of one call, in the mean of so many after a warm-up."""
    for _ in range(10):
        work()
    begun = time.process_time()
    for _ in range(ticks):
        work()
    return (time.process_time() - begun) / ticks


def main(ticks: int) -> None:
    """Measure."""
    time.monotonic = clock
    sources = Sources("box", (), "/nowhere", INTERVAL, every=True)
    config = WatchConfig(host="box", address="10.0.0.1", work_dir="/nowhere", devices=(), interval=INTERVAL)
    library = sources._library
    assert library is not None
    before = sources.snapshot()
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool/r.spool", 2**30)

        def tick() -> None:
            global passed  # noqa: PLW0603 (the clock that `time.monotonic` is replaced by)
            nonlocal before
            passed += INTERVAL
            after = sources.snapshot()
            found = samples(config, before, after, [0])
            found += [
                card_sample("box", name, after.time, before.cards[name], reading, ())
                for name, reading in after.cards.items()
            ]
            spool.add(found)
            before = after

        whole = cpu_seconds(tick, ticks)
        size = (Path(folder) / "spool/r.spool").stat().st_size / (ticks + 10)
    parts = {
        "whole": whole,
        "cards": cpu_seconds(lambda: [read_card(card) for card in library.cards], ticks),
        "host": cpu_seconds(read_host, ticks),
        "bytes": size,
    }
    sys.stdout.write(f"{json.dumps(parts)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
