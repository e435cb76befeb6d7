"""What agents of one device do to each other, and cards of several models: told from arms that never showed it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from statistics import fmean

import pytest
from planted_fleets import GIB, ROOMY_CARD, campaign, card, fleet_of, guide_box, host, layout
from planted_machine import Truth, observe
from planted_questions import PREMISES

from fleet.analyse.causes.scaling import scalings
from fleet.analyse.evidence.findings import findings
from fleet.analyse.foretell.changes import changed_layout, parts_of
from fleet.analyse.foretell.outlook import outlook, workbench
from fleet.analyse.foretell.po2fit import segment_cycles
from fleet.analyse.foretell.prediction import prediction
from fleet.analyse.foretell.shapes import Part, shapes_of
from fleet.analyse.foretell.unpacked import APART, overlaps, unpacked
from fleet.model.inventory import Emulation, Inventory
from fleet.model.rates import effective_hz
from fleet.model.record import JobRecord, RunLog, TaskKind, TaskRecord
from fleet.model.simulation import Change
from fleet.model.trial import Experiment, Layout, Load, Trial
from fleet.twin.calibrate import split_pools, whole_pools

CALM = Truth(trial_noise=0.005, task_noise=0.01, dispatch=0.05)
SLOW_CARD = Emulation(cycles_per_second=0.45e6, overhead=0.6, join=1.7, traffic=100.0)


def roomy_box(*emulations: Emulation) -> Inventory:
    """A box with these cards on a bus that is nearly idle."""
    names = {ROOMY_CARD: "fast", SLOW_CARD: "slow"}
    cards = [card(n, names[one], 24 * GIB, one) for n, one in enumerate(emulations)]
    return fleet_of(host("box", *cards, head=True, slots=2), po2=20)


def run(inventory: Inventory, *layouts: Layout) -> RunLog:
    """A campaign's log with two trials of each of these layouts and nothing else."""
    load = Load(iterations=inventory.workload.iterations)
    trials = [
        Trial(experiment=Experiment.GPUS, layout=where, load=load, repeat=repeat, seed=0)
        for where in layouts
        for repeat in range(2)
    ]
    return replace(campaign(inventory, CALM), observations=tuple(observe(inventory, CALM, one) for one in trials))


def true_hz(inventory: Inventory, where: Layout) -> float:
    """What the planted machine gives there."""
    load, quiet = Load(iterations=inventory.workload.iterations), replace(CALM, trial_noise=0.0)
    trials = [Trial(experiment=Experiment.GPUS, layout=where, load=load, repeat=n, seed=0) for n in range(3)]
    return fmean(effective_hz(observe(inventory, quiet, trial).jobs) for trial in trials)


def with_tasks(log: RunLog, **change: object) -> RunLog:
    """The log with something changed in every task."""

    def job_of(job: JobRecord) -> JobRecord:
        return replace(job, tasks=tuple(replace(task, **change) for task in job.tasks))  # type: ignore[arg-type]

    seen = (replace(o, jobs=tuple(map(job_of, o.jobs))) for o in log.observations)
    return replace(log, observations=tuple(seen))


def claimed_early(log: RunLog, seconds: float) -> RunLog:
    """The log of a source that counts an agent's way to its task as part of the task, and does not tell."""

    def sooner(task: TaskRecord) -> TaskRecord:
        if task.started is None or task.kind is TaskKind.EXECUTE:
            return task
        return replace(task, started=max(task.created, task.started - seconds))

    def job_of(job: JobRecord) -> JobRecord:
        return replace(job, tasks=tuple(sooner(task) for task in job.tasks))

    seen = (replace(o, jobs=tuple(map(job_of, o.jobs))) for o in with_tasks(log, away=None).observations)
    return replace(log, observations=tuple(seen))


TWO, PACKED = layout(20, 1, box=2), layout(20, 2, box=2)


def part_of(log: RunLog) -> Part:
    """What two agents on each card ask of the box."""
    (part,) = parts_of(findings(log), PACKED)
    return part


def test_a_task_on_its_way_holds_no_device() -> None:
    """Seconds of a task: its way, its bytes and what is left for the device add up; whole, all is the device's."""
    log = with_tasks(run(roomy_box(ROOMY_CARD), layout(20, 1, box=1)), away=0.3)
    jobs = [job for o in log.observations for job in o.jobs]
    split, whole = split_pools(jobs), whole_pools(jobs)
    assert split is not None
    for apart, together in zip(split["box", TaskKind.PROVE], whole["box", TaskKind.PROVE], strict=True):
        assert apart.latency == 0.3
        assert apart.bus > 0
        assert apart.latency + apart.bus + apart.device == pytest.approx(together.device)
        assert (together.latency, together.bus) == (0.0, 0.0)


def test_what_overlaps_is_known_from_records_else_from_a_contrast_else_bounded() -> None:
    """Known ways need no guess; a way that nobody tells shows in the gain of a second agent; without one, bounds."""
    known = run(roomy_box(ROOMY_CARD, ROOMY_CARD), TWO, PACKED)
    part = part_of(known)
    assert overlaps(findings(known), part, shapes_of(findings(known), "box")) == (0.0,)
    for seconds, low, high in ((0.0, 0.0, 0.02), (0.05, 0.02, 0.07)):
        found = findings(claimed_early(known, seconds))
        (share,) = overlaps(found, part, shapes_of(found, "box"))
        assert low <= share <= high
    alone = findings(with_tasks(run(roomy_box(ROOMY_CARD, ROOMY_CARD), TWO), away=None))
    assert overlaps(alone, part, shapes_of(alone, "box")) == APART


def test_the_device_seconds_of_packed_agents_are_those_of_a_lone_one() -> None:
    """Sizes that only agents sharing a device were measured with: what one alone would need, within 2 %."""
    packed = layout(19, 2, box=2)
    found = findings(run(roomy_box(ROOMY_CARD, ROOMY_CARD), TWO, packed))
    ((arm, seconds),) = unpacked(found, "box", partial(segment_cycles, found))
    assert arm.layout == packed
    assert seconds == pytest.approx(ROOMY_CARD.overhead + 2.0**19 / ROOMY_CARD.cycles_per_second, rel=0.02)


def test_what_a_host_never_ran_in_a_shape_it_is_still_served() -> None:
    """The only finalize was another host's agent's: a layout without that host is replayed all the same."""
    log = run(guide_box(), layout(20, 1, box=2), layout(20, 1, box=1, far0=1))

    def elsewhere(task: TaskRecord) -> TaskRecord:
        return replace(task, host="far0", agent="far0/gpu0#0") if task.kind is TaskKind.FINALIZE else task

    def job_of(job: JobRecord) -> JobRecord:
        return replace(job, tasks=tuple(map(elsewhere, job.tasks)))

    seen = tuple(replace(o, jobs=tuple(map(job_of, o.jobs))) for o in log.observations)
    bench = workbench(replace(log, observations=seen), PREMISES)
    answer = prediction(bench, outlook(bench, layout(20, 1, box=1)))
    truth = true_hz(guide_box(), answer.layout)
    assert answer.hz.low <= truth <= answer.hz.high


@pytest.mark.parametrize("emulations", [(ROOMY_CARD, SLOW_CARD), (ROOMY_CARD, SLOW_CARD, SLOW_CARD)])
def test_a_box_of_several_models_is_replayed_with_each_cards_own_times(emulations: tuple[Emulation, ...]) -> None:
    """Two agents on each card, never measured: within 5 % of the truth, though the average card is far from both."""
    inventory = roomy_box(*emulations)
    every = layout(20, 1, box=len(emulations))
    log = run(inventory, every)
    log = replace(log, plan=replace(log.plan, current=every))
    bench = workbench(log, PREMISES)
    change = Change(agents=2)
    answer = prediction(bench, outlook(bench, changed_layout(bench.found, change), change))
    truth = true_hz(inventory, answer.layout)
    assert answer.hz.low <= truth <= answer.hz.high
    assert answer.hz.value == pytest.approx(truth, rel=0.05)


def test_a_slow_card_is_no_bad_scaling() -> None:
    """What a slower model adds is held against what it could add, not against a card like the first."""
    inventory = roomy_box(ROOMY_CARD, SLOW_CARD)
    found = findings(run(inventory, layout(20, 1, box=1), TWO))
    (scaling,) = scalings(found)
    assert scaling.speedup.value < 1.7
    assert scaling.efficiency == pytest.approx(1.0, abs=0.03)
