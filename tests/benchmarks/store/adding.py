"""How fast samples are stored: fleet's `add`, against what else puts the same rows into the same table."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg  # noqa: TID251 (the peers are its other ways)

from fleet.store import open_store
from fleet.store.schema import SAMPLE_TABLES, Row
from tests.benchmarks.store.content import best, row, run_named, sampled

SAMPLES = 20_000
WIDTHS = (44, 12, 9)


def adding_table(url: str) -> Iterator[str]:
    """Rows a second, by way of adding."""
    store = open_store(url)
    store.create(run_named("r", 0.0))
    seen = sampled(0, SAMPLES)
    yield f"ADDING an observation of {SAMPLES:,} samples, durable at the end of each way (best of 3)"
    yield row("way", "rows/s", "× floor", widths=WIDTHS)
    ours = best(lambda: store.add("r", seen))
    devices = SAMPLE_TABLES[1]
    rows = list(devices.rows(0, seen.telemetry))
    with psycopg.connect(url, autocommit=True, options="-c search_path=fleet") as server:
        server.execute("CREATE TABLE peer (LIKE device_samples INCLUDING ALL)")
        server.execute("ALTER TABLE peer SET (autovacuum_enabled = off)")
        floor = _copied(server, url, rows) / len(rows)
        ways = (
            ("psql \\copy of a file that lies ready (floor)", floor),
            ("fleet: Store.add, whole observation", ours / SAMPLES),
            ("psycopg: executemany", _many(server, devices.columns, rows) / len(rows)),
            ("psycopg: INSERT row by row", _single(server, devices.columns, rows[:2000]) / 2000),
        )
    store.close()
    for name, seconds in ways:
        yield row(name, f"{1 / seconds:,.0f}", f"{seconds / floor:.1f}", widths=WIDTHS)


def _copied(server: psycopg.Connection, url: str, rows: list[Row]) -> float:
    with tempfile.TemporaryDirectory(prefix="fleet-copy-") as folder:
        file = Path(folder, "rows.txt")
        text = ("\t".join(r"\N" if value is None else str(value) for value in row_) for row_ in rows)
        file.write_text("\n".join(text) + "\n", encoding="utf-8")
        return best(lambda: _psql(server, url, f"\\copy fleet.peer FROM '{file}'"))


def _psql(server: psycopg.Connection, url: str, command: str) -> None:
    server.execute("TRUNCATE peer")
    subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", command], check=True)


def _many(server: psycopg.Connection, columns: tuple[str, ...], rows: list[Row]) -> float:
    def add() -> None:
        server.execute("TRUNCATE peer")
        with server.transaction(), server.cursor() as cursor:
            cursor.executemany(_insert(columns), rows)

    return best(add)


def _single(server: psycopg.Connection, columns: tuple[str, ...], rows: list[Row]) -> float:
    def add() -> None:
        server.execute("TRUNCATE peer")
        with server.transaction():
            for one in rows:
                server.execute(_insert(columns), one)

    return best(add)


def _insert(columns: tuple[str, ...]) -> str:
    marks = ", ".join("%s" for _ in columns)
    return f"INSERT INTO peer ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 (our own names)
