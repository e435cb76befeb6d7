"""Which layouts of the mixed fleet reach a goal, what they cost, and what is left when a host is lost.

A plant is a number of separate clusters of one layout: the box with its GPUs and a number of remote workers. Separate
clusters add up, as they share nothing and each proves its own jobs; inside a cluster nothing is taken to add up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fleet.analyse.decide.options import WORTH
from fleet.analyse.foretell.changes import changed_layout
from fleet.analyse.foretell.costs import bill_of, monthly
from fleet.analyse.foretell.outlook import Outlook, Premises, Workbench, outlook, source_of, workbench
from fleet.analyse.foretell.prediction import MODEL_ERROR, STEP_ERROR, estimated, gains_of, hertz_of
from fleet.analyse.foretell.room import no_room
from fleet.analyse.stats import Draws
from fleet.errors import ConfigurationError
from fleet.model.capacity import Capacity, Goal, Peak, Plant
from fleet.model.rates import effective_hz
from fleet.model.record import RunLog
from fleet.model.simulation import Beyond, Change
from fleet.model.trial import Layout
from fleet.units import format_iterations, format_setting

SHOWN = 6
MOST_REMOTES = 8
MOST_REPLICAS = 64

LIKELY = 0.5
SURE = 0.95
"""P(reaches) from which a plant is listed, and from which it is recommended."""

PEAK_SHARE = 0.75
"""The vendor's rule: `peak_prove_khz` = 0.75 × the worst effective kHz."""


@dataclass(frozen=True, kw_only=True)
class _Unit:
    """One cluster that could be built: how it differs from the one in service, and its Hz by draw."""

    change: Change
    view: Outlook
    hertz: Draws
    without_worker: Draws | None


def capacity(log: RunLog, goal: Goal, premises: Premises, months: float = 24.0) -> Capacity:
    """The plants that serve the goal. ConfigurationError where the run says nothing, or nothing reaches it."""
    bench = workbench(log, premises)
    units = tuple(_units(bench, goal, months))
    now = replace(_plant(bench, units[0], 1, goal, months), hz=bench.measured)
    plants = _strongest(bench, units, goal, months) if goal.hz is None else _reaching(bench, units, goal, months)
    recommended = _recommended(plants, goal)
    return Capacity(
        source=source_of(log),
        goal=goal,
        now=now,
        plants=plants,
        recommended=recommended,
        peak_now=_peak_now(bench),
        peak_then=_peak_then(recommended) if recommended and not recommended.current else None,
        months=months,
        notes=tuple(_notes(bench, goal, plants)),
    )


def _units(bench: Workbench, goal: Goal, months: float) -> Iterator[_Unit]:
    """The cluster in service first; then, with the best settings measured, more GPUs and remote workers.

    Workers are added as long as the cluster falls short of the target or the money lasts.
    """
    current = Change()
    yield _unit(bench, current, None)
    tuned = _best_settings(bench)
    for gpus in range((bench.found.box.free_slots or 0) + 1):
        if gpus and no_room(bench.found, gpus):
            break
        fewer: Draws | None = None
        for remotes in range(MOST_REMOTES + 1):
            unit = _unit(bench, replace(tuned, gpus=gpus, remotes=remotes), fewer)
            fewer = unit.hertz
            if unit.change != current:
                yield unit
            if _enough(bench, unit, goal, months):
                break


def _best_settings(bench: Workbench) -> Change:
    """The settings measured on the devices in service that are worth a change; nothing where those in service are."""
    best = max(bench.found.on_devices(bench.base.layout), key=lambda arm: arm.hz, default=bench.base)
    if best.hz < (1 + WORTH) * bench.base.hz:
        return Change()
    return Change(po2=best.layout.po2, agents=best.layout.agents_per_device)


def _unit(bench: Workbench, change: Change, fewer: Draws | None) -> _Unit:
    view = outlook(bench, changed_layout(bench.found, change))
    lost = _fewer(bench, view.layout) if fewer is None else fewer
    return _Unit(change=change, view=view, hertz=hertz_of(bench, gains_of(bench, view)), without_worker=lost)


def _enough(bench: Workbench, unit: _Unit, goal: Goal, months: float) -> bool:
    """Whether one more worker is beside the point: the target is surely reached, or the money is spent."""
    if goal.hz is not None:
        return bool((unit.hertz >= goal.hz).mean() >= SURE)
    return not _affordable(_plant(bench, unit, 1, goal, months), goal)


def _fewer(bench: Workbench, layout: Layout) -> Draws | None:
    """Hz by draw with the best remote worker of the layout in service lost; None where it has none."""
    head = bench.found.log.inventory.head.name
    hosts = sorted({agent.host for agent in layout.agents} - {head, bench.found.box.name})
    rates = []
    for lost in hosts:
        left = Layout(agents=tuple(a for a in layout.agents if a.host != lost), po2=layout.po2)
        rates.append(hertz_of(bench, gains_of(bench, outlook(bench, left))))
    return min(rates, key=lambda hertz: float(np.median(hertz)), default=None)


def _plant(bench: Workbench, unit: _Unit, replicas: int, goal: Goal, months: float) -> Plant:
    change, prices, more = unit.change, bench.found.log.inventory.prices, replicas - 1
    bill = bill_of(prices, replicas * change.gpus, replicas * change.remotes, more)
    single, fewer = float(np.median(unit.hertz)), unit.without_worker
    return Plant(
        unit=unit.view.layout,
        replicas=replicas,
        hz=estimated(unit.hertz * replicas, "Hz"),
        bill=bill,
        monthly=monthly(bill, months),
        reaches=None if goal.hz is None else float((unit.hertz * replicas >= goal.hz).mean()),
        without_head=single * more,
        without_worker=None if fewer is None else single * more + float(np.median(fewer)),
        beyond=(*unit.view.beyond, *((_UNTRIED,) if more else ())),
        current=change == Change() and replicas == 1,
    )


_UNTRIED = Beyond(text="separate clusters side by side: never measured, taken to add up", steps=0.0)


def _reaching(bench: Workbench, units: Sequence[_Unit], goal: Goal, months: float) -> tuple[Plant, ...]:
    """What reaches the target more likely than not, cheapest first; the cheapest that surely does is among them."""
    wanted = goal.hz or 0.0
    plants = []
    for unit in units:
        for chance in (LIKELY, SURE):
            count = math.ceil(wanted / float(np.quantile(unit.hertz, 1 - chance)))
            if count <= MOST_REPLICAS:
                plants.append(_plant(bench, unit, max(1, count), goal, months))
    if not plants:
        raise ConfigurationError(
            f"{goal.text} is more than {MOST_REPLICAS} clusters of this fleet give", hint="ask for a smaller target"
        )
    ordered = sorted(dict.fromkeys(p for p in plants if (p.reaches or 0.0) >= LIKELY), key=_expense)
    useful = [plant for at, plant in enumerate(ordered) if not any(_dominates(o, plant) for o in ordered[:at])]
    surely = next((plant for plant in useful if (plant.reaches or 0.0) >= SURE), None)
    shown = useful[:SHOWN]
    if surely is not None and surely not in shown:
        shown = [*shown[:-1], surely]
    return tuple(shown)


def _expense(plant: Plant) -> tuple[bool, float, int, int]:
    """Priced plants first, cheapest first; then those without a price, by hosts and devices."""
    devices = plant.replicas * len(plant.unit.devices)
    return (plant.monthly is None, plant.monthly or 0.0, plant.hosts, devices)


def _dominates(one: Plant, other: Plant) -> bool:
    """Whether it is as sure, with no more hosts and devices, and not dearer as far as is known."""
    if one.monthly is None and other.monthly is not None:
        return False
    fewer = one.hosts <= other.hosts and one.replicas <= other.replicas
    return fewer and (one.reaches or 0.0) >= (other.reaches or 0.0) and _expense(one) <= _expense(other)


def _strongest(bench: Workbench, units: Sequence[_Unit], goal: Goal, months: float) -> tuple[Plant, ...]:
    """What the money allows, most Hz first: each cluster as often as it can be paid for, and once."""
    plants = [
        plant for unit in units for plant in (_plant(bench, unit, 1, goal, months), _most(bench, unit, goal, months))
    ]
    allowed = {plant: None for plant in plants if _affordable(plant, goal)}
    return tuple(sorted(allowed, key=lambda p: (-p.hz.value, _expense(p)))[:SHOWN])


def _most(bench: Workbench, unit: _Unit, goal: Goal, months: float) -> Plant:
    """As many of this cluster as the money buys, one at least."""
    few, many = 1, MOST_REPLICAS
    while few < many:
        middle = (few + many + 1) // 2
        if _affordable(_plant(bench, unit, middle, goal, months), goal):
            few = middle
        else:
            many = middle - 1
    return _plant(bench, unit, few, goal, months)


def _affordable(plant: Plant, goal: Goal) -> bool:
    if plant.bill.missing or plant.monthly is None:
        return False
    if goal.once is not None:
        return plant.bill.once <= goal.once and plant.bill.hourly == 0
    return plant.monthly <= (goal.monthly or 0.0)


def _recommended(plants: Sequence[Plant], goal: Goal) -> Plant | None:
    """The cheapest that surely reaches the target; for a budget the strongest."""
    if goal.hz is None:
        return plants[0] if plants else None
    return next((plant for plant in plants if (plant.reaches or 0.0) >= SURE), None)


def _peak_now(bench: Workbench) -> Peak:
    worst = min(effective_hz(trial.jobs) for trial in bench.base.trials)
    count = len(bench.base.trials)
    seen = "its one trial" if count == 1 else f"the worst of its {count} trials"
    return _peak(worst, f"{PEAK_SHARE} × {seen}")


def _peak_then(plant: Plant) -> Peak:
    return _peak(plant.hz.low / plant.replicas, f"{PEAK_SHARE} × the low end of its interval, for each cluster")


def _peak(worst: float, why: str) -> Peak:
    return Peak(khz=math.floor(PEAK_SHARE * worst / 1e3), worst=worst, why=why)


def _notes(bench: Workbench, goal: Goal, plants: Sequence[Plant]) -> Iterator[str]:
    load = bench.found.log.plan.load
    jobs = "one job at a time" if load.jobs == 1 else f"{load.jobs} jobs at a time"
    length = format_iterations(load.iterations)
    yield f"for {jobs} of {length} in each cluster, as measured; several at once may give more"
    if any(plant.beyond for plant in plants):
        usual, more = MODEL_ERROR * 100, STEP_ERROR * 100
        yield (
            f"extrapolation (E): a replay has a standard error of {usual:g} %, and {more:g} % more for each doubling "
            "beyond what was measured; the interval also covers every law that may hold"
        )
    tuned = _best_settings(bench)
    if tuned != Change():
        yield (
            f"new layouts have {_setting(tuned)} and {tuned.agents} on a device: the best settings that were "
            "measured, which cost nothing"
        )
    box = bench.found.box
    if box.free_slots is None:
        yield f"no GPU was added to {box.name}: state its `free_slots` in the inventory"
    elif blocked := no_room(bench.found, 1):
        yield f"no GPU was added: {blocked}"
    missing = sorted({name for plant in plants for name in plant.bill.missing})
    if missing:
        yield f"no price is known for {', '.join(missing)}: such layouts come last, by hosts"
    prices = bench.found.log.inventory.prices
    stated = (("gpu", prices.gpu), ("worker", prices.worker), ("replica", prices.replica))
    unstated = [f"`{name}`" for name, price in stated if price is None]
    if goal.hz is None:
        yield f"one cluster is looked at with up to {MOST_REMOTES} remote workers: a budget may have something left"
    if unstated and (missing or goal.hz is None):
        what = "a budget cannot buy what has no price" if goal.hz is None else "to have them priced"
        yield f"{what}: state {', '.join(unstated)} under `prices` (`replica`: a cluster like the one in service)"


def _setting(change: Change) -> str:
    """The setting that a change turns to."""
    return format_setting(change.po2) if change.po2 is not None else "the settings in service"
