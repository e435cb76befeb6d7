"""Who would share a head with a trial: its broker and miner, and whoever else is on its GPUs.

Only what can be started again as it was is ever stopped: containers and units. A process that is neither is named, and
in the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.model.bento import Part
from fleet.plan.bento.changes import BROKERS_GRACE
from fleet.plan.bento.containers import Container
from fleet.plan.bento.override import TRIAL
from fleet.plan.bento.roles import RIVALS, part_of
from fleet.plan.bento.sight import GpuUse
from fleet.units import format_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivals:
    """`containers` and how long each gets to end (`patience`, seconds), `units` of systemd, and who cannot be stopped.

    `orders`: how many the broker is at, None = nobody can tell, or there is no broker that runs.
    """

    containers: tuple[Container, ...]
    patience: tuple[float, ...]
    units: tuple[str, ...]
    stuck: tuple[GpuUse, ...]
    orders: int | None = None

    def __bool__(self) -> bool:
        return bool(self.containers or self.units or self.stuck)

    @property
    def longest(self) -> float:
        """Seconds after which all of them have ended, or been ended."""
        return max(self.patience, default=0.0)

    @property
    def lines(self) -> tuple[str, ...]:
        """What stands in the way, a line each, as the operator is told before anything is stopped."""
        told = []
        for one, wait in zip(self.containers, self.patience, strict=True):
            orders = ""
            if wait >= BROKERS_GRACE:
                orders = f", {'its orders are unknown' if self.orders is None else under_way(self.orders)}"
            told.append(f"container {one.name}: told to stop, gets {format_seconds(wait)}{orders}; started again")
        told += [f"unit {unit}: stopped; started again" for unit in self.units]
        told += [f"process {use.pid} ({use.name}): nobody could start it again as it was: end it" for use in self.stuck]
        return tuple(told)

    @property
    def summary(self) -> str:
        """What stopping them is called in the journal."""
        return f"stop {', '.join([*(one.name for one in self.containers), *self.units])}"


def under_way(orders: int) -> str:
    """`1 order under way`."""
    return f"{orders} {'order' if orders == 1 else 'orders'} under way"


def rivals(
    every: Sequence[Container], parts: Mapping[str, Part], project: str, uses: Sequence[GpuUse], orders: int | None
) -> Rivals:
    """Who is in the way of a trial. `every`: the engine's containers; `parts`: those of the project's services."""
    alive = [one for one in every if one.alive]
    # Of another file of the project than the one that is named, too.
    roles = {one.id: parts.get(one.service) or part_of(one.service, " ".join(one.command)) for one in alive}
    own = [one for one in alive if one.project == project and roles[one.id] in RIVALS]
    brokers = [one for one in own if roles[one.id] is Part.BROKER]
    busy = {use.container for use in uses}
    foreign = [one for one in alive if one.id in busy and one.project not in {project, f"{project}{TRIAL}"}]
    known = {one.id for one in every}
    loose = [use for use in uses if use.container not in known]
    stopped = (*own, *foreign)
    return Rivals(
        containers=stopped,
        patience=tuple(max(one.patience, BROKERS_GRACE) if one in brokers else one.patience for one in stopped),
        units=tuple(dict.fromkeys(use.unit for use in loose if use.unit is not None)),
        stuck=tuple(use for use in loose if use.unit is None),
        orders=orders if brokers else None,
    )
