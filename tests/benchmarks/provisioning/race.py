"""Rounds in which everybody takes a turn, one after the other, and in the next one the other way round."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence

from tests.benchmarks.provisioning.contenders import Contender, Failed
from tests.benchmarks.provisioning.hosts import Site
from tests.benchmarks.provisioning.turns import Turn

ENOUGH = 40.0
"""Seconds of all its turns after which a contender gets no further one: its ratio is far from any goal."""


def race(chosen: Sequence[Contender], where: Site, rounds: int, until: float, *, fresh: bool) -> dict[str, list[Turn]]:
    """The turns of each contender, by its name; whoever has failed once has none. `until`: nobody's second one begins.

    `fresh`: what the steps made is removed before each turn; else the first runs have left everything right.
    """
    failed: set[str] = set()
    turns: dict[str, list[Turn]] = {one.name: [] for one in chosen}
    for number in range(rounds):
        for one in chosen[:: -1 if number % 2 else 1]:
            over = turns[one.name] and time.monotonic() > until
            if over or one.name in failed or sum(turn.wall for turn in turns[one.name]) > ENOUGH:
                continue
            if fresh:
                _clear(where)
            try:
                turn = one.run(where)
            except Failed as problem:
                failed.add(one.name)
                turns[one.name] = []
                _say(str(problem))
                continue
            turns[one.name].append(turn)
            kind = "first run" if fresh else f"round {number + 1} of {rounds}"
            _say(f"{time.strftime('%H:%M:%S')}  {where.count} hosts, {kind}: {one.name} {turn.wall:.2f} s")
    return turns


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 (it is a program)


def _clear(where: Site) -> None:
    shutil.rmtree(where.work, ignore_errors=True)
    where.work.mkdir()
