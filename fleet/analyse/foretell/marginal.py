"""What one more worker gives: pairs of trials with and without it, and what the twin expects of it beforehand.

The trials of a pair run one after the other, in the order ABBA, so that drift hits both sides alike. Measuring stops by
the width of the interval and never by what it says: stopping at the first significant gain would find gains in noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from fleet.analyse.evidence.arms import Arm, estimate, spread_of
from fleet.analyse.foretell.outlook import Premises, outlook, workbench
from fleet.analyse.foretell.prediction import prediction
from fleet.analyse.stats import PRIOR_CV, PRIOR_FREEDOM, t_975
from fleet.errors import ConfigurationError
from fleet.model.estimate import Estimate
from fleet.model.expansion import Marginal
from fleet.model.inventory import Inventory
from fleet.model.rates import UNMEASURED, effective_hz, flaw, tasks_of
from fleet.model.record import Observation, RunLog, TaskKind
from fleet.model.simulation import Prediction
from fleet.model.trial import Layout, Load

FEWEST_PAIRS = 2


def counted(history: Sequence[Observation], layout: Layout, load: Load) -> tuple[Observation, ...]:
    """The trials of a layout under a load that may become a number, in the order in which they were run."""
    seen = (o for o in history if o.trial.layout == layout and o.trial.load == load)
    return tuple(o for o in seen if o.trial.experiment not in UNMEASURED and flaw(o) is None)


def paired_gain(without: Sequence[float], together: Sequence[float]) -> Estimate:
    """The relative gain of the second rates over the first, pair by pair, with its 95 % interval (log-t).

    The variance of a pair's log ratio is pooled with what repeats of proving jobs have elsewhere (`PRIOR_CV`): two
    or three pairs say little about their own. ValueError without a pair.
    """
    ratios = [math.log(b / a) for a, b in zip(without, together, strict=False)]
    if not ratios:
        raise ValueError("no pair of trials")
    middle, freedom = fmean(ratios), PRIOR_FREEDOM + len(ratios) - 1
    squares = PRIOR_FREEDOM * 2 * PRIOR_CV**2 + sum((ratio - middle) ** 2 for ratio in ratios)
    half = t_975(freedom) * math.sqrt(squares / freedom / len(ratios))
    return Estimate(
        value=math.expm1(middle),
        low=math.expm1(middle - half),
        high=math.expm1(middle + half),
        n=len(ratios),
        unit="",
    )


def precise(gain: Estimate, wanted: float) -> bool:
    """Whether the interval's half width, relative to the rate with the worker, is at most the one wanted."""
    half = math.log((1 + gain.high) / (1 + gain.low)) / 2
    return gain.n >= FEWEST_PAIRS and half <= wanted


def marginal(log: RunLog, worker: str, together: Layout, expected: Prediction | None, wanted: float) -> Marginal:
    """What the run says about a worker. ValueError where it has no pair of admissible trials."""
    plan = log.plan
    sides = [
        Arm(layout=layout, load=plan.load, trials=counted(log.observations, layout, plan.load))
        for layout in (plan.current, together)
    ]
    gain = paired_gain(*([effective_hz(o.jobs) for o in side.trials] for side in sides))
    spread = spread_of(sides)
    rates = [estimate(side, spread) for side in sides]
    return Marginal(
        host=worker,
        without=rates[0],
        together=rates[1],
        gain=gain,
        predicted=expected.gain if expected else None,
        basis=expected.basis if expected else (),
        pairs=gain.n,
        precise=precise(gain, wanted),
        emulated=log.inventory.emulated,
    )


def expectation(
    log: RunLog, inventory: Inventory, current: Layout, together: Layout, premises: Premises
) -> Prediction | None:
    """What the twin expects of a layout with one worker more, from a run in which the layout in service was measured.

    `inventory` has the worker, which the run need not know. None where the run has no trial of the layout in
    service, or nothing like the worker.
    """
    seen = replace(log, inventory=inventory, plan=replace(log.plan, current=current))
    try:
        bench = workbench(seen, premises)
        return prediction(bench, outlook(bench, together))
    except ConfigurationError:
        return None


def shares(log: RunLog) -> dict[str, float]:
    """By host, its share of the prove tasks of the last trial that it was part of and that counts."""
    found: dict[str, float] = {}
    for observation in log.observations:
        if flaw(observation) is not None:
            continue
        ran = [task.host for task in tasks_of(observation) if task.kind is TaskKind.PROVE and task.host]
        hosts = {agent.host for agent in observation.trial.layout.agents}
        found |= {host: ran.count(host) / len(ran) for host in hosts if ran}
    return found
