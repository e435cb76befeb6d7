"""One PostgreSQL store for a team: several write and read at once, and what reports ask for is found by indices."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg  # noqa: TID251 (fills and explains)
import pytest
from kept_runs import UNDER, digest
from model_values import observation, run_log

from fleet.ports import Catalogue, Store
from fleet.store import open_catalogue, open_store
from fleet.store.catalogue import DIGESTS, FIGURES
from fleet.store.schema import SAMPLE_TABLES
from fleet.store.sql import OBSERVATIONS, samples_of

WRITERS, READERS, TRIALS = 4, 2, 12


@pytest.fixture
def url(postgres: Any, database: str) -> str:
    """A new, empty store."""
    return str(postgres.url(database))


def test_four_write_and_two_read_at_once_and_nothing_is_lost(url: str) -> None:
    """Each writes a run of its own and to a shared one; a reader never sees half an observation."""
    first = open_store(url)
    first.create(run_log("shared", created=0.0))
    writing = threading.Event()

    def write(number: int) -> None:
        store, catalogue = open_store(url), open_catalogue(url)
        run = f"run-{number}"
        store.create(run_log(run, created=float(number)))
        for trial in range(TRIALS):
            store.add(run, observation(trial, samples=40))
            store.add("shared", observation(100 * number + trial, samples=40))
            catalogue.tag("shared", [f"w{number}"], [])
            catalogue.keep(digest("shared", inventory="lab"), UNDER)
        store.finish(run)
        _close(store, catalogue)

    def read(_: int) -> int:
        store, catalogue = open_store(url), open_catalogue(url)
        looked = 0
        while not writing.is_set() or not looked:
            log = store.load("shared")
            assert all(len(seen.telemetry.samples) == 40 for seen in log.observations)
            catalogue.entries()
            assert len(catalogue.digests("lab")) <= 1
            looked += 1
        _close(store, catalogue)
        return looked

    with ThreadPoolExecutor(WRITERS + READERS) as pool:
        readers = [pool.submit(read, number) for number in range(READERS)]
        try:
            for writer in [pool.submit(write, number) for number in range(1, WRITERS + 1)]:
                writer.result(timeout=120)
        finally:
            writing.set()
        assert all(reader.result(timeout=60) > 0 for reader in readers)
    everything = {
        (number, trial): observation(100 * number + trial, samples=40)
        for number in range(1, WRITERS + 1)
        for trial in range(TRIALS)
    }
    assert {seen.trial.id: seen for seen in first.load("shared").observations} == {
        seen.trial.id: seen for seen in everything.values()
    }
    for number in range(1, WRITERS + 1):
        expected = tuple(observation(trial, samples=40) for trial in range(TRIALS))
        assert first.load(f"run-{number}").observations == expected
    first.close()


def test_two_may_store_the_same_trial_at_the_same_time(url: str) -> None:
    """Whoever comes second replaces it, as if they had come one after the other."""
    stores = [open_store(url) for _ in range(2)]
    stores[0].create(run_log("r"))
    both = threading.Barrier(2)

    def add(store: Store) -> None:
        for trial in range(25):
            both.wait(timeout=30)
            store.add("r", observation(trial, samples=20))

    with ThreadPoolExecutor(2) as pool:
        for adding in [pool.submit(add, store) for store in stores]:
            adding.result(timeout=120)
    assert len(stores[0].load("r").observations) == 25
    _close(*stores)


@pytest.fixture
def large(url: str) -> Iterator[Any]:
    """A connection to a store of 3,000 runs of 60 fleets, 24,000 observations and 240,000 samples."""
    open_store(url).close()
    with psycopg.connect(url, autocommit=True, options="-c search_path=fleet") as server:
        server.execute(
            "INSERT INTO runs SELECT 'r' || n, n, 'fleet-' || n % 60, true, true, '{}' FROM generate_series(1, 3000) n"
        )
        server.execute(
            "INSERT INTO observations (run, trial, experiment, outcome, body)"
            " SELECT 'r' || r, 't' || t, 'gpus', 'ok', '{}' FROM generate_series(1, 3000) r, generate_series(1, 8) t"
        )
        server.execute(
            "INSERT INTO host_samples (observation, position, host, time)"
            " SELECT o, p, 'box', p FROM generate_series(1, 24000) o, generate_series(1, 10) p"
        )
        server.execute("INSERT INTO digests SELECT id, 'hold', 1, 0, '{}', repeat('x', 500), '{}' FROM runs")
        server.execute(
            "INSERT INTO figures SELECT id, p, 'l', 20, 1, 1, 1, 3, 1, repeat('x', 400)"
            " FROM runs, generate_series(0, 5) p"
        )
        server.execute("ANALYZE")
        yield server


ASKED = (
    (OBSERVATIONS, "r7", "observations_in_order", 8),
    (samples_of(SAMPLE_TABLES[0]), "r7", "host_samples_pkey", 80),
    (DIGESTS, "fleet-7", "runs_by_inventory", 50),
    (FIGURES, "fleet-7", "figures_pkey", 300),
)
"""What reports ask, of what, the index that finds it, and how many rows there are."""


def test_what_a_report_asks_for_is_found_by_an_index(large: Any) -> None:
    """The plans that the server makes read no large table from end to end."""
    for sql, value, index, count in ASKED:
        explained = large.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {sql.replace('?', '%s')}", (value,))
        text = "\n".join(line for (line,) in explained.fetchall())
        assert index in text
        assert not any(f"Seq Scan on {table}" in text for table in ("observations", "host_samples", "figures", "runs"))
        assert f"rows={count} " in text


def _close(*opened: Store | Catalogue) -> None:
    for one in opened:
        one.close()
