"""Plays a script on the stub of NVML, through the real pynvml, and prints what fleet's sampler makes of it.

Arguments: the file of the stub's clock, seconds between samples, how many samples. Run with LD_LIBRARY_PATH at the
stub's folder. Time is the clock's: nothing here waits. Prints one JSON line for each sample, state and lack.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from pathlib import Path

from fleet.codec.text import dump_line
from fleet.remote.sampling.cards import card_sample
from fleet.remote.sampling.sources import Sources


def say(line: str) -> None:
    """To whoever started this."""
    sys.stdout.write(f"{line}\n")


def main(page: str, interval: float, count: int) -> None:
    """Take so many samples."""
    with Path(page).open("r+b") as file:
        clock = mmap.mmap(file.fileno(), 8)
        now = 0.0

        def passed() -> float:
            return 1000.0 + now

        time.monotonic = passed
        time.time = passed
        sources = Sources("box", (), "/nowhere", interval, every=True)
        before = sources.snapshot()
        for line in (*sources.states(), *sources.lacks()):
            say(dump_line(line))
        for tick in range(1, count + 1):
            now = tick * interval
            clock[:8] = struct.pack("<d", now)
            after = sources.snapshot()
            for name, reading in after.cards.items():
                if name in before.cards:
                    found = card_sample("box", name, after.time, before.cards[name], reading, after.xids.get(name))
                    say(dump_line(found))
            for lack in sources.lacks():
                say(dump_line(lack))
            before = after
        for state in sources.states():
            say(dump_line(state))
        sources.close()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
