"""The scheduler: a state machine that anything may drive, in any order of events."""

from __future__ import annotations

from collections import Counter
from random import Random

from cluster_values import agent
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.record import TaskKind, TaskState
from fleet.plan.trials.proof import proof_tasks
from fleet.plan.trials.segments import Segment
from fleet.remote.cluster.scheduler import Assignment, Digest, Scheduler

AGENTS = tuple(agent(f"box/gpu{number}") for number in range(3))


def segment(index: int) -> Segment:
    return Segment(index=index, po2=20, user_cycles=1000)


def digest_of(done: Assignment) -> Digest:
    """A digest that tells which inputs it was made from, in which order."""
    return (hash((done.job, done.task.segment, done.inputs)),)


def cut_whole(scheduler: Scheduler, job: int, count: int) -> None:
    for index in range(count):
        scheduler.cut(job, segment(index), float(index))
    scheduler.cut_all(job, float(count))


def run_in_order(scheduler: Scheduler, flying: list[Assignment], now: float) -> float:
    """Finish tasks first in, first out, until nothing is left."""
    while flying or (flying := scheduler.assign(now)):
        done, *flying = flying
        now += 1.0
        scheduler.finish(done, digest_of(done), now)
        flying += scheduler.assign(now)
    return now


def test_nine_segments_are_the_guides_nineteen_tasks() -> None:
    """One execute, nine proves, eight joins, one finalize, numbered as in Bento; all done, with their cycles."""
    scheduler = Scheduler(AGENTS[:1], 1)
    cut_whole(scheduler, 0, 9)
    run_in_order(scheduler, [], 9.0)
    assert scheduler.finished
    (job,) = scheduler.records("box", 1.0, ("ab",))
    kinds = Counter(task.kind for task in job.tasks)
    assert kinds == {TaskKind.EXECUTE: 1, TaskKind.PROVE: 9, TaskKind.JOIN: 8, TaskKind.FINALIZE: 1}
    assert [(task.id, task.prerequisites) for task in job.tasks[1:]] == [
        (t.id, t.prerequisites) for t in proof_tasks(9)
    ]
    assert all(task.state is TaskState.DONE for task in job.tasks)
    assert (job.state, job.segments, job.total_cycles, job.digest) == (TaskState.DONE, 9, 9 << 20, "ab")
    assert scheduler.done == 19


def test_joins_go_before_proves_and_proves_first_come_first_served() -> None:
    """With one agent the order is fixed: each join as soon as it can be, proves in their order."""
    scheduler = Scheduler(AGENTS[:1], 1)
    cut_whole(scheduler, 0, 4)
    order, flying = [], scheduler.assign(0.0)
    while flying:
        (done,) = flying
        order.append(done.task.id)
        scheduler.finish(done, digest_of(done), 1.0)
        flying = scheduler.assign(1.0)
    assert order == ["0", "1", "2", "3", "4", "5", "6", "finalize"]


def test_a_join_of_an_older_job_does_not_wait_for_a_younger_jobs_prove() -> None:
    """Concurrent jobs share the agents: a join that becomes ready overtakes every prove that waits, of any job."""
    scheduler = Scheduler(AGENTS[:1], 2)
    cut_whole(scheduler, 0, 2)
    cut_whole(scheduler, 1, 2)
    order, flying = [], scheduler.assign(0.0)
    while flying:
        (done,) = flying
        order.append((done.job, done.task.id))
        scheduler.finish(done, digest_of(done), 1.0)
        flying = scheduler.assign(1.0)
    assert order == [(0, "0"), (0, "1"), (0, "2"), (0, "finalize"), (1, "0"), (1, "1"), (1, "2"), (1, "finalize")]


def test_the_agent_that_has_been_idle_the_longest_is_next() -> None:
    """Work is spread: nobody gets a second task while somebody else has waited longer."""
    scheduler = Scheduler(AGENTS, 1)
    scheduler.cut(0, segment(0), 0.0)
    (first,) = scheduler.assign(0.0)
    scheduler.finish(first, (1,), 1.0)
    scheduler.cut(0, segment(1), 1.0)
    scheduler.cut(0, segment(2), 1.0)
    assert [each.agent for each in scheduler.assign(1.0)] == [AGENTS[1], AGENTS[2]]


def test_records_carry_emulated_times_and_who_did_it() -> None:
    """All times are scaled once, in the records; the execute task lasts from start to last segment."""
    scheduler = Scheduler(AGENTS[:1], 1)
    scheduler.cut(0, segment(0), 0.1)
    scheduler.cut_all(0, 0.2)
    (prove,) = scheduler.assign(0.3)
    scheduler.finish(prove, (1,), 0.5, transfer=0.05, away=0.01)
    (job,) = scheduler.records("head", 10.0, (None,))
    execute, proved, finalize = job.tasks
    assert (execute.started, execute.updated, execute.host, execute.agent) == (0.0, 2.0, "head", None)
    assert (proved.created, proved.started, proved.updated) == (1.0, 3.0, 5.0)
    assert (proved.transfer, proved.away) == (0.5, 0.1)
    assert (proved.agent, proved.host) == ("box/gpu0#0", "box")
    assert (finalize.state, finalize.started) == (TaskState.READY, None)
    assert job.state is TaskState.RUNNING


def test_a_failed_task_fails_its_job_and_its_agent_gets_no_more() -> None:
    """After a failure the record says which task, and the agent that failed is not offered another."""
    scheduler = Scheduler(AGENTS[:2], 1)
    cut_whole(scheduler, 0, 4)
    failed, _ = scheduler.assign(0.0)
    scheduler.fail(failed, 1.0, "out of memory")
    assert scheduler.assign(1.0) == []
    (job,) = scheduler.records("box", 1.0, (None,))
    assert (job.state, job.error) == (TaskState.FAILED, "out of memory")
    assert [task.state for task in job.tasks if task.id == failed.task.id] == [TaskState.FAILED]


@given(st.integers(1, 12), st.integers(1, 3), st.integers(1, 3), st.randoms(use_true_random=False))
def test_whatever_happens_first_the_digest_is_the_same(segments: int, jobs: int, agents: int, random: Random) -> None:
    """Any interleaving of cutting and finishing, with any number of agents, ends with the digests of the plain order.

    On the way no agent has two tasks, and no task starts before what it waits for is done.
    """
    expected = Scheduler(AGENTS[:1], jobs)
    for job in range(jobs):
        cut_whole(expected, job, segments)
    run_in_order(expected, [], 0.0)

    scheduler = Scheduler(AGENTS[:agents], jobs)
    left = dict.fromkeys(range(jobs), 0)
    flying: list[Assignment] = []
    now = 0.0
    while left or flying:
        now += 1.0
        if flying and (not left or random.random() < 0.5):
            done = flying.pop(random.randrange(len(flying)))
            scheduler.finish(done, digest_of(done), now)
        else:
            job = random.choice(sorted(left))
            if left[job] < segments:
                scheduler.cut(job, segment(left[job]), now)
                left[job] += 1
            else:
                scheduler.cut_all(job, now)
                del left[job]
        flying += scheduler.assign(now)
        assert len({each.agent for each in flying}) == len(flying)
    assert scheduler.finished
    assert scheduler.digests() == expected.digests()
    for record in scheduler.records("box", 1.0, ["d"] * jobs):
        updated = {task.id: task.updated for task in record.tasks}
        for task in record.tasks:
            assert task.started is not None
            assert task.updated is not None
            assert task.created <= task.started < task.updated or task.kind is TaskKind.EXECUTE
            ends = [updated[name] for name in task.prerequisites if name != "init"]
            assert all(end is not None and end <= task.started for end in ends)
