"""Rounds in which everybody takes a turn, one after the other."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence

from tests.benchmarks.provisioning.contenders import Contender
from tests.benchmarks.provisioning.hosts import Site

PAUSE = 1.5
"""Seconds between turns: sessions end, and Ansible's connections are let go."""
ENOUGH = 60.0
"""Seconds of all its turns after which a contender gets no further one: its ratio is far from any goal."""


def race(chosen: Sequence[Contender], where: Site, rounds: int, *, fresh: bool) -> dict[str, list[float]]:
    """The seconds of each turn by contender.

    `fresh`: what the steps made is removed before each turn; else the first runs have left everything right.
    """
    seconds: dict[str, list[float]] = {one.name: [] for one in chosen}
    for turn in range(rounds):
        for one in chosen:
            if turn > 0 and sum(seconds[one.name]) > ENOUGH:
                continue
            if fresh:
                _clear(where)
            seconds[one.name].append(one.run(where))
            time.sleep(PAUSE)
    return seconds


def _clear(where: Site) -> None:
    shutil.rmtree(where.work, ignore_errors=True)
    where.work.mkdir()
