"""Is the decision right? Fleet against planted clusters whose truth is known by brute force.

`tests/benchmarks/run decision [--quick | --clusters N | --only SEED]`. Exit status 1 where a goal is missed. With
`--worlds` it asks how the answers hold where the machine is not what fleet takes it for, and misses nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

from tests.benchmarks.decision.detail import detail
from tests.benchmarks.decision.foreign import HOME, WORLDS
from tests.benchmarks.decision.scaling import comparison, predict
from tests.benchmarks.decision.score import Score, score
from tests.benchmarks.decision.table import abroad, missed, table

CLUSTERS, QUICK, SCALED = 200, 40, 90
EACH = 54
"""Clusters of each world, unless another number is asked for."""


def main() -> int:
    """Print the table, or one case in full."""
    parser = argparse.ArgumentParser(prog="decision", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} clusters instead of {CLUSTERS}")
    parser.add_argument("--clusters", type=int, help=f"how many clusters ({CLUSTERS}; of each world {EACH})")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", type=int, help="one seed, in full")
    parser.add_argument("--worlds", action="store_true", help="foreign worlds instead of the usual one")
    parser.add_argument("--world", choices=WORLDS, default=HOME, help="the world of --only")
    options = parser.parse_args()
    if options.only is not None:
        print(*detail(options.only, options.world), sep="\n")  # noqa: T201 (it is a program)
        return 0
    if options.worlds:
        count = options.clusters or EACH
        print(*abroad(_everywhere(range(options.first, options.first + count))), sep="\n")  # noqa: T201 (likewise)
        return 0
    count = QUICK if options.quick else options.clusters or CLUSTERS
    began = time.perf_counter()
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        seeds = range(options.first, options.first + count)
        scores = list(pool.map(score, seeds, chunksize=4))
        predictions = list(pool.map(predict, seeds[:SCALED], chunksize=4))
    short = missed(scores)
    print(*table(scores), "", *comparison(predictions), "", sep="\n")  # noqa: T201 (it is a program)
    end = f"missed: {', '.join(short)}" if short else "every goal is reached"
    print(f"{count} clusters from seed {options.first} in {time.perf_counter() - began:.0f} s; {end}")  # noqa: T201
    return 1 if short else 0


def _everywhere(seeds: Sequence[int]) -> list[Score]:
    """The scores of these seeds in every world."""
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        return [one for world in WORLDS for one in pool.map(score, seeds, repeat(world), chunksize=4)]


if __name__ == "__main__":
    sys.exit(main())
