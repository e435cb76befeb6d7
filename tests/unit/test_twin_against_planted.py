"""The twin against planted machines: equal where nothing is random, right where it was not calibrated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from statistics import fmean

import pytest
from planted_fleets import guide_box, host, layout, mistuned_box, roomy_box
from planted_machine import Truth, observe

from fleet.model.inventory import Inventory
from fleet.model.rates import job_seconds
from fleet.model.record import JobRecord, TaskKind
from fleet.model.trial import AgentSpec, Experiment, Layout, Load, Trial
from fleet.plan.trials.segments import segments
from fleet.twin.calibrate import host_times, split_pools, whole_pools
from fleet.twin.forecast import ideal_speedup, mean_seconds, sampled_seconds
from fleet.twin.graph import graph_of
from fleet.twin.replay import Control, Service, Services, Worker, replay

QUIET = Truth(trial_noise=0.0, task_noise=0.0, dispatch=0.05)


def run(inventory: Inventory, where: Layout, truth: Truth = QUIET, repeat: int = 0) -> JobRecord:
    """One job of the planted machine."""
    trial = Trial(experiment=Experiment.GPUS, layout=where, load=Load(iterations=4096), repeat=repeat, seed=1)
    return observe(inventory, truth, trial).jobs[0]


def workers_of(agents: Iterable[AgentSpec]) -> tuple[Worker, ...]:
    """One worker for each agent; agents of a device share it."""
    return tuple(Worker(host=agent.host, device=agent.device) for agent in agents)


def declared(inventory: Inventory, job: JobRecord, po2: int) -> Services:
    """What the inventory declares for every task of a job."""
    graph = graph_of(job)
    sizes = iter([segment.po2 for segment in segments(4096, po2)])
    size = {n: next(sizes) for n, node in enumerate(graph.nodes) if node.kind is TaskKind.PROVE}
    emulation = inventory.hosts[0].devices[0].emulation
    assert emulation is not None
    bus = inventory.hosts[0].bus or 1.0

    def service(number: int, _: Worker) -> Service:
        if number not in size:
            return Service(device=emulation.join)
        cycles = 2.0 ** size[number]
        return Service(
            device=emulation.overhead + cycles / emulation.cycles_per_second, bus=emulation.traffic * cycles / bus
        )

    return service


@pytest.mark.parametrize(
    ("inventory", "where"),
    [
        (guide_box(), layout(20, 1, box=1)),
        (guide_box(), layout(20, 1, box=2)),
        (guide_box(), layout(19, 2, box=2)),
        (guide_box(), layout(18, 3, box=1)),
        (roomy_box(), layout(21, 1, box=2)),
        (roomy_box(), layout(20, 2, box=2)),
        (mistuned_box(), layout(18, 1, box=2)),
    ],
    ids=lambda value: value.label if isinstance(value, Layout) else value.hosts[0].devices[0].model,
)
def test_two_simulators_that_share_no_code_agree(inventory: Inventory, where: Layout) -> None:
    """Declared services, no noise: the twin's job ends when the planted machine's does, to a microsecond."""
    job = run(inventory, where)
    schedule = replay(
        graph_of(job), by_first_claim(job, where), declared(inventory, job, where.po2), Control(claim=QUIET.dispatch)
    )
    assert schedule.seconds == pytest.approx(job_seconds([job]), abs=1e-6)


def by_first_claim(job: JobRecord, where: Layout) -> tuple[Worker, ...]:
    """The workers in the order in which the planted machine, which shuffles them, first gave them work."""
    first = {task.agent: (task.started or 0.0, int(task.id)) for task in reversed(job.tasks) if task.agent}
    return workers_of(sorted(where.agents, key=lambda agent: first[agent.name]))


def test_one_device_alone_predicts_all_of_the_box() -> None:
    """Calibrated on noisy runs of one card only, with the bus as a queue: two and three cards within 3 %."""
    inventory = three_cards()
    noisy = Truth(trial_noise=0.01, task_noise=0.02, dispatch=0.05)
    alone = [run(inventory, layout(20, box=1), noisy, repeat) for repeat in range(3)]
    pools = split_pools(alone)
    assert pools is not None
    for count in (2, 3):
        where = layout(20, box=count)
        truth = fmean(job_seconds([run(inventory, where, noisy, repeat)]) for repeat in range(5))
        predicted = fmean(
            sampled_seconds(graph_of(alone[0]), workers_of(where.agents), pools, Control(claim=0.05), range(40))
        )
        assert predicted == pytest.approx(truth, rel=0.03)


def three_cards() -> Inventory:
    """The guide's box with a third card."""
    box = guide_box().hosts[0]
    card = replace(box.devices[0], name="gpu2")
    return replace(guide_box(), hosts=(host("box", *box.devices, card, head=True),))


def test_one_seed_is_one_luck() -> None:
    """The same seed gives the same seconds; another one others; the mean over many is the replay of means."""
    job = run(guide_box(), layout(20, box=2), Truth(task_noise=0.05, dispatch=0.05))
    graph, workers, pools = graph_of(job), workers_of(layout(20, box=1).agents), whole_pools([job])
    seconds = sampled_seconds(graph, workers, pools, Control(), [1, 1, 2])
    assert seconds[0] == seconds[1] != seconds[2]
    many = sampled_seconds(graph, workers, pools, Control(), range(200))
    assert fmean(many) == pytest.approx(mean_seconds(graph, workers, pools, Control()), rel=0.01)


def test_the_ideal_speedup_is_the_task_graphs() -> None:
    """Two cards: 1.86 of one on 33 segments (the tree's end is narrow), never more than two."""
    job = run(guide_box(), layout(20, box=1))
    pools, graph = whole_pools([job]), graph_of(job)
    one, two, eight = (workers_of(layout(20, box=n).agents) for n in (1, 2, 8))
    assert ideal_speedup(graph, one, one, pools) == pytest.approx(1.0)
    assert 1.8 < ideal_speedup(graph, one, two, pools) < 2.0
    assert ideal_speedup(graph, one, two, pools) < ideal_speedup(graph, one, eight, pools) < 8


def test_times_of_a_host_are_its_own() -> None:
    """Means by host and kind; transfers only where every record has them; nothing where none ran."""
    job = run(guide_box(), layout(20, box=2, far0=1))
    near, far = (host_times([job], name, TaskKind.PROVE) for name in ("box", "far0"))
    assert near is not None
    assert far is not None
    assert near.seconds > far.seconds
    assert far.transfer == pytest.approx(1.6, abs=0.01)
    assert near.count + far.count == 33
    assert host_times([job], "far1", TaskKind.PROVE) is None
    blind = run(guide_box(), layout(20, box=1), Truth(transfers_known=False))
    times = host_times([blind], "box", TaskKind.PROVE)
    assert times is not None
    assert times.transfer is None
    assert split_pools([blind]) is None
