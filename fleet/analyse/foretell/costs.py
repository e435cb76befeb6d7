"""What hardware costs: the inventory's prices put together, and prices of different kinds made comparable."""

from __future__ import annotations

from fleet.model.inventory import Per, Price, Prices
from fleet.model.simulation import Bill
from fleet.units import device_word

HOURS_PER_MONTH = 730.0
"""8,760 hours a year by 12."""


def bill_of(prices: Prices, gpus: int, workers: int, replicas: int = 0) -> Bill:
    """What so many more GPUs, workers and whole clusters as large as the one in service cost."""
    wanted = (
        (f"a {device_word()}", prices.gpu, gpus),
        ("a worker", prices.worker, workers),
        ("a second cluster", prices.replica, replicas),
    )
    bought = [(name, price, count) for name, price, count in wanted if count > 0]
    return Bill(
        once=sum(_amount(price, Per.ONCE) * count for _, price, count in bought),
        hourly=sum(_amount(price, Per.HOUR) * count for _, price, count in bought),
        missing=tuple(name for name, price, _ in bought if price is None),
    )


def _amount(price: Price | None, per: Per) -> float:
    return price.amount if price is not None and price.per is per else 0.0


def monthly(bill: Bill, months: float) -> float | None:
    """The bill a month, with what is paid once spread over `months`; None where a price is missing."""
    if bill.missing:
        return None
    return bill.once / months + bill.hourly * HOURS_PER_MONTH
