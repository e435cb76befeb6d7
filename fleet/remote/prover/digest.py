"""A job's digest: as text, and as it must come out whatever the layout, the hosts and the order of its tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from fleet.model.record import TaskKind
from fleet.plan.trials.proof import FINALIZE_ID, proof_tasks
from fleet.remote.prover import cpu
from fleet.remote.prover.device import Digest
from fleet.remote.prover.trace import make_trace


def digest_hex(digest: Digest) -> str:
    """64 hex digits, eight for each element."""
    return "".join(f"{element:08x}" for element in digest)


def expected_digest(
    seed: int, segments: Sequence[int], columns: int, *, workers: int = 1, pulse: Callable[[], None] = lambda: None
) -> str:
    """The digest of the job whose i-th segment's trace has 2^segments[i] rows: every task done here.

    So many `workers` prove at once; `pulse` is called after each segment, in order. It depends on seed, segments and
    columns only. ValueError without segments.
    """

    def prove(index: int) -> Digest:
        return cpu.prove(make_trace(seed, index, segments[index], columns), columns)

    proved: list[Digest] = []
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="expected-prove") as threads:
        for digest in threads.map(prove, range(len(segments))):
            proved.append(digest)
            pulse()
    return digest_hex(_folded(proved))


def _folded(proved: Sequence[Digest]) -> Digest:
    """The job's digest from those of its segments."""
    done: dict[str, Digest] = {}
    for task in proof_tasks(len(proved)):
        match task.kind:
            case TaskKind.PROVE if task.segment is not None:
                done[task.id] = proved[task.segment]
            case TaskKind.JOIN:
                left, right = task.prerequisites
                done[task.id] = cpu.join(done[left], done[right])
            case TaskKind.FINALIZE:
                (root,) = task.prerequisites
                done[task.id] = cpu.finalize(done[root])
            case _:
                raise ValueError(f"a synthetic job has no {task.kind} task")
    return done[FINALIZE_ID]
