"""A program that adds observations to a run and says so after each: what tests kill, starve and run side by side.

Usage: adder.py STORE RUN FIRST COUNT
"""

from __future__ import annotations

import sys

from model_values import observation, run_log

from fleet.errors import StoreError
from fleet.store import open_store


def main(target: str, run: str, first: str, count: str) -> int:
    """Add the observations `first`, `first` + 1, …; the exit code of the StoreError that ends it early."""
    store = open_store(target)
    try:
        if int(first) == 0:
            store.create(run_log(run))
        store.claim(run)
        for number in range(int(first), int(first) + int(count)):
            store.add(run, observation(number, samples=200))
            print(number, flush=True)  # noqa: T201 (how it says so)
    except StoreError as error:
        print(error, file=sys.stderr)  # noqa: T201 (likewise)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
