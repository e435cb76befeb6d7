"""Many hosts wait for the disk once: what threads bring while a transaction is under way goes into the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fleet.errors import StoreError
from fleet.store.database import Database
from fleet.store.ledger import SqlLedger

HOSTS = [f"host-{number}" for number in range(20)]


class _Slow:
    """A database whose first transaction takes until `go` is set; a change of `bad` cannot be stored."""

    def __init__(self, bad: str = "") -> None:
        self.go = threading.Event()
        self.transactions: list[list[str]] = []
        self._bad = bad

    def read(self, work: Callable[[Any], Any]) -> Any:
        return work(self)

    def write(self, work: Callable[[Any], Any]) -> Any:
        self.go.wait(20)
        self.transactions.append([])
        try:
            return work(self)
        except StoreError:
            self.transactions.pop()
            raise

    def close(self) -> None:
        """Nothing is held."""

    def change(self, _statement: str, values: Sequence[Any]) -> int:
        if values[1] == self._bad:
            raise StoreError("the disk is full")
        if len(values) == 3:
            self.transactions[-1].append(values[1])
        return 1

    def rows(self, _statement: str, _values: Sequence[Any]) -> list[Any]:
        return [("known", True)]


def _ledger(slow: Any) -> SqlLedger:
    def connect() -> Database:
        database: Database = slow
        return database

    return SqlLedger(connect)


def _brought(slow: _Slow) -> list[BaseException | None]:
    ledger = _ledger(slow)
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        waiting = [pool.submit(ledger.provisioned, "lab", {host: True}) for host in HOSTS]
        threading.Timer(0.2, slow.go.set).start()
        troubles = [one.exception(20) for one in waiting]
    ledger.close()
    return troubles


def test_what_waits_is_stored_together() -> None:
    slow = _Slow()

    assert _brought(slow) == [None] * len(HOSTS)
    assert sorted(host for stored in slow.transactions for host in stored) == sorted(HOSTS)
    assert len(slow.transactions) < len(HOSTS)


# One host's trouble is its own: the others' changes are stored, and their threads told so.
def test_what_cannot_be_stored_takes_nothing_along() -> None:
    slow = _Slow(bad="host-7")
    troubles = dict(zip(HOSTS, _brought(slow), strict=True))

    assert [host for host, trouble in troubles.items() if trouble] == ["host-7"]
    assert isinstance(troubles["host-7"], StoreError)
    assert sorted(host for stored in slow.transactions for host in stored) == sorted({*HOSTS} - {"host-7"})


# A provisioning that ended as the last one did waits for no disk.
@pytest.mark.parametrize(("ready", "transactions"), [(True, 0), (False, 1)])
def test_only_news_are_stored(ready: bool, transactions: int) -> None:  # noqa: FBT001 (pytest's parameter)
    slow = _Slow()
    slow.go.set()
    ledger = _ledger(slow)
    ledger.provisioned("lab", {"known": ready})
    ledger.close()

    assert len(slow.transactions) == transactions
