"""What a store needs of a database: transactions, statements with `?` for values, and rows in bulk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from fleet.store.schema import Row, SampleTable

T = TypeVar("T")


class Session(Protocol):
    """Statements within one transaction."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """What a statement gives."""

    def change(self, sql: str, values: Sequence[Any]) -> int:
        """How many rows a statement changed."""

    def bulk(self, table: SampleTable, rows: Iterable[Row]) -> None:
        """Add many rows to a table."""


class Database(Protocol):
    """An open database with the tables of this version in it. Raises StoreError."""

    def read(self, work: Callable[[Session], T]) -> T:
        """Do the work on one unchanging state of the database."""

    def write(self, work: Callable[[Session], T]) -> T:
        """Do the work wholly or not at all; durable when this returns. `work` may be called twice."""

    def claim(self, name: str) -> bool:
        """Hold a name until this is closed, or its process ends however it may; False where another one holds it."""

    def claimed(self, names: Sequence[str]) -> frozenset[str]:
        """Those of the names that somebody holds."""

    def close(self) -> None:
        """Release the connection. Never raises."""
