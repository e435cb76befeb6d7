"""The task graph of one proving job: proves as segments come, joins like the carries of a binary counter, finalize.

Nine segments are numbered 0 P, 1 P, 2 J, 3 P, 4 P, 5 J, 6 J, 7 P, 8 P, …: a join is made as soon as two subtrees of
the same height stand side by side, and what is left over is joined from the right when the last segment is known.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.model.record import TaskKind

EXECUTE_ID = "init"
FINALIZE_ID = "finalize"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofTask:
    """One task. `index` is its number in the job (and its id); `segment` is set for proves only."""

    id: str
    kind: TaskKind
    index: int
    prerequisites: tuple[str, ...]
    segment: int | None = None


class ProofPlanner:
    """Grows the graph segment by segment; holds the roots of the subtrees not joined yet, as (height, id)."""

    def __init__(self) -> None:
        self._next = 0
        self._segments = 0
        self._roots: list[tuple[int, str]] = []

    def add_segment(self) -> tuple[ProofTask, ...]:
        """The prove task of the next segment, and the joins that it completes."""
        prove = self._task(TaskKind.PROVE, (EXECUTE_ID,), segment=self._segments)
        self._segments += 1
        tasks = [prove]
        self._roots.append((0, prove.id))
        while len(self._roots) > 1 and self._roots[-1][0] == self._roots[-2][0]:
            tasks.append(self._join())
        return tuple(tasks)

    def finish(self) -> tuple[ProofTask, ...]:
        """The joins of what is left over, from the right, and the finalize task. ValueError without segments."""
        if not self._roots:
            raise ValueError("a job needs at least one segment")
        tasks = []
        while len(self._roots) > 1:
            tasks.append(self._join())
        root = self._roots[0][1]
        tasks.append(ProofTask(id=FINALIZE_ID, kind=TaskKind.FINALIZE, index=self._next, prerequisites=(root,)))
        return tuple(tasks)

    def _join(self) -> ProofTask:
        (right_height, right), (left_height, left) = self._roots.pop(), self._roots.pop()
        join = self._task(TaskKind.JOIN, (left, right))
        self._roots.append((max(left_height, right_height) + 1, join.id))
        return join

    def _task(self, kind: TaskKind, prerequisites: tuple[str, ...], segment: int | None = None) -> ProofTask:
        task = ProofTask(id=str(self._next), kind=kind, index=self._next, prerequisites=prerequisites, segment=segment)
        self._next += 1
        return task


def proof_tasks(segments: int) -> tuple[ProofTask, ...]:
    """The whole graph of a job of `segments` segments, without its execute task, in creation order."""
    planner = ProofPlanner()
    tasks = [task for _ in range(segments) for task in planner.add_segment()]
    return (*tasks, *planner.finish())
