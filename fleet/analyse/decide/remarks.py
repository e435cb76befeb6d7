"""What makes the figures weaker than they look. Derived from the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fleet.analyse.causes.measures import both_measures, disagreements
from fleet.analyse.causes.soaks import soaked
from fleet.analyse.decide.options import WORTH, Candidate, comparable
from fleet.analyse.evidence.arms import Arm
from fleet.analyse.evidence.findings import Findings
from fleet.analyse.stats import OUTLIER_Z, robust_z
from fleet.model.conditions import power_capped, shared_by_mps
from fleet.model.estimate import Estimate
from fleet.model.inventory import Per
from fleet.model.rates import flaw
from fleet.model.record import Outcome
from fleet.model.spending import exhausted
from fleet.units import device_word, format_percent, format_share, sizes_title

FEW = 3
"""Fewer trials of the layout in service than this are few: CV 2 % and a difference of 5 % need three."""


WIDE = 0.10
"""Trials of one layout that differ by more than this are worth a look."""


def caveats(found: Findings, candidates: Iterable[Candidate]) -> tuple[str, ...]:
    """What makes the figures weaker than they look."""
    return (*(line for look in _CAVEATS for line in look(found)), *_price_caveats(found, tuple(candidates)))


def _emulated(found: Findings) -> list[str]:
    if not any(o.emulated for o in found.log.observations):
        return []
    scale = found.log.inventory.time_scale
    faster = f"; they ran {scale:g} times faster than the seconds they stand for" if scale != 1 else ""
    return [f"figures of emulated devices are emulated figures, of the machine that was declared{faster}"]


def _assumed(found: Findings) -> list[str]:
    texts = {"po2": f"the {sizes_title()} in service", "agents_per_device": "the agents per device in service"}
    return [
        f"{texts[name]} is assumed: the inventory does not state it" for name in found.log.plan.assumed if name in texts
    ]


def _missing_hosts(found: Findings) -> list[str]:
    return [f"host {failure.host} was not used: {failure.message}" for failure in found.log.survey.failures]


def _ended(found: Findings) -> list[str]:
    log = found.log
    over = exhausted(log.plan, log.inventory, log.observations)
    return [f"measuring ended because its budget was spent, not because it was done: {over}"] if over else []


def _unfinished(found: Findings) -> list[str]:
    """A run that was interrupted, or that still goes on: what it says now is not its last word."""
    if found.log.finished:
        return []
    if found.log.running:
        return ["the run is still under way: this is what it says so far"]
    return [f"the run did not reach its end: `fleet bench INVENTORY --resume {found.log.id}` goes on with it"]


def _few(found: Findings) -> list[str]:
    base = found.base
    if base is None or len(base.trials) >= FEW:
        return []
    often = ("once", "twice")[len(base.trials) - 1]
    return [f"the layout in service was measured {often} only"]


def _outliers(found: Findings) -> list[str]:
    lines = []
    for arm in found.arms:
        for trial, z in zip(arm.trials, robust_z([*arm.logs]), strict=True):
            if abs(z) > OUTLIER_Z and len(arm.trials) > FEW:
                lines.append(f"trial {trial.trial.id} of {arm.layout.label} is an outlier (z {z:.1f}), but counts")
    return lines


def _spread(found: Findings) -> list[str]:
    """Arms whose trials disagree more than the interval of their mean lets guess."""
    wide = [arm for arm in found.arms if len(arm.trials) > 1 and _range(arm) > WIDE]
    return [f"the trials of {arm.layout.label} differ by {format_share(_range(arm))}" for arm in wide]


def _range(arm: Arm) -> float:
    rates = [cycles / seconds for cycles, seconds in zip(arm.cycles, arm.seconds, strict=True)]
    return max(rates) / min(rates) - 1


def _missed(found: Findings) -> list[str]:
    missed = sum(o.telemetry.missed for o in found.log.observations)
    return [f"{missed} telemetry samples were missed"] if missed else []


def _lost(found: Findings) -> list[str]:
    spoiled = [o for o in found.log.observations if flaw(o) is not None and o.outcome is not Outcome.OUT_OF_MEMORY]
    if not spoiled:
        return []
    return [f"{len(spoiled)} of {len(found.log.observations)} trials count for nothing: see what was refused, and why"]


def _disagreeing(found: Findings) -> list[str]:
    """Layouts that pay by one measure and surely not by the other."""
    return [
        f"{one.layout.label}: one job gains {_gained(one.latency_gain)}, {one.jobs} at once "
        f"{_gained(one.capacity_gain)}: the two measures disagree"
        for one in disagreements(both_measures(found), WORTH)
    ]


def _gained(gain: Estimate | None) -> str:
    return format_percent(gain.value) if gain else "nothing"


def _capped(found: Findings) -> list[str]:
    """The power cap spoils nothing, as it is a setting, but whoever reads the figures must know of it."""
    capped = sum(power_capped(o) for o in found.log.observations)
    return [f"the devices' power cap was on in {capped} trials: the figures are those of that limit"] if capped else []


def _shared(found: Findings) -> list[str]:
    """By MPS agents gain what they do not by turns: figures of one kind say nothing of the other."""
    told: dict[str, list[bool]] = {}
    for observation in found.log.observations:
        for card, through in shared_by_mps(observation).items() if flaw(observation) is None else ():
            told.setdefault(card, []).append(through)
    always = ", ".join(sorted(card for card, seen in told.items() if all(seen)))
    lines = [f"agents ran side by side by MPS on {always}: the figures are not those of cards without it"]
    return (lines if always else []) + [
        f"{card}: agents ran side by side by MPS in {sum(seen)} of {len(seen)} trials; they do not compare with the "
        f"others: declare `mps: true` or `mps: false` for it and measure again"
        for card, seen in sorted(told.items())
        if any(seen) and not all(seen)
    ]


def _price_caveats(found: Findings, candidates: tuple[Candidate, ...]) -> list[str]:
    if not candidates or comparable(candidates):
        return []
    prices = found.log.inventory.prices
    if prices.gpu and prices.worker:
        once, hourly = Per.ONCE.value, Per.HOUR.value
        return [f"prices per {hourly} and {once} cannot be compared: equal costs are assumed"]
    return [f"prices are missing: a {device_word()} and a worker are taken to cost the same"]


_CAVEATS: tuple[Callable[[Findings], list[str]], ...] = (
    _emulated,
    _assumed,
    _missing_hosts,
    _unfinished,
    _ended,
    soaked,
    _few,
    _outliers,
    _spread,
    _missed,
    _lost,
    _disagreeing,
    _capped,
    _shared,
)
