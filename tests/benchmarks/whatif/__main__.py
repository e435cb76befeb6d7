"""Do the intervals of `fleet simulate` hold the truth beyond what was measured, and those of timers read off records?

`tests/benchmarks/run whatif [--quick | --clusters N] [--first SEED]`. Exit status 1 where the goal is missed.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from statistics import median

from tests.benchmarks.whatif.timers import lines, share_held, told
from tests.benchmarks.whatif.worlds import Answered, answered

CLUSTERS, QUICK = 90, 18
LEAST, MOST = 0.90, 0.98


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="whatif", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} clusters instead of {CLUSTERS}")
    parser.add_argument("--clusters", type=int, default=CLUSTERS, help="how many clusters")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    seeds = range(options.first, options.first + (QUICK if options.quick else options.clusters))
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        answers = [answer for found in pool.map(answered, seeds) for answer in found]
        timers = [one for found in pool.map(told, seeds) for one in found]
    print(*table(answers), "", *lines(timers), "", sep="\n")  # noqa: T201 (it is a program)
    share, read = sum(answer.held for answer in answers) / len(answers), share_held(timers)
    reached = LEAST <= share <= MOST and read >= LEAST
    print(  # noqa: T201 (likewise)
        f"{len(seeds)} clusters from seed {seeds.start}; goal {LEAST:.0%} – {MOST:.0%} ({share:.1%}), of timers that "
        f"are told {LEAST:.0%} or more ({read:.1%}): {'reached' if reached else 'missed'}"
    )
    return 0 if reached else 1


def table(answers: Sequence[Answered]) -> Iterator[str]:
    """All lines: by question, by what limits the cluster, by how far it leaves what was measured."""
    yield "WHAT WAS NEVER MEASURED (gains over the layout in service; the truth by brute force)"
    yield f"  {'':22} {'asked':>5} {'held':>7} {'below':>6} {'above':>6} {'error':>7} {'± half':>7}"
    yield _row("all", answers)
    yield from _by("question", answers, lambda one: one.question)
    yield from _by("limit", answers, lambda one: one.limit)
    yield from _by("steps beyond", answers, lambda one: f"{min(4, round(one.steps))}")
    yield "  error: median of how far the middle is off; ± half: median half width of the interval; both of the rate"
    yield "  below, above: the truth lies there"


def _by(what: str, answers: Iterable[Answered], name: Callable[[Answered], str]) -> Iterator[str]:
    groups: dict[str, list[Answered]] = {}
    for answer in answers:
        groups.setdefault(name(answer), []).append(answer)
    yield f"  {what}"
    for group in sorted(groups):
        yield _row(f"  {group}", groups[group])


def _row(name: str, group: Sequence[Answered]) -> str:
    held = sum(answer.held for answer in group) / len(group)
    below, above = (sum(one.truth < one.low for one in group), sum(one.truth > one.high for one in group))
    error = median(abs((1 + one.value) / (1 + one.truth) - 1) for one in group)
    half = median(math.sqrt(1 + one.width) - 1 for one in group)
    return f"  {name:22} {len(group):5} {held:7.1%} {below:6} {above:6} {error:7.1%} {half:7.1%}"


if __name__ == "__main__":
    sys.exit(main())
