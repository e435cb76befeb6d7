"""How fast is the twin, and how near to a control plane that was measured?

`tests/benchmarks/run twin [--quick]`. Times are the best of a few, in seconds of the processor and of the wall; on a
machine with other work only the former mean anything. Nothing fails by being slow; it does where two replays of the
same job disagree.
"""

from __future__ import annotations

import argparse
import sys

from tests.benchmarks.twin.legacy import legacy_table
from tests.benchmarks.twin.speed import Disagreement, speed_table


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="twin", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the tasks")
    quick = parser.parse_args().quick
    try:
        for line in speed_table(quick=quick):
            print(line, flush=True)  # noqa: T201 (it is a program)
    except Disagreement as problem:
        print(problem, file=sys.stderr)  # noqa: T201 (likewise)
        return 1
    print()  # noqa: T201 (likewise)
    print(*legacy_table(), sep="\n")  # noqa: T201 (likewise)
    return 0


sys.exit(main())
