"""Is one PostgreSQL store enough for a team? How fast it takes samples, gives reports, and serves several at once.

`tests/benchmarks/run store [--samples N] [--runs N]`. The server is the benchmark's own (fsync off, so that its disk is
not what is measured). Peers for adding are psycopg row by row, psycopg's executemany, and psql's \\copy of a file that
lies ready, which is the floor: nothing is made of a value there. For reading the floor is psql's COPY of the same rows
to a file, which makes no values of them either. Fails where rows are lost.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from tests.benchmarks.store.adding import adding_table
from tests.benchmarks.store.crowd import Lost, crowd_table
from tests.benchmarks.store.volume import volume_table
from tests.benchmarks.taskdb.server import NoServer, server


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="store", description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000_000, help="samples in the store that reports come from")
    parser.add_argument("--runs", type=int, default=1000, help="runs in it")
    asked = parser.parse_args()
    try:
        for line in tables(asked.samples, asked.runs):
            print(line, flush=True)  # noqa: T201 (it is a program)
    except (NoServer, Lost) as problem:
        print(problem, file=sys.stderr)  # noqa: T201 (likewise)
        return 1
    return 0


def tables(samples: int, runs: int) -> Iterator[str]:
    """All of them, each on a server of its own."""
    for table in (adding_table, crowd_table, lambda url: volume_table(url, samples, runs)):
        with server() as url:
            yield from table(url)
        yield ""


sys.exit(main())
