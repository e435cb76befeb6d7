"""A job taken apart: bounds that no schedule beats, service times, the coordinator's share; from records alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_campaigns import plain_box
from planted_fleets import guide_box, layout, start
from planted_machine import Truth, observe

from fleet.analyse.causes.anatomy import coordinator, critical_path, decomposition
from fleet.analyse.causes.contrasts import efficiencies, inflations
from fleet.analyse.evidence.arms import Arm, arms_of
from fleet.analyse.evidence.findings import findings
from fleet.analyse.stats import Spread
from fleet.model.inventory import Inventory
from fleet.model.record import JobRecord, TaskKind, TaskRecord, TaskState
from fleet.model.trial import Experiment, Layout, Load, Trial

QUIET = Truth(trial_noise=0.0, task_noise=0.0, dispatch=0.0)
SPREAD = Spread(variance=0.02**2, freedom=10)


def task(
    name: str, started: float, updated: float, *before: str, created: float = 0.0, kind: TaskKind = TaskKind.PROVE
) -> TaskRecord:
    return TaskRecord(
        id=name,
        kind=kind,
        state=TaskState.DONE,
        prerequisites=before,
        created=created,
        started=started,
        updated=updated,
    )


def job(*tasks: TaskRecord) -> JobRecord:
    return JobRecord(id="j", state=TaskState.DONE, segments=1, user_cycles=1, total_cycles=1, tasks=tasks)


def arm(
    inventory: Inventory, truth: Truth, where: Layout, *, jobs: int = 1, iterations: int = 4096, repeats: int = 1
) -> Arm:
    """What a planted machine's trials of one layout are together."""
    trials = [
        Trial(
            experiment=Experiment.GPUS,
            layout=where,
            load=Load(iterations=iterations, jobs=jobs),
            repeat=repeat,
            seed=repeat,
        )
        for repeat in range(repeats)
    ]
    (found,) = arms_of([observe(inventory, truth, trial, number) for number, trial in enumerate(trials)])
    return found


def test_the_critical_path_is_the_longest_chain_without_its_waits() -> None:
    """Two proves of 3 and 5 s, a join of 2 s that waited: 5 + 2, not the 9 that passed."""
    found = critical_path(job(task("a", 0.0, 3.0), task("b", 1.0, 6.0), task("c", 7.0, 9.0, "a", "b")))
    assert found == pytest.approx(5 + 2)


def test_a_task_cannot_begin_before_it_was_cut() -> None:
    """What the executor released at 10 s ends at 12 s at the earliest, however short the chain is."""
    assert critical_path(job(task("a", 0.0, 3.0), task("b", 11.0, 13.0, created=10.0))) == pytest.approx(12.0)


def test_the_end_of_the_execute_task_holds_no_prove_up() -> None:
    """Every prove names the execute task, but its segment is there as soon as it is cut."""
    executed = task("init", 0.0, 50.0, kind=TaskKind.EXECUTE)
    assert critical_path(job(executed, task("a", 2.0, 5.0, "init", created=1.0))) == pytest.approx(4.0)


@given(st.integers(1, 3), st.integers(1, 2), st.sampled_from([256, 1024, 4096]), st.sampled_from([0.0, 0.05, 0.4]))
def test_no_schedule_is_shorter_than_its_bounds(devices: int, jobs: int, iterations: int, dispatch: float) -> None:
    """T ≥ the executor's time, the work shared evenly, the longest chain; and shares add up to one."""
    where = layout(20, box=min(devices, 2), far0=1) if devices > 1 else layout(20, box=1)
    truth = replace(QUIET, task_noise=0.05, dispatch=dispatch)
    found = decomposition(arm(guide_box(), truth, where, jobs=jobs, iterations=iterations), SPREAD)
    assert max(found.executor_seconds, found.work, found.critical_path) <= found.seconds * (1 + 1e-9)
    assert found.share.busy + found.share.dispatch + found.share.graph == pytest.approx(1.0, abs=1e-9)
    assert found.work == pytest.approx(found.share.busy * found.seconds, rel=1e-9)


def test_service_times_are_those_that_were_planted() -> None:
    """On a quiet machine a lone card's prove takes overhead + 2^po2 / rate, a join what was declared."""
    found = decomposition(arm(plain_box(), QUIET, layout(20, box=1), repeats=3), SPREAD)
    by_kind = {one.kind: one for one in found.services}
    assert by_kind["prove"].seconds.value == pytest.approx(0.3 + 2**20 / 1e6, rel=0.02)
    assert by_kind["join"].seconds.value == pytest.approx(0.8, rel=1e-6)
    assert by_kind["join"].count == 3 * 32
    assert by_kind["prove"].seconds.low < by_kind["prove"].seconds.value < by_kind["prove"].seconds.high
    assert found.executor_hz == pytest.approx(20e6, rel=1e-6)


@pytest.mark.parametrize(("claim", "cards"), [(0.1, 4), (0.2, 4), (0.4, 4)])
def test_the_coordinator_is_as_busy_as_it_was_planted_to_be(claim: float, cards: int) -> None:
    """One task at a time, `claim` seconds each: U = X·S, from the gaps between starts that were waited for."""
    truth = replace(QUIET, task_noise=0.02, claim=claim)
    found = arm(plain_box(cards), truth, layout(20, box=cards), jobs=3)
    handed_out = sum(t.kind is not TaskKind.EXECUTE and t.kind is not TaskKind.FINALIZE for t in found.jobs[0].tasks)
    true = claim * 3 * handed_out / found.seconds[0]
    assert coordinator(found) == pytest.approx(min(1.0, true), abs=0.06)


def test_claims_that_do_not_wait_for_each_other_are_no_busy_coordinator() -> None:
    """Half a second of latency for every claim, all at once: agents wait, but nobody hands out one at a time."""
    truth = replace(QUIET, task_noise=0.05, dispatch=0.5)
    busy = coordinator(arm(plain_box(4), truth, layout(20, box=4), jobs=3))
    assert busy is not None
    assert busy < 0.5


def test_inflation_and_efficiency_are_told_of_every_arm_that_shows_them() -> None:
    """φ(2, 1) of the guide's box is 1.26; a worker with its own bus proves at the pace of a lone card: η = 1."""
    inventory, truth = guide_box(), replace(QUIET, task_noise=0.01)
    places = [layout(20, box=1), layout(20, box=2), layout(20, box=2, far0=1)]
    trials = [
        Trial(experiment=Experiment.GPUS, layout=where, load=Load(iterations=4096), repeat=0, seed=1)
        for where in places
    ]
    log = start(inventory)
    found = findings(replace(log, observations=tuple(observe(inventory, truth, t, n) for n, t in enumerate(trials))))
    told = {(one.layout, one.host): one for one in inflations(found)}
    both = told[places[1], "box"]
    assert (both.devices, both.agents) == (2, 1)
    assert both.stretch.value == pytest.approx(1.26, abs=0.03)
    (far,) = efficiencies(found)
    assert far.host == "far0"
    assert far.efficiency.value == pytest.approx(1.0, abs=0.03)
