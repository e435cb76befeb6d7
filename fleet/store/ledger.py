"""The controller's copy of the hosts' journals over any `Database`; any thread may call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fleet.codec import Malformed, dump_line, load_line
from fleet.errors import StoreError
from fleet.model.journal import Entry, EntryState, Kept
from fleet.store.database import Database, Session

T = TypeVar("T")

_ADD = "INSERT INTO changes (inventory, host, id, state, body) VALUES (?, ?, ?, ?, ?)"
_SETTLE = "UPDATE changes SET state = ? WHERE inventory = ? AND host = ? AND id = ?"
_OPEN = "SELECT state, body FROM changes WHERE inventory = ? AND state <> ? ORDER BY id DESC"
_FORGET = "DELETE FROM provisioned WHERE inventory = ? AND host = ?"
_ENDED = "INSERT INTO provisioned (inventory, host, ready) VALUES (?, ?, ?)"
_UNREADY = "SELECT host FROM provisioned WHERE inventory = ? AND ready = ? ORDER BY host"


class SqlLedger:
    """A `Ledger` in a database, whose connection lives in a thread of its own: SQLite's may not leave it."""

    def __init__(self, connect: Callable[[], Database]) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._database = self._thread.submit(connect).result()

    def record(self, inventory: str, entries: Sequence[Entry]) -> None:
        """Keep changes that are about to be made."""
        try:
            rows = [(inventory, one.host, one.id, EntryState.OPEN.value, dump_line(one)) for one in entries]
        except ValueError as error:
            raise StoreError(f"a change cannot be stored: {error}") from error

        def work(session: Session) -> None:
            for row in rows:
                session.change(_ADD, row)

        self._write(work)

    def settle(self, inventory: str, entries: Sequence[Entry], state: EntryState) -> None:
        """Changes are made, or put back. Those that another controller made are not here, and need not be."""

        def work(session: Session) -> None:
            for entry in entries:
                session.change(_SETTLE, (state.value, inventory, entry.host, entry.id))

        self._write(work)

    def entries(self, inventory: str) -> tuple[Kept, ...]:
        """The changes of an inventory's hosts that are not put back, newest first."""

        def work(session: Session) -> tuple[Kept, ...]:
            rows = session.rows(_OPEN, (inventory, EntryState.RESTORED.value))
            return tuple(Kept(entry=load_line(Entry, body), state=EntryState(state)) for state, body in rows)

        try:
            return self._thread.submit(self._database.read, work).result()
        except Malformed as error:
            hint = "it was written by another version of fleet, or the store is damaged"
            raise StoreError(f"a change cannot be read: {error}", hint=hint) from error

    def provisioned(self, inventory: str, ready: Mapping[str, bool]) -> None:
        """How a provisioning ended, by host."""

        def work(session: Session) -> None:
            for host, well in ready.items():
                session.change(_FORGET, (inventory, host))
                session.change(_ENDED, (inventory, host, well))

        self._write(work)

    def unready(self, inventory: str) -> tuple[str, ...]:
        """The hosts whose last provisioning failed."""
        rows = self._thread.submit(
            self._database.read, lambda session: session.rows(_UNREADY, (inventory, False))
        ).result()
        return tuple(host for (host,) in rows)

    def close(self) -> None:
        """Release the connection. Never raises."""
        self._thread.submit(self._database.close).result()
        self._thread.shutdown()

    def _write(self, work: Callable[[Session], T]) -> T:
        return self._thread.submit(self._database.write, work).result()
