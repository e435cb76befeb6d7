"""The controller's copy of the hosts' journals over any `Database`; any thread may call it."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
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
_KNOWN = "SELECT host, ready FROM provisioned WHERE inventory = ?"
_UNREADY = "SELECT host FROM provisioned WHERE inventory = ? AND ready = ? ORDER BY host"


TOGETHER = 64
"""Pieces of work that are done in one transaction, at most."""
_Job = tuple[Callable[[Session], None], "Future[None]"]


class SqlLedger:
    """A `Ledger` in a database, whose connection lives in a thread of its own: SQLite's may not leave it."""

    def __init__(self, connect: Callable[[], Database]) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._database = self._thread.submit(connect).result()
        self._waiting: queue.SimpleQueue[_Job] = queue.SimpleQueue()

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
            return self._read(work)
        except Malformed as error:
            hint = "it was written by another version of fleet, or the store is damaged"
            raise StoreError(f"a change cannot be read: {error}", hint=hint) from error

    def provisioned(self, inventory: str, ready: Mapping[str, bool]) -> None:
        """How a provisioning ended, by host."""
        kept = self._read(lambda session: session.rows(_KNOWN, (inventory,)))
        known = {host: bool(well) for host, well in kept}
        # Nothing new is no reason to wait for a disk.
        news = {host: well for host, well in ready.items() if known.get(host) is not well}

        def work(session: Session) -> None:
            for host, well in news.items():
                session.change(_FORGET, (inventory, host))
                session.change(_ENDED, (inventory, host, well))

        if news:
            self._write(work)

    def unready(self, inventory: str) -> tuple[str, ...]:
        """The hosts whose last provisioning failed."""
        rows = self._read(lambda session: session.rows(_UNREADY, (inventory, False)))
        return tuple(host for (host,) in rows)

    def close(self) -> None:
        """Release the connection. Never raises."""
        self._thread.submit(self._database.close).result()
        self._thread.shutdown()

    def _read(self, work: Callable[[Session], T]) -> T:
        return self._thread.submit(self._database.read, work).result()

    def _write(self, work: Callable[[Session], None]) -> None:
        """Have the work done; on disk when this returns, together with what other threads have brought meanwhile."""
        done: Future[None] = Future()
        self._waiting.put((work, done))
        self._thread.submit(self._write_waiting)
        done.result()

    def _write_waiting(self) -> None:
        """All the work that waits in one transaction: many hosts' changes cost one wait for the disk."""
        together: list[_Job] = []
        with suppress(queue.Empty):
            while len(together) < TOGETHER:
                together.append(self._waiting.get_nowait())
        if len(together) > 1:
            with suppress(Exception):
                self._database.write(lambda session: _do(together, session))
                for _, done in together:
                    done.set_result(None)
                return
        # Alone, so that what cannot be stored is its own thread's trouble.
        for work, done in together:
            try:
                self._database.write(work)
            except BaseException as error:  # noqa: BLE001 (it is raised again, in the thread that asked)
                done.set_exception(error)
            else:
                done.set_result(None)


def _do(jobs: Sequence[_Job], session: Session) -> None:
    for work, _ in jobs:
        work(session)
