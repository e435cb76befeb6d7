"""Eight devices predicted from one, two and four: the twin against a fit of the Universal Scalability Law.

Both see the same noisy trials of the same planted box (three of each size) and nothing else. USL, X(N) = λN / (1 +
σ(N−1) + κN(N−1)), has three parameters, so it goes through the three means exactly. The twin replays the job's task
graph with the service times, transfers and claims that the records of these trials have.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median, quantiles

import numpy as np
from planted_fleets import layout as planted_layout
from planted_fleets import start
from planted_machine import observe
from planted_questions import PREMISES

from fleet.analyse.foretell.outlook import outlook, workbench
from fleet.analyse.foretell.prediction import prediction
from fleet.model.inventory import Current, Inventory
from fleet.model.rates import effective_hz
from fleet.model.record import Observation, Outcome
from fleet.model.trial import Experiment, Trial
from tests.benchmarks.decision.clusters import BOX, cluster, feasible_settings
from tests.benchmarks.decision.truth import REFINED, Oracle

SIZES, WANTED, REPEATS = (1, 2, 4), 8, 3
TENTHS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What both say of eight devices, as a share of the truth (1 = right); `held`: the truth is in the twin's 95 %."""

    seed: int
    limit: str
    twin: float
    usl: float
    held: bool


def predict(seed: int) -> Prediction:
    """Eight devices of a seed's box, predicted from one, two and four."""
    drawn = cluster(seed)
    po2 = max(po2 for po2, agents in feasible_settings(drawn.inventory, drawn.truth) if agents == 1)
    inventory = _box_of(drawn.inventory, WANTED, po2)
    log = start(_box_of(drawn.inventory, max(SIZES), po2))
    seen: list[Observation] = []
    for repeat in range(REPEATS):
        for size in SIZES:
            where = planted_layout(po2, 1, **{BOX: size})
            trial = Trial(experiment=Experiment.GPUS, layout=where, load=log.plan.load, repeat=repeat, seed=repeat)
            seen.append(observe(inventory, drawn.truth, trial, len(seen)))
    if any(one.outcome is not Outcome.OK for one in seen):
        raise ValueError(f"seed {seed}: a trial failed")
    log = replace(log, inventory=inventory, observations=tuple(seen), finished=True)
    eight = planted_layout(po2, 1, **{BOX: WANTED})
    bench = workbench(log, PREMISES)
    said = prediction(bench, outlook(bench, eight)).hz
    truth = Oracle(inventory=inventory, truth=drawn.truth).hz(eight, REFINED)
    rates = {size: fmean(effective_hz(o.jobs) for o in seen if len(o.trial.layout.devices) == size) for size in SIZES}
    return Prediction(
        seed=seed,
        limit=drawn.limit,
        twin=said.value / truth,
        usl=universal(rates, WANTED) / truth,
        held=said.low <= truth <= said.high,
    )


def _box_of(inventory: Inventory, count: int, po2: int) -> Inventory:
    """The box alone, with so many of its first card, under a load that is large enough for eight of them."""
    box = inventory.host(BOX)
    cards = tuple(replace(box.devices[0], name=f"gpu{number}") for number in range(count))
    work = replace(inventory.workload, iterations=inventory.workload.iterations * WANTED // len(box.devices))
    current = Current(po2=po2, agents_per_device=1)
    return replace(inventory, hosts=(replace(box, devices=cards),), workload=work, current=current)


def universal(rates: dict[int, float], wanted: int) -> float:
    """USL through these means, at another size: N / X = (1 + σ(N−1) + κN(N−1)) / λ is linear in three unknowns."""
    rows = [[1.0, n - 1.0, n * (n - 1.0)] for n in rates]
    base, sigma, kappa = np.linalg.lstsq(np.array(rows), np.array([n / x for n, x in rates.items()]), rcond=None)[0]
    return float(wanted / (base + sigma * (wanted - 1) + kappa * wanted * (wanted - 1)))


def comparison(found: Sequence[Prediction]) -> Iterator[str]:
    """The table: errors of both, over all and by limit."""
    heading = f"{WANTED} devices from {', '.join(map(str, SIZES))}"
    yield f"{heading:26}{'cases':>8}{'twin':>9}{'90 %':>8}{'USL':>9}{'90 %':>8}"
    limits = list(dict.fromkeys(one.limit for one in found))
    for name, rows in (("all", list(found)), *((n, [x for x in found if x.limit == n]) for n in limits)):
        twin, usl = [_error(x.twin) for x in rows], [_error(x.usl) for x in rows]
        yield f"{name:26}{len(rows):8}{median(twin):9.1%}{_most(twin):8.1%}{median(usl):9.1%}{_most(usl):8.1%}"
    share = fmean(one.held for one in found)
    yield f"median and 90th percentile of |predicted ÷ true − 1|; the twin's 95 % intervals hold it in {share:.1%}"


def _error(share: float) -> float:
    return abs(share - 1) if math.isfinite(share) and share > 0 else 1.0


def _most(errors: Sequence[float]) -> float:
    return quantiles(errors, n=TENTHS)[-1] if len(errors) > 1 else errors[0]
