"""How fast is a job of a million tasks read? fleet beside psql's own binary COPY and fetchall, in one run.

`tests/benchmarks/run bento [--tasks N] [--repeats N]`. A real PostgreSQL with the legacy stack's tables holds one job
of N tasks beside another. The contenders take turns; ratios are given of the fastest turns, as what disturbs
only adds, and of the medians.
psql writes what it gets to /dev/null and understands none of it; fleet's time ends with columns of numbers, and with
names and prerequisites as far as tasks are looked at one by one.
`whole rows`: every column, JSON decoded.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from uuid import UUID

import psycopg  # noqa: TID251 (the database is what is measured here)

from fleet.workload.bento.records.copyrows import copied, statement
from fleet.workload.bento.records.past import LARGEST
from fleet.workload.bento.records.session import SETTINGS, Address, address_of, opened
from tests.benchmarks.taskdb.server import NoServer, server

GOAL_PSQL, GOAL_FETCHALL = 1.3, 10.0
_OTHERS = 20_000
_SCHEMA = Path(__file__).parents[3] / "fleet" / "lab" / "bento" / "taskdb.sql"
_FILL = """
  INSERT INTO tasks (job_id, task_id, stream_id, task_def, prerequisites, state, created_at, started_at, updated_at,
    waiting_on, output, job_created_at)
  SELECT %(job)s, CASE n WHEN 0 THEN 'init' ELSE n::text END, (SELECT id FROM streams WHERE worker_type = 'prove'),
    CASE WHEN n = 0 THEN '{"Executor": {"image": "a", "input": "b"}}'::jsonb
      WHEN n %% 2 = 1 THEN jsonb_build_object('Prove', jsonb_build_object('index', n / 2))
      ELSE jsonb_build_object('Join', jsonb_build_object('idx', n, 'left', n - 2, 'right', n - 1)) END,
    CASE WHEN n %% 2 = 1 OR n = 0 THEN '[]'::jsonb
      ELSE jsonb_build_array((n - 2)::text, (n - 1)::text) END,
    'done', t + n * interval '1 ms', t + n * interval '1.5 ms', t + n * interval '1.5 ms' + interval '3 s', 0,
    CASE n WHEN 0 THEN '{"segments": 5, "user_cycles": 7, "total_cycles": 9}'::jsonb
      ELSE jsonb_build_object('receipt', repeat('x', 40)) END, t
  FROM generate_series(0, %(tasks)s - 1) n, (SELECT timestamp '2026-07-01' AS t) base
"""


def main() -> int:
    """Fill the database, let the contenders take turns, print the table."""
    parser = argparse.ArgumentParser(prog="bento", description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000, help="tasks of the job that is read")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each contender")
    options = parser.parse_args()
    try:
        with server() as url:
            job = _filled(url, options.tasks)
            return _race(url, job, options.tasks, options.repeats)
    except NoServer as problem:
        print(problem, file=sys.stderr)  # noqa: T201 (it is a program)
        return 1


def _filled(url: str, tasks: int) -> UUID:
    """The id of the job to read; another job of fewer tasks is there, too."""
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(_SCHEMA.read_bytes())
        jobs = []
        for count in (_OTHERS, tasks):
            row = database.execute("INSERT INTO jobs (state) VALUES ('done') RETURNING id").fetchone()
            assert row is not None
            database.execute(_FILL, {"job": row[0], "tasks": count})
            jobs.append(row[0])
        return UUID(str(jobs[-1]))


def _race(url: str, job: UUID, tasks: int, repeats: int) -> int:
    address = address_of(url, secret=True)
    contenders: dict[str, Callable[[], int]] = {
        "psql, binary COPY": lambda: _psql(url, job),
        "fleet": lambda: _fleet(address, job),
        "fetchall, whole rows": lambda: _fetchall(url, job),
    }
    for contender in contenders.values():
        assert contender() == tasks or contender is contenders["psql, binary COPY"]
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, contender in contenders.items():
            begun = time.perf_counter()
            contender()
            took[name].append(time.perf_counter() - begun)
    lines = [f"A JOB OF {tasks:,} TASKS, READ", f"  {'':24} {'median':>8} {'range':>17}"]
    for name, seconds in took.items():
        lines.append(f"  {name:24} {median(seconds):6.2f} s {min(seconds):7.2f} – {max(seconds):.2f} s")
    for what, of in (("fastest turns", min), ("medians", median)):
        fleet, psql, fetchall = (of(took[name]) for name in ("fleet", "psql, binary COPY", "fetchall, whole rows"))
        near, far = _word(fleet <= GOAL_PSQL * psql), _word(fetchall >= GOAL_FETCHALL * fleet)
        lines += [
            f"  by {what}:",
            f"    fleet ÷ psql      {fleet / psql:6.2f}   goal ≤ {GOAL_PSQL:g}: {near}",
            f"    fetchall ÷ fleet  {fetchall / fleet:6.2f}   goal ≥ {GOAL_FETCHALL:g}: {far}",
        ]
    lines.append(f"  fleet alone, in a process of its own: {_memory(url, job):.0f} MiB more at its peak")
    print(*lines, sep="\n")  # noqa: T201 (it is a program)
    return 0


def _word(reached: bool) -> str:  # noqa: FBT001 (a truth is put into words)
    return "reached" if reached else "missed"


def _psql(url: str, job: UUID) -> int:
    """The same rows by the same plan, by the database's own client."""
    settings = [word for setting in SETTINGS for word in ("-c", setting)]
    copy = f"COPY ({statement(job)}) TO STDOUT (FORMAT BINARY)"
    words = ["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", "BEGIN", *settings, "-c", copy]
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
    return 0


def _fleet(address: Address, job: UUID) -> int:
    with opened(address) as connection:
        return len(copied(connection, address, job, LARGEST))


def _fetchall(url: str, job: UUID) -> int:
    with psycopg.connect(url) as connection:
        return len(connection.execute("SELECT * FROM tasks WHERE job_id = %s", (job,)).fetchall())


def _memory(url: str, job: UUID) -> float:
    """By how many MiB a process that reads the job grows at its peak."""
    done = subprocess.run([sys.executable, "-c", _ALONE, url, str(job)], stdout=subprocess.PIPE, check=True, text=True)
    return float(done.stdout) / 1024


_ALONE = f"""
import sys
sys.path[:0] = {sys.path!r}
from uuid import UUID
from fleet.workload.bento.records.copyrows import copied
from fleet.workload.bento.records.past import LARGEST
from fleet.workload.bento.records.session import address_of, opened
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
address = address_of(sys.argv[1], secret=True)
with opened(address) as connection:
    before = peak()
    rows = copied(connection, address, UUID(sys.argv[2]), LARGEST)
    print(peak() - before)
"""

sys.exit(main())
