"""A job's digest: as text, and as it must come out whatever the layout, the hosts and the order of its tasks."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.model.record import TaskKind
from fleet.plan.trials.proof import FINALIZE_ID, proof_tasks
from fleet.remote.prover import cpu
from fleet.remote.prover.device import Digest
from fleet.remote.prover.trace import make_trace


def digest_hex(digest: Digest) -> str:
    """64 hex digits, eight for each element."""
    return "".join(f"{element:08x}" for element in digest)


def expected_digest(seed: int, segments: Sequence[int], columns: int) -> str:
    """The digest of the job whose i-th segment's trace has 2^segments[i] rows: every task done here, one by one.

    It depends on the arguments only. ValueError without segments.
    """
    done: dict[str, Digest] = {}
    for task in proof_tasks(len(segments)):
        match task.kind:
            case TaskKind.PROVE if task.segment is not None:
                trace = make_trace(seed, task.segment, segments[task.segment], columns)
                done[task.id] = cpu.prove(trace, columns)
            case TaskKind.JOIN:
                left, right = task.prerequisites
                done[task.id] = cpu.join(done[left], done[right])
            case TaskKind.FINALIZE:
                (root,) = task.prerequisites
                done[task.id] = cpu.finalize(done[root])
            case _:
                raise ValueError(f"a synthetic job has no {task.kind} task")
    return digest_hex(done[FINALIZE_ID])
