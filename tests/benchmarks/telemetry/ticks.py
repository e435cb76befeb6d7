"""CPU seconds of one tick of fleet's sampler on the stub of NVML: whole and in parts, tick upon tick; and at its beat.

Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

from fleet.model.inventory import Device, DeviceKind, Ports
from fleet.model.wire import NodeConfig
from fleet.remote.paths import paths
from fleet.remote.prover.state import AgentSeat, state_file
from fleet.remote.sampling.card import Card
from fleet.remote.sampling.cards import _FAST, _FIELDS, _SLOW, _SLOW_FIELDS, read_card
from fleet.remote.sampling.hostfiles import HostFiles
from fleet.remote.sampling.sampler import Record, Sampler
from fleet.remote.sampling.sources import Sources
from fleet.remote.sampling.spool import Spool

INTERVAL = 0.1
BEATS = 100
DEVICES = tuple(Device(name=f"gpu{number}", kind=DeviceKind.CUDA, model="a card") for number in range(8))
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


def bare_calls(cards: Sequence[Card]) -> Callable[[], None]:
    """The least that Python can do: the same functions of the driver called with ctypes, all else left out."""
    now, each_tenth = (
        [
            call
            for card in cards
            for batch in [card._batches[id(fields)]]
            for call in (
                *card._sheets[id(questions)].calls,
                (batch.function, (card.handle, len(batch.names), batch.answers)),
            )
        ]
        for questions, fields in ((_FAST, _FIELDS), (_SLOW, _SLOW_FIELDS))
    )
    ticks = count()

    def tick() -> None:
        for function, arguments in now if next(ticks) % 10 else (*now, *each_tenth):
            function(*arguments)

    return tick


def at_its_beat(config: NodeConfig, ticks: int) -> float:
    """Of one tick of the sampler itself, which sleeps in between: others have used the caches by then."""
    sampler = Sampler(config, lambda trouble: sys.exit(trouble.message))
    sampler.start()
    time.sleep(1)
    begun = time.process_time()
    time.sleep(ticks * INTERVAL)
    spent = time.process_time() - begun
    sampler.stop()
    return spent / ticks


def main(ticks: int) -> None:
    """Measure a host whose every card is declared and has an agent's process on it."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for device in DEVICES:
            stack.enter_context(closing(AgentSeat(state_file(paths(folder).prover), device.name)))
        config = NodeConfig(
            run="r",
            host="box",
            address="10.0.0.1",
            head="10.0.0.1",
            gcs_port=26000,
            ports=Ports(first=26000, last=26100),
            token="",
            work_dir=folder,
            devices=DEVICES,
            spool=f"{folder}/spool/beat.spool",
            interval=INTERVAL,
        )
        beat = at_its_beat(config, BEATS)
        time.monotonic = clock
        sources = Sources("box", DEVICES, folder, INTERVAL, every=False)
        library = sources._library
        assert library is not None
        record = Record(config, Spool(Path(folder) / "spool/r.spool", 2**30), [0])

        def tick() -> None:
            global passed  # noqa: PLW0603 (the clock that `time.monotonic` is replaced by)
            passed += INTERVAL
            record.add(sources.snapshot())

        whole = cpu_seconds(tick, ticks)
        size = (Path(folder) / "spool/r.spool").stat().st_size / (ticks + 10)
        files = stack.enter_context(closing(HostFiles()))

        def ask() -> None:
            global passed  # noqa: PLW0603 (as above)
            passed += INTERVAL
            last[:] = [read_card(card, each) for card, each in zip(library.cards, last, strict=True)]

        def read() -> None:
            global passed  # noqa: PLW0603 (as above)
            passed += INTERVAL
            files.read()

        last = [read_card(card) for card in library.cards]
        parts = {
            "whole": whole,
            "beat": beat,
            "cards": cpu_seconds(ask, ticks),
            "calls": cpu_seconds(bare_calls(library.cards), ticks),
            "host": cpu_seconds(read, ticks),
            "bytes": size,
        }
    sys.stdout.write(f"{json.dumps(parts)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
