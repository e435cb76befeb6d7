"""A store as large as a team's: how long a report, the list, a comparison and a trend take in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg  # noqa: TID251 (multiplies what fleet has stored)
from kept_runs import UNDER, digest

from fleet.store import open_catalogue, open_store
from fleet.store.schema import SAMPLE_TABLES
from fleet.store.sql import samples_of
from tests.benchmarks.store.content import row, run_named, sampled, spent

TRIALS = 10
WIDTHS = (52, 9, 9)


def volume_table(url: str, samples: int, runs: int) -> Iterator[str]:
    """Seconds of everything that a reader asks for; those of a core are the client's, not the server's."""
    each = max(1, samples // runs // TRIALS)
    _fill(url, runs, each)
    with psycopg.connect(url, options="-c search_path=fleet") as server:
        total = sum(server.execute(f"SELECT count(*) FROM {one.name}").fetchone()[0] for one in SAMPLE_TABLES)  # type: ignore[index] # noqa: S608 (our own names)
        size = server.execute("SELECT pg_size_pretty(pg_database_size(current_database()))").fetchone()
    held = f"{runs:,} runs, {runs * TRIALS:,} observations, {total:,} samples, {size[0] if size else '?'}"
    yield f"VOLUME: {held} (best of 3)"
    yield row("what", "seconds", "of a core", widths=WIDTHS)
    store, catalogue = open_store(url), open_catalogue(url)
    middle = f"run-{runs // 2:05}"
    found = len(store.load(middle).observations)
    asked = (
        (f"load a run: {found} trials, {found * each:,} samples", lambda: store.load(middle)),
        ("the same samples by psql's COPY to a file (floor)", lambda: _floor(url, middle)),
        ("fleet report RUN, the whole command", lambda: _fleet(url, "report", middle)),
        (f"list {runs:,} runs", catalogue.entries),
        (f"fleet runs, the whole command, {runs:,} rows", lambda: _fleet(url, "runs")),
        ("fleet runs -n 20, the whole command", lambda: _fleet(url, "runs", "-n", "20")),
        (f"fleet trend, the whole command, {runs:,} runs", lambda: _fleet(url, "trend", "lab")),
    )
    for name, work in asked:
        clock, cpu = spent(work)
        yield row(name, f"{clock:.2f}", f"{cpu:.2f}", widths=WIDTHS)
    heavy = 100_000
    store.create(run_named("heavy", 0.5))
    seen = sampled(0, heavy)
    for name, work in (
        (f"add one observation of {heavy:,} samples", lambda: store.add("heavy", seen)),
        (f"load it: {heavy:,} samples", lambda: store.load("heavy")),
    ):
        clock, cpu = spent(work, 1)
        yield row(name, f"{clock:.2f}", f"{cpu:.2f}", widths=WIDTHS)
    store.close()
    catalogue.close()


def _fill(url: str, runs: int, each: int) -> None:
    """One run by fleet; the others are its copies, made by the server."""
    store, catalogue = open_store(url), open_catalogue(url)
    store.create(run_named("run-00000", 0.0))
    for number in range(TRIALS):
        store.add("run-00000", sampled(number, each))
    store.finish("run-00000")
    with psycopg.connect(url, autocommit=True, options="-c search_path=fleet") as server:
        server.execute(
            "INSERT INTO runs SELECT 'run-' || lpad(n::text, 5, '0'), n, inventory, emulated, finished,"
            " replace(body::text, 'run-00000', 'run-' || lpad(n::text, 5, '0'))::json"
            " FROM runs, generate_series(1, %s) n WHERE id = 'run-00000'",
            (runs - 1,),
        )
        server.execute(
            "INSERT INTO observations (run, trial, experiment, outcome, body)"
            " SELECT runs.id, trial, experiment, outcome, observations.body FROM runs, observations"
            " WHERE runs.id <> 'run-00000' ORDER BY runs.id, seq"
        )
        for table in SAMPLE_TABLES:
            fields = ", ".join(f"s.{field}" for field in table.fields)
            server.execute(
                f"INSERT INTO {table.name} SELECT o.seq, s.position, {fields} FROM observations o"  # noqa: S608 (our own names)
                f" JOIN observations t ON t.trial = o.trial AND t.run = 'run-00000' JOIN {table.name} s"
                " ON s.observation = t.seq WHERE o.run <> 'run-00000' ORDER BY o.seq, s.position"
            )
        server.execute("VACUUM ANALYZE")
    for number in range(runs):
        catalogue.keep(digest(f"run-{number:05}", created=float(number)), UNDER)
    store.close()
    catalogue.close()


def _floor(url: str, run: str) -> None:
    for table in SAMPLE_TABLES:
        query = samples_of(table).replace("?", f"'{run}'")
        command = f"SET search_path = fleet; COPY ({query}) TO STDOUT"
        subprocess.run(["psql", "-qX", "-d", url, "-c", command], check=True, stdout=subprocess.DEVNULL)


def _fleet(url: str, *words: str) -> None:
    program = Path(sys.executable).with_name("fleet")
    subprocess.run(
        [program, *words], env=os.environ | {"FLEET_STORE": url}, check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
