"""What the devices of one box do to each other: how long a prove takes alone, with all of them, with one more."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.analyse.arms import Arm
from fleet.analyse.findings import Findings
from fleet.analyse.identity import claim_seconds
from fleet.analyse.scaling import inflation
from fleet.model.record import TaskKind
from fleet.model.verdict import Estimate
from fleet.twin.calibrate import host_times
from fleet.twin.sharing import SHARING_LAWS, SharingLaw, balanced_visit, service_time, shared_part

EXPLAINED = 0.95
"""The bus explains an inflation where queueing for it gives at least this share of the prove time seen."""

PRIOR_INFLATION = 1.35
"""How much longer a prove may take with a second device in a box, where nobody has seen two devices in it.

A wide prior: the guide's box, at 1.63 of an ideal 1.90, lies well inside.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowding:
    """Mean prove seconds in the box: `alone` on one device, `now` on all `devices` in service.

    `moved`: seconds of a lone prove on the bus, None where not known, or where several agents wait for each other.
    `between`: seconds an agent spends off its proves for each prove. `stretch`: now ÷ alone with its interval.
    """

    alone: float
    now: float
    devices: int
    moved: float | None
    between: float
    stretch: Estimate

    @property
    def notable(self) -> bool:
        """Whether an inflation shows above the noise."""
        return self.stretch.low > 1

    @property
    def by_bus(self) -> bool:
        """Whether queueing for the bus explains what is seen (also where nothing is)."""
        if self.moved is None:
            return False
        queued = service_time(balanced_visit, self.alone, self.moved, self.between, self.devices)
        return queued >= EXPLAINED * self.now


def crowding(found: Findings, base: Arm) -> Crowding | None:
    """The box's contrast; None where one device alone, or more than one, was not measured with today's settings."""
    box = found.box.name
    devices = sum(host == box for host, _ in base.layout.devices)
    alone = found.alone(box)
    if alone is None or devices < 2:  # noqa: PLR2004 (one device crowds nobody)
        return None
    one, now = (host_times(arm.jobs, box, TaskKind.PROVE) for arm in (alone, base))
    stretch = inflation(alone, base, found.spread, box)
    if one is None or now is None or stretch is None:
        return None
    return Crowding(
        alone=one.seconds,
        now=now.seconds,
        devices=devices,
        moved=one.transfer if len(alone.layout.agents) == 1 else None,
        between=between(base),
        stretch=stretch,
    )


def next_inflations(seen: Crowding) -> tuple[tuple[str, float], ...]:
    """(law, prove seconds with one device more ÷ those now) for every law that the records do not refute.

    Where the bus explains what is seen, its queue is the law. Where something else does, two laws are fitted to it and
    bound the answer. Where nothing is seen, it is nothing or as much queueing as the noise may hide.
    """
    if seen.by_bus and seen.moved is not None:
        return (("queueing for the bus", _grown(seen, balanced_visit, seen.moved)),)
    if not seen.notable:
        hidden = shared_part(balanced_visit, seen.alone, seen.alone * seen.stretch.high, seen.between, seen.devices)
        return (
            ("no inflation seen", 1.0),
            ("queueing, as much as the noise may hide", _grown(seen, balanced_visit, hidden)),
        )
    fitted = (
        (name, law, shared_part(law, seen.alone, seen.now, seen.between, seen.devices)) for name, law in SHARING_LAWS
    )
    return tuple((f"{name}, fitted to the inflation seen", _grown(seen, law, shared)) for name, law, shared in fitted)


def _grown(seen: Crowding, law: SharingLaw, shared: float) -> float:
    """Prove seconds with one device more by a law ÷ those now, never less than 1."""
    return max(1.0, service_time(law, seen.alone, shared, seen.between, seen.devices + 1) / seen.now)


def worst_inflation(found: Findings, base: Arm) -> float:
    """The worst that a device more could do to a prove in a box whose own contrast was never measured."""
    devices = sum(host == found.box.name for host, _ in base.layout.devices)
    if devices > 1:
        return (devices + 1) / devices
    times = host_times(base.jobs, found.box.name, TaskKind.PROVE)
    if times is None or times.transfer is None:
        return PRIOR_INFLATION
    laws = (service_time(law, times.seconds, times.transfer, between(base), 2) for _, law in SHARING_LAWS)
    return max(PRIOR_INFLATION, *(seconds / times.seconds for seconds in laws))


def between(arm: Arm) -> float:
    """Seconds an agent spends off its proves for each prove it does: joins and claims."""
    proves = host_times(arm.jobs, None, TaskKind.PROVE)
    joins = host_times(arm.jobs, None, TaskKind.JOIN)
    claim = claim_seconds(arm)
    if proves is None or joins is None:
        return claim
    return claim + (joins.seconds + claim) * joins.count / proves.count
