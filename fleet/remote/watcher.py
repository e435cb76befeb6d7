"""Looks at a host for `fleet watch`: JSON lines on stdout, an empty one after each look, until stdin ends.

Started over SSH (`python -m fleet.remote.watcher`); what it reads and writes is in `fleet.model.watch`. A look at the
cards as a whole comes with the first, and again each minute. Writes nothing on the host.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from fleet.codec.text import Malformed, dump_line
from fleet.errors import MeasureError
from fleet.model.inventory import Device, DeviceKind
from fleet.model.watch import WatchConfig, Watched
from fleet.remote.mailbox import Gone, Line, claim_stdin, listen, on_signals, read
from fleet.remote.sampling.sampler import SHORTEST, next_tick, samples
from fleet.remote.sampling.sources import Sources

_CENSUS_SECONDS = 60.0


def main() -> int:
    """Look until told to end. 0: as told, 1: something failed (said on stderr)."""
    mail: queue.SimpleQueue[Line | Gone] = queue.SimpleQueue()
    on_signals(mail.put)
    # Who watches has nothing to say; a link that is cut ends us with our next lines.
    threading.Thread(target=listen, args=(claim_stdin(), mail.put, None), daemon=True).start()
    first = mail.get()
    try:
        config = read(WatchConfig, first) if isinstance(first, Line) else None
    except Malformed as error:
        sys.stderr.write(f"the watcher's configuration cannot be read: {error}\n")
        return 1
    if config is None:
        return 0
    try:
        watch(config, mail)
    except (MeasureError, BrokenPipeError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def watch(config: WatchConfig, mail: queue.SimpleQueue[Line | Gone]) -> None:
    """Say what there is at every tick, until the mail says that nobody listens. MeasureError, BrokenPipeError."""
    interval = max(SHORTEST, config.interval)
    sources = Sources(config.host, config.devices, config.work_dir, interval, every=True)
    config = _with_all_cards(config, sources.cards)
    allowed = sorted(os.sched_getaffinity(0))
    start, taken = time.monotonic(), 0
    counted = start
    before = sources.snapshot()
    census: list[Watched] = [*sources.states(), *sources.lacks()]
    while True:
        tick, _ = next_tick(start, interval, taken, time.monotonic())
        try:
            heard = mail.get(timeout=max(0.0, start + tick * interval - time.monotonic()))
        except queue.Empty:
            pass
        else:
            if isinstance(heard, Gone):
                return sources.close()
            continue
        after = sources.snapshot()
        if after.at - counted >= _CENSUS_SECONDS:
            counted = after.at
            census = list(sources.states())
        seen: list[Watched] = [each for each in samples(config, before, after, allowed) if isinstance(each, Watched)]
        _say([*census, *seen, *sources.lacks()])
        census = []
        before, taken = after, tick


def _with_all_cards(config: WatchConfig, cards: Sequence[str]) -> WatchConfig:
    """The configuration with the cards that nobody declared behind the devices that somebody did."""
    declared = {device.name for device in config.devices}
    more = (Device(name=name, kind=DeviceKind.CUDA, model="") for name in cards if name not in declared)
    return replace(config, devices=(*config.devices, *more))


def _say(lines: list[Watched]) -> None:
    sys.stdout.write("".join(f"{dump_line(line)}\n" for line in lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
