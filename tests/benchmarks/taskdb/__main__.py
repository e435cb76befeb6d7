"""Does the twin foretell a real control plane? Agents that sleep, on the legacy stack's SQL in a real PostgreSQL.

`tests/benchmarks/run taskdb [--repeats N] [--scale S] [--seed N] [--lanes N]`. Each row is printed as soon as its jobs
have ended; all of it takes two and a half minutes. The twin learns from the jobs with one agent only, and foretells the
others. Seconds are shown as the stack is configured; they were S times shorter.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

from tests.benchmarks.taskdb.lanes import run_jobs
from tests.benchmarks.taskdb.plane import Pace, Run, Setting, Unfinished
from tests.benchmarks.taskdb.predict import learn
from tests.benchmarks.taskdb.server import NoServer, server
from tests.benchmarks.taskdb.table import against_usl, head, row

LEARNED = Setting(agents=1)
PAIRS = {
    LEARNED: 2,
    Setting(agents=2): 4,
    Setting(agents=4): 8,
    Setting(agents=8, refresh=1.0): 12,
    Setting(agents=8, poll=0.25, refresh=1.0): 8,
    Setting(agents=8): 64,
}
"""Settings in the order of their rows, and how many pairs of jobs each gets: more where phases matter more.

The longest jobs come first, so that the lanes end together.
"""

Runs = dict[Setting, list[Run]]


def main() -> int:
    """Run all jobs; print each setting's row when its last job has ended."""
    parser = argparse.ArgumentParser(prog="taskdb", description=__doc__)
    parser.add_argument("--repeats", type=float, default=1.0, help="times as many jobs (or as few, below 1)")
    parser.add_argument("--scale", type=float, default=5.0, help="how many times faster than configured")
    parser.add_argument("--seed", type=int, default=1, help="of the phases")
    parser.add_argument("--lanes", type=int, default=16, help="jobs at once, each on a database of its own")
    options = parser.parse_args()
    pace = Pace(scale=options.scale)
    pairs = {setting: max(2, round(count * options.repeats)) for setting, count in PAIRS.items()}
    try:
        with server() as url:
            for line in _lines(_rounds(url, pairs, pace, options), pairs, pace):
                print(line, flush=True)  # noqa: T201 (it is a program)
    except (NoServer, Unfinished) as problem:
        print(problem, file=sys.stderr)  # noqa: T201 (likewise)
        return 1
    return 0


def _rounds(url: str, pairs: dict[Setting, int], pace: Pace, options: argparse.Namespace) -> Iterator[Run]:
    """All jobs as they end, two with each seed; says now and then on the error stream how far they are."""
    wanted = [(setting, f"{options.seed} {pair}") for setting, count in pairs.items() for pair in range(count)]
    began = time.monotonic()
    jobs = [each for each in wanted for _ in range(2)]
    for ended, run in enumerate(run_jobs(url, jobs, pace, options.lanes), 1):
        if ended % options.lanes == 0:
            print(f"  … {ended} of {len(jobs)} jobs, {time.monotonic() - began:.0f} s", file=sys.stderr)  # noqa: T201 (it is a program)
        yield run


def _lines(ended: Iterator[Run], pairs: dict[Setting, int], pace: Pace) -> Iterator[str]:
    """All lines, those of a setting when all its jobs and those learned from have ended."""
    yield from head(pace)
    runs: Runs = {setting: [] for setting in pairs}
    waiting, known = list(pairs), None
    for run in ended:
        runs[run.setting].append(run)
        while waiting and len(runs[waiting[0]]) == 2 * pairs[waiting[0]]:
            done = runs[waiting.pop(0)]
            known = known or learn(done, pace)
            yield row(known, done, pace)
    assert known is not None
    yield ""
    yield from against_usl(known, runs, pace)


sys.exit(main())
