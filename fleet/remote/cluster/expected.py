"""The digests that a load must come to, worked out on the head, each once in a run, while agents come up."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor

from fleet.remote.cluster.executor import Cutting
from fleet.remote.prover import cpu
from fleet.remote.prover.digest import expected_digest

_MEMORY = 0.5
"""Of the head's free memory, what proving there may take."""


class Expected:
    """A thread that has digests worked out, on all of the head's cores, and all that it ever found."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="expected")
        self._known: dict[tuple[int, tuple[int, ...], int], Future[str]] = {}
        self.proved = 0
        """Segments so far: whoever waits sees that it goes on."""

    def ask(self, cutting: Cutting, jobs: int) -> tuple[Future[str], ...]:
        """The digest of each job of a load, as 64 hex digits, sooner or later."""
        rows = tuple(cutting.rows_po2(segment) for segment in cutting.plan())
        columns = cutting.settings.columns
        for job in range(jobs):
            if (job, rows, columns) not in self._known:
                self._known[job, rows, columns] = self._worker.submit(self._work_out, job, rows, columns)
        return tuple(self._known[job, rows, columns] for job in range(jobs))

    def _work_out(self, job: int, rows: tuple[int, ...], columns: int) -> str:
        return expected_digest(job, rows, columns, workers=_workers(max(rows), columns), pulse=self._count)

    def _count(self) -> None:
        self.proved += 1


def _workers(po2: int, columns: int) -> int:
    """Threads that may prove segments of that size at once: one for each core, as far as the free memory goes."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(len(os.sched_getaffinity(0)), int(_MEMORY * free) // cpu.working_memory(po2, columns)))
