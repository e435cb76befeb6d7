"""Does the twin foretell a real control plane? Agents that sleep, on the legacy stack's SQL in a real PostgreSQL.

`tests/benchmarks/run taskdb [--repeats N] [--scale S] [--seed N]`. The twin learns from the runs with one agent only,
and foretells the others from where their timers stood when the job began; the phases are random, and move a job's
time by a tenth and more. What it says of the mean without knowing them is the last column but one, with what chance may
take such a mean of N runs from the true one (two standard deviations, by the twin). Seconds are shown as the stack is
configured; they were S times shorter. `late`: by how much the agents' sleeps took longer than asked for; where it
differs from that of the runs learned from, the machine was busy with something else, and no replay can know that.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import fmean, median

import psycopg  # noqa: TID251 (the database is what is measured here)

from fleet.model.rates import job_seconds
from tests.benchmarks.taskdb.plane import Pace, Run, Setting, Unfinished, run_job
from tests.benchmarks.taskdb.predict import Known, learn, usl, with_any_phases, with_its_phases
from tests.benchmarks.taskdb.server import NoServer, server

SETTINGS = (
    Setting(agents=1),
    Setting(agents=2),
    Setting(agents=4),
    Setting(agents=8),
    Setting(agents=8, refresh=1.0),
    Setting(agents=8, poll=0.25, refresh=1.0),
)
GOAL = 0.03
USL_FROM, USL_AT = (1, 2, 4), 8

Runs = dict[Setting, list[Run]]


def main() -> int:
    """Run all settings in turn, over and over, then print the table."""
    parser = argparse.ArgumentParser(prog="taskdb", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each setting")
    parser.add_argument("--scale", type=float, default=5.0, help="how many times faster than configured")
    parser.add_argument("--seed", type=int, default=1, help="of the phases")
    options = parser.parse_args()
    pace, chance = Pace(scale=options.scale), Random(options.seed)  # noqa: S311 (phases, not secrets)
    runs: Runs = {setting: [] for setting in SETTINGS}
    try:
        with server() as url:
            with psycopg.connect(url, autocommit=True) as database:
                database.execute((Path(__file__).parents[3] / "fleet/lab/bento/taskdb.sql").read_bytes())
            for _ in range(options.repeats):
                for setting in SETTINGS:
                    runs[setting].append(run_job(url, setting, pace, chance))
    except (NoServer, Unfinished) as problem:
        print(problem, file=sys.stderr)  # noqa: T201 (it is a program)
        return 1
    print(*table(runs, pace), sep="\n")  # noqa: T201 (likewise)
    return 0


def table(runs: Runs, pace: Pace) -> Iterator[str]:
    """All lines."""
    known = learn(runs[SETTINGS[0]], pace)
    yield f"A JOB OF {pace.segments} SEGMENTS ON A REAL TASK DATABASE"
    yield f"  seconds as configured; they were run {pace.scale:.0f} × faster"
    yield "  the twin has learned from the runs with one agent; its error is that of the mean over the runs"
    yield (
        f"  {'agents':>6} {'poll':>5} {'refresh':>7} {'runs':>4} {'measured':>16} "
        f"{'twin':>7} {'error':>7} {'of one run':>10} {'phases unknown':>18} {'late':>6}"
    )
    for setting in SETTINGS:
        yield _row(known, setting, runs[setting], pace)
    yield ""
    yield from _against_usl(known, runs, pace)


def seconds(run: Run) -> float:
    """The job's real seconds."""
    return job_seconds([run.job])


def late(runs: list[Run], pace: Pace) -> float:
    """By how much tasks took longer than the sleeps that they are."""
    turns = [turn for run in runs for diary in run.agents for turn in diary.turns]
    return sum(turn.ended - turn.told for turn in turns) / sum(pace.of(turn.kind) for turn in turns) - 1


def _row(known: Known, setting: Setting, runs: list[Run], pace: Pace) -> str:
    measured = [seconds(run) for run in runs]
    foretold = [with_its_phases(known, run, pace) for run in runs]
    error = fmean(foretold) / fmean(measured) - 1
    one = median(abs(twin / real - 1) for twin, real in zip(foretold, measured, strict=True))
    anywhere = with_any_phases(known, setting, pace)
    unknown = anywhere.mean / fmean(measured) - 1
    chance = 2 * anywhere.spread / anywhere.mean / len(runs) ** 0.5
    span = f"{min(measured) * pace.scale:.1f} – {max(measured) * pace.scale:.1f}"
    verdict = "learned" if setting == SETTINGS[0] else "reached" if abs(error) <= GOAL else "missed"
    return (
        f"  {setting.agents:6} {setting.poll:5.2f} {setting.refresh:7.1f} {len(runs):4} {span:>16} "
        f"{fmean(foretold) * pace.scale:7.2f} {error:+7.1%} {one:10.1%} {unknown:+9.1%} ± {chance:6.1%} "
        f"{late(runs, pace):6.1%}  {verdict}"
    )


def _against_usl(known: Known, runs: Runs, pace: Pace) -> Iterator[str]:
    """The universal scalability law through 1, 2 and 4 agents, and the twin, both asked about 8."""
    mean = {setting: fmean(seconds(run) for run in done) for setting, done in runs.items()}
    at = Setting(agents=USL_AT)
    law = 1 / usl(((n, 1 / mean[Setting(agents=n)]) for n in USL_FROM), USL_AT)
    twin = fmean(with_its_phases(known, run, pace) for run in runs[at])
    yield f"  {USL_AT} agents: measured {mean[at] * pace.scale:.2f} s (mean)"
    for name, answer in ((f"USL through {', '.join(map(str, USL_FROM))}", law), ("the twin, from 1 agent", twin)):
        yield f"    {name:24} {answer * pace.scale:7.2f} s, {answer / mean[at] - 1:+.1%}; goal ≤ {GOAL:.0%}"


sys.exit(main())
