"""Several at once: writers that each store a run, readers that load and list meanwhile; nothing may be lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from fleet.store import open_catalogue, open_store
from tests.benchmarks.store.content import row, run_named, sampled, timed

WRITERS, READERS = 4, 2
OBSERVATIONS, SAMPLES = 12, 2000
WIDTHS = (44, 12, 14)


class Lost(Exception):  # noqa: N818 (it says what happened)
    """Rows that were stored are not there."""


def crowd_table(url: str) -> Iterator[str]:
    """Observations a second with one writer, and with all of them; what readers got meanwhile."""
    open_store(url).close()
    yield f"AT ONCE: each writer a process that stores {OBSERVATIONS} observations of {SAMPLES:,} samples"
    yield row("who", "samples/s", "reads/s each", widths=WIDTHS)
    for writers, readers in ((1, 0), (WRITERS, 0), (WRITERS, READERS)):
        seconds, reads = timed(partial(_together, url, writers, readers))
        _check(url, writers)
        rate = f"{writers * OBSERVATIONS * SAMPLES / seconds:,.0f}"
        each = f"{reads / readers / seconds:.1f}" if readers else "–"
        yield row(f"{writers} writers, {readers} readers", rate, each, widths=WIDTHS)


def _together(url: str, writers: int, readers: int) -> int:
    """Run them all; how often the readers had read a run and the list when the last writer ended."""
    program = [sys.executable, "-m", "tests.benchmarks.store.crowd", url]
    reading = [
        subprocess.Popen([*program, "read"], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        for _ in range(readers)
    ]
    writing = [subprocess.Popen([*program, f"run-{writers}-{readers}-{number}"]) for number in range(writers)]
    for one in writing:
        if one.wait(timeout=600):
            raise Lost("a writer has failed")
    return sum(int(one.communicate("\n", timeout=60)[0]) for one in reading)


def _check(url: str, writers: int) -> None:
    store = open_store(url)
    for summary in store.runs()[:writers]:
        log = store.load(summary.id)
        if [len(seen.telemetry.samples) for seen in log.observations] != [SAMPLES] * OBSERVATIONS:
            raise Lost(f"run {summary.id} has lost rows")
    store.close()


def _write(url: str, run: str) -> None:
    store = open_store(url)
    store.create(run_named(run, timed(lambda: None)[0] + len(store.runs())))
    for number in range(OBSERVATIONS):
        store.add(run, sampled(number, SAMPLES))
    store.finish(run)
    store.close()


def _read(url: str) -> None:
    import select  # noqa: PLC0415 (only here)

    store, catalogue, count = open_store(url), open_catalogue(url), 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        runs = catalogue.entries()
        if runs:
            store.load(runs[-1].summary.id)
        count += 1
    print(count)  # noqa: T201 (how it says so)


if __name__ == "__main__":
    _read(sys.argv[1]) if sys.argv[2] == "read" else _write(sys.argv[1], sys.argv[2])
