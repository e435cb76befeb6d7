"""The worker-time identity closes on any records, and says where the time went on records done by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_campaigns import plain_box
from planted_fleets import guide_box, layout
from planted_machine import Truth, observe
from planted_timers import Cluster, planted

from fleet.analyse.evidence.arms import arms_of
from fleet.analyse.evidence.identity import claim_seconds, shares, worker_time
from fleet.model.rates import by_agent
from fleet.model.record import JobRecord, TaskKind, TaskRecord, TaskState
from fleet.model.trial import Experiment, Load, Trial


def job(*tasks: TaskRecord) -> JobRecord:
    return JobRecord(id="j", state=TaskState.DONE, segments=1, user_cycles=1, total_cycles=1, tasks=tasks)


def prove(name: str, created: float, started: float, updated: float, *before: str) -> TaskRecord:
    return TaskRecord(
        id=name,
        kind=TaskKind.PROVE,
        state=TaskState.DONE,
        prerequisites=before,
        created=created,
        started=started,
        updated=updated,
    )


def test_one_agent_one_wait_each() -> None:
    """Busy 0–4 and 6–10; the second task was ready at 5, so 4–5 waits for the graph and 5–6 for dispatch."""
    time = worker_time([job(prove("a", 0.0, 0.0, 4.0), prove("b", 5.0, 6.0, 10.0))], workers=1)
    assert (time.busy, time.dispatch, time.graph, time.total) == (8.0, 1.0, 1.0, 10.0)


def test_ready_is_when_the_last_prerequisite_is_done() -> None:
    """A join that was created early waits for the graph, not for dispatch, until its parts are proved."""
    parts = [prove("a", 0.0, 0.0, 4.0), prove("b", 0.0, 0.0, 6.0)]
    time = worker_time([job(*parts, prove("c", 0.0, 7.0, 9.0, "a", "b"))], workers=2)
    assert time.busy == pytest.approx(4 + 6 + 2)
    assert time.dispatch == pytest.approx(1.0)
    assert time.graph == pytest.approx(18 - 12 - 1)


def test_no_more_waits_for_dispatch_than_idle_agents() -> None:
    """Ten ready tasks and one idle agent: one agent's time is lost, not ten."""
    tasks = [prove(str(n), 0.0, 1.0 + n, 2.0 + n) for n in range(10)]
    time = worker_time([job(*tasks)], workers=1)
    assert time.total == pytest.approx(10.0)
    assert (time.busy, time.dispatch, time.graph) == pytest.approx((10.0, 0.0, 0.0))


records = st.lists(
    st.tuples(st.floats(0, 1e4), st.floats(0, 1e3), st.floats(0, 1e3), st.sets(st.integers(0, 30), max_size=3)),
    min_size=1,
    max_size=30,
)


@given(records, st.integers(1, 12))
def test_it_closes_on_any_records(rows: list[tuple[float, float, float, set[int]]], workers: int) -> None:
    """busy + dispatch + graph = W·T to 1e-9, whatever the records say, and no part is negative."""
    tasks = [
        prove(str(n), created, created + wait, created + wait + took, *(str(b) for b in sorted(before) if b < n))
        for n, (created, wait, took, before) in enumerate(rows)
    ]
    time = worker_time([job(*tasks)], workers)
    assert time.busy + time.dispatch + time.graph == pytest.approx(time.total, rel=1e-9, abs=1e-9)
    assert min(time.busy, time.dispatch, time.graph) >= 0


@given(records)
def test_busy_is_what_tasks_took_where_agents_suffice(rows: list[tuple[float, float, float, set[int]]]) -> None:
    """With as many agents as tasks, busy is the plain sum of the tasks' seconds."""
    tasks = [
        prove(str(n), created, created + wait, created + wait + took) for n, (created, wait, took, _) in enumerate(rows)
    ]
    time = worker_time([job(*tasks)], len(tasks))
    assert time.busy == pytest.approx(sum(row[2] for row in rows), rel=1e-6, abs=1e-6)


def test_shares_and_claims_of_a_planted_machine() -> None:
    """Claims that cost 0.1 s show as dispatch, one claim for each task; shares add up to one."""
    truth = Truth(trial_noise=0.0, task_noise=0.0, dispatch=0.1)
    trial = Trial(experiment=Experiment.GPUS, layout=layout(20, box=1), load=Load(iterations=4096), repeat=0, seed=1)
    (arm,) = arms_of([observe(guide_box(), truth, trial)])
    (share,) = shares([arm])
    assert share.busy + share.dispatch + share.graph == pytest.approx(1.0, abs=1e-9)
    assert claim_seconds(arm) == pytest.approx(0.1, rel=0.02)
    assert share.dispatch == pytest.approx(65 * 0.1 / arm.seconds[0], rel=0.02)


def agents_own(jobs: Sequence[JobRecord], agents: Sequence[str]) -> tuple[float, float]:
    """Seconds that each agent worked and did not, from its own tasks, which never overlap: added up."""
    tasks = [task for one in jobs for task in one.tasks if task.agent is not None]
    begin = min(task.started or 0.0 for one in jobs for task in one.tasks)
    end = max(task.updated or 0.0 for one in jobs for task in one.tasks)
    worked = math.fsum((task.updated or 0.0) - (task.started or 0.0) for task in tasks)
    assert {task.agent for task in tasks} <= set(agents)
    return worked, len(agents) * (end - begin) - worked


@given(
    seed=st.integers(0, 10_000),
    cards=st.integers(1, 4),
    per_card=st.integers(1, 2),
    jobs=st.integers(1, 3),
    truth=st.sampled_from([Truth(), Truth(poll=0.3), Truth(poll=0.3, refresh=1.5), Truth(claim=0.05)]),
)
@settings(max_examples=25, deadline=None)
def test_it_closes_on_records_as_labs_make_them(seed: int, cards: int, per_card: int, jobs: int, truth: Truth) -> None:
    """Several jobs at once, several agents a card, every control plane: it adds up to what each agent did."""
    where = layout(18, agents=per_card, box=cards)
    load = Load(iterations=512, jobs=jobs)
    trial = Trial(experiment=Experiment.GPUS, layout=where, load=load, repeat=0, seed=seed)
    inventory = plain_box(cards, per_card)
    found = observe(inventory, truth, trial).jobs
    time = worker_time(found, len(where.agents))
    worked, idle = agents_own(found, [agent.name for agent in where.agents])
    assert time.busy == pytest.approx(worked, rel=1e-9)
    assert time.dispatch + time.graph == pytest.approx(idle, rel=1e-9, abs=1e-9 * time.total)
    assert math.fsum((time.busy, time.dispatch, time.graph)) == pytest.approx(time.total, rel=1e-9)


@given(
    seed=st.integers(0, 10_000),
    agents=st.integers(1, 9),
    poll=st.sampled_from([0.0, 0.25, 1.0]),
    refresh=st.sampled_from([0.0, 1.0, 5.0]),
    segments=st.integers(1, 33),
)
@settings(max_examples=50, deadline=None)
def test_it_closes_on_records_as_bento_makes_them(
    seed: int, agents: int, poll: float, refresh: float, segments: int
) -> None:
    """No agent is named, the executor and the last task are nobody's time, timers stray: busy is what tasks took."""
    found = planted(Cluster(agents=agents, poll=poll, refresh=refresh, segments=segments), seed)
    time = worker_time([found], agents)
    took = math.fsum((t.updated or 0.0) - (t.started or 0.0) for t in found.tasks if by_agent(t))
    assert time.busy == pytest.approx(took, rel=1e-9)
    assert math.fsum((time.busy, time.dispatch, time.graph)) == pytest.approx(time.total, rel=1e-9)
    assert min(time.dispatch, time.graph) >= -1e-9 * time.total
