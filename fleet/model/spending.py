"""What measuring has cost so far, against what it may cost: trials, real seconds, money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.model.inventory import Host, Inventory, Per, Price
from fleet.model.record import Observation
from fleet.model.trial import Budget, Plan
from fleet.units import format_seconds

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What was spent on measuring. Money is in the inventory's currency."""

    trials: int
    seconds: float
    money: float


def hourly(inventory: Inventory, hosts: Sequence[str]) -> float:
    """What an hour of these hosts costs; nothing else runs on them while they are measured.

    A host's own price, else a worker's for a candidate and a GPU's for each device of a host in service. What is paid
    once costs nothing to measure, and neither does what has no price.
    """
    return sum(_hourly(host, inventory) for host in inventory.hosts if host.name in hosts)


def _hourly(host: Host, inventory: Inventory) -> float:
    if host.cost is not None:
        return _rented(host.cost)
    if host.candidate:
        return _rented(inventory.prices.worker)
    return len(host.devices) * _rented(inventory.prices.gpu)


def _rented(price: Price | None) -> float:
    return price.amount if price is not None and price.per is Per.HOUR else 0.0


def spent(plan: Plan, inventory: Inventory, history: Sequence[Observation]) -> Spending:
    """What these trials cost. The plan's hosts are held from the first of them on, so each second costs all of them."""
    seconds = sum(observation.elapsed for observation in history)
    money = hourly(inventory, plan.hosts) * seconds / SECONDS_PER_HOUR
    return Spending(trials=len(history), seconds=seconds, money=money)


def exhausted(plan: Plan, inventory: Inventory, history: Sequence[Observation]) -> str | None:
    """Which part of the budget is spent, in the operator's words; None while there is some of each left."""
    used, budget = spent(plan, inventory, history), plan.budget
    if used.trials >= budget.trials:
        return f"{used.trials} of {budget.trials} trials were run"
    if used.seconds >= budget.seconds:
        return f"trials took {format_seconds(used.seconds)} of {format_seconds(budget.seconds)}"
    if budget.money is not None and used.money >= budget.money:
        currency = inventory.prices.currency
        return f"{used.money:,.2f} of {budget.money:,.2f} {currency} were spent on rented hosts"
    return None


def limits(budget: Budget, currency: str) -> str:
    """`at most 32 trials, at most 30 min 00 s, at most 2.00 USD`."""
    money = "" if budget.money is None else f", at most {budget.money:,.2f} {currency}"
    return f"at most {budget.trials} trials, at most {format_seconds(budget.seconds)}{money}"
