"""Many jobs at once, so that means over random timers say something: each lane is a process with its own database.

Agents sleep nearly all the time, so that many lanes of them hardly meet on two processors; a lane's rows and locks
are its own.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from random import Random

import psycopg  # noqa: TID251 (the database is what is measured here)

from tests.benchmarks.taskdb.plane import Pace, Run, Setting, run_job

SCHEMA = Path(__file__).parents[3] / "fleet" / "lab" / "bento" / "taskdb.sql"

_mine: list[str] = []
"""The URL of this process's database."""


def run_jobs(url: str, jobs: Sequence[tuple[Setting, str]], pace: Pace, lanes: int) -> Iterator[Run]:
    """A job of each setting with the phases of its seed, the first ones begun first, given as they end.

    Unfinished where one does not end.
    """
    context = multiprocessing.get_context("fork")  # A fresh interpreter for each lane would cost more than its jobs.
    urls = context.SimpleQueue()
    for database in _databases(url, lanes):
        urls.put(database)
    with ProcessPoolExecutor(lanes, context, _enter, (urls,)) as pool:
        begun = [pool.submit(_run, setting, pace, seed) for setting, seed in jobs]
        try:
            for done in as_completed(begun):
                yield done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _databases(url: str, count: int) -> Iterable[str]:
    """URLs of so many new databases with the stack's tables."""
    for number in range(count):
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(f"CREATE DATABASE lane{number}".encode())
        own = url.replace("/postgres?", f"/lane{number}?")
        with psycopg.connect(own, autocommit=True) as database:
            database.execute(SCHEMA.read_bytes())
        yield own


def _enter(urls: SimpleQueue[str]) -> None:
    _mine.append(urls.get())


def _run(setting: Setting, pace: Pace, seed: str) -> Run:
    chance = Random(f"{seed} {setting}")  # noqa: S311 (phases, not secrets)
    return replace(run_job(_mine[0], setting, pace, chance), timers=seed)
