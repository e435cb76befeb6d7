"""Does the twin foretell a real Ray cluster? The labs that ship, benched; each layout foretold from all the others.

`tests/benchmarks/run labs [--store STORE] [LAB …]`. Without a store every lab is benched first, one after the other
(they use fixed ports: nothing else may run a lab meanwhile); with one, its latest run of each lab is taken. A layout is
foretold from the run without any of its trials, as `fleet simulate` would have before it was measured.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from fleet.analyse.foretell.outlook import Premises, outlook, workbench
from fleet.analyse.foretell.prediction import prediction
from fleet.errors import ConfigurationError
from fleet.model.record import RunLog
from fleet.plan.trials.graphs import expected_graph
from fleet.plan.trials.layouts import feasible
from fleet.store import open_store

LABS = ("lab", "lab-gpu", "lab-tune")
INVENTORIES = Path(__file__).parents[3] / "inventory"
GOAL, HELD = 0.03, 0.9
PREMISES = Premises(graph=expected_graph, fits=feasible)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How far off, whether inside the interval, and whether it was an extrapolation."""

    error: float
    held: bool
    beyond: bool


def main() -> int:
    """Bench what has to be benched, print the table; 1 where more than one interval in ten misses the truth."""
    parser = argparse.ArgumentParser(prog="labs", description=__doc__)
    parser.add_argument("labs", nargs="*", default=LABS, metavar="LAB", help=f"of {', '.join(LABS)}")
    parser.add_argument("--store", help="where runs of the labs are kept already")
    options = parser.parse_args()
    answers: list[Answer] = []
    print(f"  {'':54} {'measured':>9} {'foretold':>9} {'error':>7}  {'95 %':>17}")  # noqa: T201 (it is a program)
    with tempfile.TemporaryDirectory(prefix="fleet-labs-") as folder:
        for lab in options.labs:
            store = options.store or f"{folder}/{lab}.sqlite"
            if options.store is None:
                benched(lab, store)
            for line, answer in rows(latest(store, lab)):
                print(line, flush=True)  # noqa: T201 (likewise)
                answers += [answer] if answer else []
    held = sum(answer.held for answer in answers)
    within, outside = ([one for one in answers if one.beyond is beyond] for beyond in (False, True))
    print(*summary("within the contrasts measured", within), sep="\n")  # noqa: T201 (likewise)
    print(*summary("extrapolated", outside), sep="\n")  # noqa: T201 (likewise)
    print(*summary("all", answers), sep="\n")  # noqa: T201 (likewise)
    return 0 if held >= HELD * len(answers) else 1


def summary(what: str, answers: Sequence[Answer]) -> Iterator[str]:
    """How near, how often within the goal, how often inside the interval."""
    if answers:
        near = sum(abs(answer.error) <= GOAL for answer in answers)
        middle = median(abs(answer.error) for answer in answers)
        held = sum(answer.held for answer in answers)
        yield (
            f"  {what}: {len(answers)} layouts, median error {middle:.1%}, {near} within {GOAL:.0%}, "
            f"{held} inside the 95 % interval"
        )


def benched(lab: str, store: str) -> None:
    """A whole run of the lab; what it says goes to standard error. SystemExit where it fails."""
    command = (str(Path(sys.executable).parent / "fleet"), "bench", str(INVENTORIES / f"{lab}.yaml"), "--store", store)
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode:
        raise SystemExit(f"{lab} could not be benched (exit code {done.returncode})")


def latest(store: str, lab: str) -> RunLog:
    """The newest run of that lab."""
    kept = open_store(store)
    try:
        return kept.load(next(run.id for run in kept.runs() if run.inventory == lab and run.finished))
    finally:
        kept.close()


def rows(log: RunLog) -> Iterator[tuple[str, Answer | None]]:
    """A line for each layout but the one in service, and what it comes to; None where nothing can be foretold."""
    for arm in workbench(log, PREMISES).found.arms:
        if arm.layout == log.plan.current:
            continue
        name = f"  {log.inventory.name}: {arm.layout.label}".ljust(56)
        others = tuple(o for o in log.observations if o.trial.layout != arm.layout)
        try:
            bench = workbench(replace(log, observations=others), PREMISES)
            told = prediction(bench, outlook(bench, arm.layout))
        except ConfigurationError as problem:
            yield f"{name} {arm.hz / 1e3:9.1f}  {problem.message}", None
            continue
        answer = Answer(
            error=told.hz.value / arm.hz - 1,
            held=told.hz.low <= arm.hz <= told.hz.high,
            beyond=bool(told.beyond),
        )
        span = f"{told.hz.low / 1e3:.1f} – {told.hz.high / 1e3:.1f}"
        note = "; ".join(("held" if answer.held else "missed", *(one.text for one in told.beyond)))
        yield f"{name} {arm.hz / 1e3:9.1f} {told.hz.value / 1e3:9.1f} {answer.error:+7.1%}  {span:>17}  {note}", answer


if __name__ == "__main__":
    sys.exit(main())
