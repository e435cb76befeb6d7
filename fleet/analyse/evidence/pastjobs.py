"""Which jobs of the past count, and the ones that do as the trials of a layout whose agents are not known by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.gate import refusal as gate_refusal
from fleet.model.history import PastJob
from fleet.model.record import JobRecord, Observation, Outcome, TaskKind, TaskRecord, TaskState
from fleet.model.trial import AgentSpec, Experiment, Layout, Load, Trial
from fleet.model.verdict import Refusal
from fleet.units import format_count

_PLACE = "cluster"
"""Stands for the hosts, which a task database does not name."""


def refusal(job: PastJob) -> Refusal | None:
    """Why a job counts for nothing, in the gate's words; None where it counts."""
    for code, holds, seen, cure in _rules(job):
        if holds:
            return Refusal(trial=job.id, label=f"{job.segments or 0} segments", code=code, seen=seen, cure=cure)
    return gate_refusal(_observation(job, 1))


def _rules(job: PastJob) -> Iterator[tuple[str, bool, str, str]]:
    """(code, whether it holds, what was seen, what would cure it): the gate's rules as records without trials break."""
    left = f"{job.unfinished:,} of {format_count(sum(count for _, count, _ in job.tasks), 'task')} are not done"
    yield "unfinished", job.state == "running", f"it is running: {left}", "look again when it has ended"
    ended = "done, yet" if job.state == "done" else f"{job.state}: {job.error + ';' if job.error else ''}"
    yield (
        Outcome.FAILED.value,
        job.state != "done" or job.unfinished > 0,
        f"it is {ended} {left}",
        "read the agents' log of that time",
    )
    yield "retried", job.retried > 0, _retried(job), _RETRY_CURES[job.timeouts > 0]
    yield "incomplete", not job.tasks, "its tasks are gone", _CLEANER
    yield (
        "no_cycles",
        job.cycles is None,
        "its first task does not say how many cycles it had",
        "nothing: it was only executed, or is not Bento's",
    )
    yield (
        "bad_times",
        job.hz is None,
        "no time lies between its first start and its last end",
        "look at the clock of the database's host",
    )
    gone = _gone(job)
    yield "incomplete", gone is not None, f"rows of it are gone: {gone}", _CLEANER
    more = f" and {len(job.company) - 1} more" if len(job.company) > 1 else ""
    yield (
        Outcome.CONTAMINATED.value,
        bool(job.company),
        f"tasks of other jobs ran or waited meanwhile ({', '.join(job.company[:1])}{more})",
        "only a job that has the cluster for itself shows what one job takes",
    )


def _gone(job: PastJob) -> str | None:
    """What a job that is done must have had, and has no more; None where nothing is missed."""
    counts = {kind: count for kind, count, _ in job.tasks}
    proves, segments = counts.get(TaskKind.PROVE, 0), job.segments or 0
    if proves < segments:
        return f"{proves} proves of {segments} segments"
    if TaskKind.FINALIZE not in counts:
        return "its last task"
    tasks = job.record.tasks if job.record else ()
    there = {task.id for task in tasks}
    gone = {before for task in tasks for before in task.prerequisites} - there
    return f"{format_count(len(gone), 'task')} that others waited for" if gone else None


_CLEANER = "keep the stack's cleaner off, and prove anew"
_RETRY_CURES = {
    True: "raise PROVE_TIMEOUT (it is in seconds): a slow prove is handed out again while it still runs",
    False: "find why the agent failed: a retry overwrites when a task started",
}


def _retried(job: PastJob) -> str:
    slow = f", {job.timeouts} of them at the end of their time limit" if job.timeouts else ""
    return f"retried: {format_count(job.retried, 'task')}{slow}"


def arm_of(jobs: Sequence[PastJob], workers: int) -> Arm | None:
    """The jobs as the trials of one layout of so many agents; None without jobs."""
    trials = tuple(_observation(job, workers) for job in jobs)
    return Arm(layout=trials[0].trial.layout, load=trials[0].trial.load, trials=trials) if trials else None


def _observation(job: PastJob, workers: int) -> Observation:
    agents = tuple(AgentSpec(host=_PLACE, device=f"agent{number}") for number in range(workers))
    trial = Trial(
        experiment=Experiment.BASELINE,
        layout=Layout(agents=agents, po2=job.po2 or 0),
        load=Load(iterations=0),
        repeat=0,
        seed=0,
    )
    return Observation(
        trial=trial,
        outcome=Outcome.OK,
        started=job.started or 0.0,
        elapsed=job.seconds or 0.0,
        emulated=False,
        jobs=(job.record or _as_one_task(job),),
    )


def _as_one_task(job: PastJob) -> JobRecord:
    """A job that is too large to be looked at task by task: its totals are right, and that is all."""
    whole = TaskRecord(
        id=job.id,
        kind=TaskKind.EXECUTE,
        state=TaskState.DONE,
        prerequisites=(),
        created=0.0,
        started=0.0,
        updated=job.seconds,
    )
    return JobRecord(
        id=job.id,
        state=TaskState.DONE,
        segments=job.segments or 0,
        user_cycles=0,
        total_cycles=job.cycles or 0,
        tasks=(whole,),
    )
