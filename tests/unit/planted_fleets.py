"""Fleets with a planted answer, and the campaign that asks them: propose, observe, propose, … until None."""

from __future__ import annotations

from dataclasses import replace

from planted_machine import Truth, observe

from fleet.model.facts import Facts, Survey
from fleet.model.inventory import (
    Current,
    Device,
    DeviceKind,
    Emulation,
    Host,
    Inventory,
    Login,
    Per,
    Ports,
    Price,
    Prices,
    Role,
    SyntheticSettings,
)
from fleet.model.record import JobRecord, Observation, RunLog, TaskKind, TaskRecord, TaskState
from fleet.model.trial import AgentSpec, Budget, Layout
from fleet.plan.trials.experiments import propose
from fleet.plan.trials.make import make_plan
from fleet.plan.trials.proof import EXECUTE_ID, proof_tasks

GUIDE_CARD = Emulation(cycles_per_second=12e6, overhead=0.5, join=1.65, traffic=3052.0)
"""On a 2 GB/s bus a prove at po2 20 moves bytes for 1.60 s of its 2.19 s: two cards in a box fight for the bus."""

ROOMY_CARD = Emulation(cycles_per_second=1e6, overhead=0.3, join=0.8, traffic=100.0)
"""On a 2 GB/s bus a prove at po2 21 moves bytes for 0.10 s of its 2.5 s: cards do not notice each other."""

BUS = 2e9
GIB = 2**30


def card(number: int, model: str, memory: float, emulation: Emulation) -> Device:
    """An emulated GPU."""
    return Device(name=f"gpu{number}", kind=DeviceKind.EMULATED, model=model, memory=round(memory), emulation=emulation)


def host(name: str, *cards: Device, candidate: bool = False, head: bool = False, slots: int | None = 1) -> Host:
    """A host with these cards on one bus of 2 GB/s."""
    return Host(
        name=name,
        role=Role.HEAD if head else Role.WORKER,
        login=Login(address="127.0.0.1"),
        node_address="127.0.0.1",
        devices=cards,
        ports=Ports(first=20000, last=20099),
        python="/usr/bin/python3",
        work_dir="/var/tmp/fleet",  # noqa: S108 (a value in a model, never opened)
        candidate=candidate,
        bus=BUS,
        free_slots=slots,
        spare_power=400.0,
    )


def fleet_of(
    *hosts: Host, po2: int, agents: int = 1, gpu: float | None = 1600.0, worker: float | None = 1900.0
) -> Inventory:
    """An inventory of these hosts with these settings in service and these prices, once."""
    return Inventory(
        name="planted",
        path="planted.yaml",
        hosts=hosts,
        current=Current(po2=po2, agents_per_device=agents),
        prices=Prices(gpu=price(gpu), worker=price(worker)),
        workload=SyntheticSettings(iterations=4096, executor_rate=20e6),
        time_scale=25.0,
        po2_range=(18, 22),
    )


def price(amount: float | None) -> Price | None:
    """A price paid once."""
    return Price(amount=amount, per=Per.ONCE) if amount is not None else None


def guide_box(candidates: int = 2, slots: int = 1) -> Inventory:
    """The guide's box: two 16 GB cards that give 1.64 of one, and workers with a bus of their own."""
    cards = [card(n, "guide", 16e9, GUIDE_CARD) for n in range(2)]
    workers = [host(f"far{n}", card(0, "guide", 16e9, GUIDE_CARD), candidate=True, slots=0) for n in range(candidates)]
    return fleet_of(host("box", *cards, head=True, slots=slots), *workers, po2=20)


def roomy_box(candidates: int = 2, slots: int = 2) -> Inventory:
    """Two 24 GiB cards on a bus that is nearly idle, a slot to spare, and workers that cost more than a card."""
    cards = [card(n, "roomy", 24 * GIB, ROOMY_CARD) for n in range(2)]
    workers = [
        host(f"far{n}", card(0, "roomy", 24 * GIB, ROOMY_CARD), candidate=True, slots=0) for n in range(candidates)
    ]
    return fleet_of(host("box", *cards, head=True, slots=slots), *workers, po2=21, worker=2800.0)


def mistuned_box() -> Inventory:
    """The roomy box with the smallest segments instead of the largest."""
    inventory = roomy_box(candidates=1)
    return replace(inventory, current=Current(po2=18, agents_per_device=1))


def starved_box() -> Inventory:
    """The roomy box behind an executor that cuts segments more slowly than one card proves them: nothing helps."""
    inventory = roomy_box()
    return replace(inventory, workload=SyntheticSettings(iterations=16384, executor_rate=0.4e6))


def two_hosts() -> Inventory:
    """The guide's box with a worker that is in service already, and one that could be added."""
    near = host("near", card(0, "guide", 16e9, GUIDE_CARD), slots=0)
    far = host("far0", card(0, "guide", 16e9, GUIDE_CARD), candidate=True, slots=0)
    return fleet_of(guide_box().hosts[0], near, far, po2=20)


def layout(po2: int, agents: int = 1, **devices: int) -> Layout:
    """`layout(20, box=2, far0=1)`: the first so many cards of these hosts."""
    specs = [
        AgentSpec(host=name, device=f"gpu{number}", slot=slot)
        for name, count in devices.items()
        for number in range(count)
        for slot in range(agents)
    ]
    return Layout(agents=tuple(sorted(specs)), po2=po2)


def survey_of(inventory: Inventory) -> Survey:
    """Every host found well."""
    facts = [
        Facts(
            host=h.name,
            system="Linux",
            kernel="6",
            cpu_model=None,
            cores=2,
            memory=2**33,
            disk_free=None,
            python="3.11",
            ray="2.60.0",
            fleet="0.1.0",
        )
        for h in inventory.hosts
    ]
    return Survey(facts=tuple(facts))


def start(inventory: Inventory, seed: int = 1, budget: Budget | None = None) -> RunLog:
    """A run with nothing observed yet."""
    survey = survey_of(inventory)
    plan = make_plan(inventory, survey, run="planted", seed=seed, budget=budget or Budget())
    return RunLog(id="planted", created=0.0, version="0", inventory=inventory, survey=survey, plan=plan)


def campaign(inventory: Inventory, truth: Truth, seed: int = 1, budget: Budget | None = None) -> RunLog:
    """Everything that propose asks for, answered by the planted machine."""
    log = start(inventory, seed, budget)
    history: list[Observation] = []
    alive = frozenset(log.plan.hosts)
    while (trial := propose(log.plan, inventory, history, alive)) is not None:
        observation = observe(inventory, truth, trial, len(history))
        alive -= frozenset(observation.lost)
        history.append(observation)
    return replace(log, observations=tuple(history), finished=True)


def guide_job(cycles: int, seconds: float, segments: int, start: float = 0.0) -> JobRecord:
    """A finished job with the guide's task graph that took so long; the tasks share the time evenly."""
    graph = proof_tasks(segments)
    step = seconds / (len(graph) + 1)
    tasks = [done(EXECUTE_ID, TaskKind.EXECUTE, start, start + step)]
    for number, planned in enumerate(graph, start=1):
        end = start + seconds if number == len(graph) else start + (number + 1) * step
        tasks.append(done(planned.id, planned.kind, start + number * step, end, planned.prerequisites))
    return JobRecord(
        id="guide",
        state=TaskState.DONE,
        segments=segments,
        user_cycles=cycles,
        total_cycles=cycles,
        tasks=tuple(tasks),
    )


def done(name: str, kind: TaskKind, started: float, updated: float, prerequisites: tuple[str, ...] = ()) -> TaskRecord:
    """A task that ended well, created when it started."""
    return TaskRecord(
        id=name,
        kind=kind,
        state=TaskState.DONE,
        prerequisites=prerequisites,
        created=started,
        started=started,
        updated=updated,
    )
