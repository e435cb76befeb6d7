"""Clusters with a planted truth, one for each seed: what fleet is shown of them, and what they really are.

The generator knows nothing of `fleet.twin` and `fleet.analyse`. It draws, in this order of importance,

- what limits the cluster, in turn (`LIMITS`): nothing, the bus, CPU cores, power, timers that poll (half of them locked
  to the job), serial claims, the network (round trips or the head's uplink), the executor, or wrong settings;
- 1 to 8 GPUs in the box, a sixth of the boxes with one card of another model, some with a worker in service;
- a worker that could be added, of one card or two; in a fifth of the clusters it is a card like the box's own and not
  lent to the benchmark, so that nobody can measure it;
- prices (a worker costs 0.9 to 2.5 times its cards, a tenth of the inventories state none) and free slots or none;
- noise of 1 to 5 % from trial to trial and from task to task, and memory that is not what the prior says.

Settings in service are the best there are for two thirds of the clusters (somebody has tuned them), the rest and all of
`settings` have other ones.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from planted_fleets import card, fleet_of
from planted_fleets import host as planted_host
from planted_machine import Truth, memory_needed

from fleet.model.inventory import Current, Device, Emulation, Host, Inventory, SyntheticSettings
from fleet.plan.trials.segments import CYCLES_PER_ITERATION
from tests.benchmarks.decision.foreign import HOME, WORLDS

GIB = 2**30
BOX, WORKER, SERVING, APART = "box", "far0", "old", "apart"
PO2_RANGE = (18, 22)
MAX_AGENTS = 3
MEMORIES = (10, 12, 16, 20, 24, 32)
COUNTS = (1, 2, 2, 3, 4, 4, 6, 8)
SEGMENTS_PER_AGENT = 4
"""Loads are large enough that every setting gives each agent so many segments: what fewer say, fleet refuses."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """`inventory` is the whole truth; `shown` is what fleet is given: without the worker where nobody lends it."""

    seed: int
    limit: str
    inventory: Inventory
    truth: Truth
    lent: bool

    @property
    def shown(self) -> Inventory:
        """What fleet may see."""
        hosts = tuple(h for h in self.inventory.hosts if self.lent or not h.candidate)
        return replace(self.inventory, hosts=hosts)


@dataclass(kw_only=True)
class Draft:
    """A cluster in the making."""

    chance: random.Random
    cards: list[Device]
    worker: list[Device]
    executor: float
    slots: int | None
    lent: bool
    truth: Truth


def cluster(seed: int, world: str = HOME) -> Cluster:
    """The cluster of a seed, with settings in service that are merely feasible; `settled` draws the real ones."""
    chance = random.Random(f"cluster {seed}")  # noqa: S311 (a planted truth, not a secret)
    limit = tuple(LIMITS)[seed % len(LIMITS)]
    draft = _draft(chance)
    LIMITS[limit](draft)
    WORLDS[world](draft, random.Random(f"{world} {seed}"))  # noqa: S311 (likewise)
    return _built(seed, limit, draft)


def feasible_settings(inventory: Inventory, truth: Truth) -> list[tuple[int, int]]:
    """Every (po2, agents per device) that the memory of the devices in service really holds."""
    memory = min(d.memory or 0 for h in inventory.hosts if not h.candidate for d in h.devices)
    return [
        (po2, agents)
        for po2 in range(PO2_RANGE[0], PO2_RANGE[1] + 1)
        for agents in range(1, MAX_AGENTS + 1)
        if agents * memory_needed(po2) * truth.appetite <= memory
    ]


def settled(cluster: Cluster, best: tuple[int, int]) -> Cluster:
    """The cluster with its settings in service, given the best there are."""
    chance = random.Random(f"settings {cluster.seed}")  # noqa: S311 (see above)
    grid = feasible_settings(cluster.inventory, cluster.truth)
    if cluster.limit == "settings":
        po2, agents = chance.choice([(po2, agents) for po2, agents in grid if po2 <= best[0] - 1] or grid)
    else:
        po2, agents = best if chance.random() < 2 / 3 else chance.choice(grid)
    return replace(cluster, inventory=replace(cluster.inventory, current=Current(po2=po2, agents_per_device=agents)))


def _draft(chance: random.Random) -> Draft:
    count = chance.choice(COUNTS)
    memory = chance.choice(MEMORIES)
    model = _model(chance)
    cards = [_card(n, "a", memory, model) for n in range(count)]
    if count > 1 and chance.random() < 1 / 6:
        cards[-1] = _card(count - 1, "b", memory, _model(chance))
    lent = chance.random() < 0.8
    other = ("a", model) if not lent or chance.random() < 0.6 else ("c", _model(chance))
    worker = [_card(n, other[0], memory, other[1]) for n in range(1 if not lent or chance.random() < 0.7 else 2)]
    slots = chance.choice((0, 1, 1, 2, 2, None))
    truth = Truth(
        trial_noise=_between(chance, 0.01, 0.05),
        task_noise=_between(chance, 0.01, 0.05),
        dispatch=_between(chance, 0.01, 0.1),
        rtt={WORKER: _between(chance, 0.002, 0.1), SERVING: 0.01},
        appetite=chance.uniform(0.85, 1.1),
    )
    return Draft(chance=chance, cards=cards, worker=worker, executor=20e6, slots=slots, lent=lent, truth=truth)


def _model(chance: random.Random) -> Emulation:
    seconds = _between(chance, 0.4, 2.0)
    overhead = chance.uniform(0.05, 0.3)
    return Emulation(
        cycles_per_second=2**20 / seconds,
        overhead=overhead,
        join=chance.uniform(0.15, 0.5) * (seconds + overhead),
        traffic=chance.uniform(0.01, 0.06) * (seconds + overhead) * _BUS_PER_CYCLE,
    )


_BUS_PER_CYCLE = 2e9 / 2**20
"""Bytes a cycle that keep a planted host's bus busy for one second per 2^20 cycles."""


def _card(number: int, model: str, memory: int, emulation: Emulation) -> Device:
    return card(number, f"model-{model}", memory * GIB, emulation)


def _between(chance: random.Random, low: float, high: float) -> float:
    """Log-uniform."""
    return math.exp(chance.uniform(math.log(low), math.log(high)))


def _prove_seconds(draft: Draft) -> float:
    emulation = draft.cards[0].emulation
    assert emulation is not None
    return emulation.overhead + 2**20 / emulation.cycles_per_second


def _roomy(_: Draft) -> None:
    """Nothing binds but the devices and the task graph."""


def _bus(draft: Draft) -> None:
    """Cards spend 15 to 70 % of a prove on the bus; the worker has a bus of its own."""
    share = draft.chance.uniform(0.15, 0.7)
    draft.cards = [_with_traffic(c, share) for c in draft.cards]
    draft.worker = [_with_traffic(c, share) for c in draft.worker]


def _with_traffic(device: Device, share: float) -> Device:
    emulation = device.emulation
    assert emulation is not None
    seconds = emulation.overhead + 2**20 / emulation.cycles_per_second
    return replace(device, emulation=replace(emulation, traffic=share * seconds * _BUS_PER_CYCLE))


def _cpu(draft: Draft) -> None:
    """Every prove needs a core of its host first, and there are few."""
    seconds = draft.chance.uniform(0.2, 0.7) * _prove_seconds(draft)
    draft.truth = replace(draft.truth, cores=draft.chance.choice((1, 2)), cpu=seconds)


def _power(draft: Draft) -> None:
    """The box feeds fewer cards at full clock than it has, or just as many."""
    fed = max(1.0, len(draft.cards) * draft.chance.uniform(0.5, 1.1))
    draft.truth = replace(draft.truth, power={BOX: fed})


def _polling(draft: Draft) -> None:
    """Agents ask for work now and then, and see it late."""
    poll, refresh = draft.chance.uniform(0.2, 1.0), draft.chance.choice((0.0, draft.chance.uniform(0.5, 3.0)))
    draft.truth = replace(draft.truth, poll=poll, refresh=refresh, locked=draft.chance.random() < 0.5)


def _claims(draft: Draft) -> None:
    """One claim at a time, and it takes a while: more agents wait longer."""
    seconds = draft.chance.uniform(0.1, 0.6) * _prove_seconds(draft) / len(draft.cards)
    draft.truth = replace(draft.truth, claim=seconds)


def _network(draft: Draft) -> None:
    """The worker is far, or the head's uplink is thin."""
    if draft.chance.random() < 0.5:
        rtt = {WORKER: draft.chance.uniform(0.2, 1.5), SERVING: 0.05}
        draft.truth = replace(draft.truth, rtt=rtt)
    else:
        draft.truth = replace(draft.truth, uplink=draft.chance.uniform(5e6, 60e6))


def _executor(draft: Draft) -> None:
    """Segments come about as fast as the cards prove them, or slower."""
    rate = len(draft.cards) * 2**20 / (1.5 * _prove_seconds(draft))
    draft.executor = rate * draft.chance.uniform(0.5, 1.3)


LIMITS: dict[str, Callable[[Draft], None]] = {
    "roomy": _roomy,
    "bus": _bus,
    "cpu": _cpu,
    "power": _power,
    "polling": _polling,
    "claims": _claims,
    "network": _network,
    "executor": _executor,
    "settings": _roomy,
}


def _built(seed: int, limit: str, draft: Draft) -> Cluster:
    chance = draft.chance
    hosts = [planted_host(BOX, *draft.cards, head=True, slots=draft.slots)]
    with_serving = chance.random() < 0.12
    if with_serving:
        hosts.append(planted_host(SERVING, replace(draft.cards[0], name="gpu0"), slots=0))
    hosts.append(planted_host(WORKER, *draft.worker, candidate=True, slots=0))
    gpu = chance.uniform(600, 2500)
    worker = gpu * len(draft.worker) * chance.uniform(0.9, 2.5)
    stated = chance.random() < 0.9
    inventory = fleet_of(*hosts, po2=PO2_RANGE[0], gpu=gpu if stated else None, worker=worker if stated else None)
    memory = min(d.memory or 0 for d in draft.cards)
    cards = len(draft.cards) + int(with_serving)
    needed = SEGMENTS_PER_AGENT * cards * memory / memory_needed(20) * 2**20
    iterations = round(chance.uniform(1.2, 2) * needed / CYCLES_PER_ITERATION)
    inventory = replace(
        inventory,
        name=f"planted-{seed}",
        workload=SyntheticSettings(iterations=iterations, executor_rate=draft.executor),
        po2_range=PO2_RANGE,
    )
    return Cluster(seed=seed, limit=limit, inventory=inventory, truth=draft.truth, lent=draft.lent)


def larger_box(inventory: Inventory) -> Inventory:
    """The inventory with one more card in the box, of the model that it has most of (the first on a tie)."""
    box = inventory.host(BOX)
    grown = replace(box, devices=(*box.devices, replace(_usual_card(box), name=f"gpu{len(box.devices)}")))
    return replace(inventory, hosts=tuple(grown if h.name == BOX else h for h in inventory.hosts))


def card_apart(inventory: Inventory) -> Inventory:
    """The inventory with that card in a host of its own, at no distance: it disturbs nobody."""
    lone = replace(_usual_card(inventory.host(BOX)), name="gpu0")
    return replace(inventory, hosts=(*inventory.hosts, planted_host(APART, lone)))


def _usual_card(box: Host) -> Device:
    """One of the model that it has most of, and of that model one that is as fast as any."""
    models = [d.model for d in box.devices]
    return max(box.devices, key=lambda d: (models.count(d.model), -models.index(d.model), _pace(d)))


def _pace(device: Device) -> float:
    return device.emulation.cycles_per_second if device.emulation else 0.0
