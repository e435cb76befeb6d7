"""How long does it take to see that nothing is to be done, and to do it the first time; who is faster?

`tests/benchmarks/run provisioning [--quick] [--hosts 16,64] [--rounds 5] [--minutes 9] [--only NAME,…]`. Every host is
a real sshd on a loopback address of this machine, so that clients and hosts share its cores; every contender is a
process of its own that ends before the next one begins, with the same ten steps and the facts of a host. All of them
take turns in each round, and a ratio is the median of the rounds' ratios, so that a machine with other work slows
everybody alike. Processor seconds of both sides stand beside those on the wall: they tell work from waiting for other
people's. Nothing fails by being slow. Where a contender reports a failure the others go on, and the exit status says
it. Ansible has fewer turns than the others, as one takes minutes. When the minutes are over nobody gets a second turn,
so that all of it ends in about ten on two cores that do nothing else.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.provisioning.contenders import CONTENDERS, Contender, Failed, missing_peers
from tests.benchmarks.provisioning.hosts import site
from tests.benchmarks.provisioning.race import race
from tests.benchmarks.provisioning.table import first_table, right_table
from tests.benchmarks.provisioning.thousand import thousand_table

FEW = 16
"""Hosts up to which Ansible has a first run, too, and all others as many rounds as are asked for."""
ROUNDS_OF_MANY = 3
FIRST_RUNS = 2
"""Of each contender that is not slow: the better one is shown."""


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="provisioning", description=__doc__)
    parser.add_argument("--hosts", default="16,64", help="how many, one table each")
    parser.add_argument("--quick", action="store_true", help="16 hosts and three rounds, without the thousand steps")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.add_argument("--minutes", type=float, default=9.0, help="after them each contender has one turn at most")
    parser.add_argument("--only", default="", help="these contenders, by name")
    options = parser.parse_args()
    if why := missing_peers():
        print(f"left out: {why}", file=sys.stderr)  # noqa: T201 (it is a program)
    if options.quick:
        options.hosts, options.rounds = "16", min(options.rounds, 3)
    chosen = [one for one in CONTENDERS if not options.only or one.name in options.only.split(",")]
    until = time.monotonic() + options.minutes * 60
    # Ansible's turn on many hosts takes as long as all the rest: it is the last thing to be run.
    well = [] if options.only or options.quick else [_thousand()]
    well += [_hosts(count, chosen, options.rounds, until) for count in map(int, options.hosts.split(","))]
    return 0 if all(well) else 1


def _hosts(count: int, chosen: list[Contender], rounds: int, until: float) -> bool:
    """Print the tables of so many hosts; whether nobody failed."""
    # What the first one of them has made is right for all; Ansible takes minutes for it where hosts are many.
    first = [one for one in chosen if one.steps and not one.tells and (count <= FEW or one.name != "Ansible")]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="fleet-bench-", ignore_cleanup_errors=True)))
        where = stack.enter_context(site(folder, count))
        made = race(first, where, FIRST_RUNS, until, fresh=True)
        _say(first_table(count, first, made))
        turns = race(chosen, where, rounds if count <= FEW else min(rounds, ROUNDS_OF_MANY), until, fresh=False)
        _say(right_table(count, chosen, turns))
    return all(made.values()) and all(turns.values())


def _thousand() -> bool:
    try:
        _say(thousand_table())
    except Failed as problem:
        print(problem, file=sys.stderr)  # noqa: T201 (likewise)
        return False
    return True


def _say(lines: list[str]) -> None:
    print(*lines, "", sep="\n", flush=True)  # noqa: T201 (likewise)


sys.exit(main())
