"""The digests that a load must come to, worked out on the head, each once in a run, while agents come up."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from fleet.remote.cluster.executor import Cutting
from fleet.remote.prover.digest import expected_digest


class Expected:
    """A thread that works out digests, and all that it ever found."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="expected")
        self._known: dict[tuple[int, tuple[int, ...], int], Future[str]] = {}

    def ask(self, cutting: Cutting, jobs: int) -> tuple[Future[str], ...]:
        """The digest of each job of a load, as 64 hex digits, sooner or later."""
        rows = tuple(cutting.rows_po2(segment) for segment in cutting.plan())
        columns = cutting.settings.columns
        for job in range(jobs):
            if (job, rows, columns) not in self._known:
                self._known[job, rows, columns] = self._worker.submit(expected_digest, job, rows, columns)
        return tuple(self._known[job, rows, columns] for job in range(jobs))
