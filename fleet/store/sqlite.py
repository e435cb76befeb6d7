"""The store in an SQLite file."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from fleet.errors import StoreError
from fleet.store.database import Session
from fleet.store.schema import VERSION, Dialect, Row, SampleTable, definitions, upgrades

T = TypeVar("T")

_DIALECT = Dialect(identity="INTEGER PRIMARY KEY AUTOINCREMENT", json="TEXT")
_APPLICATION = 0x666C6565
"""`flee` in ASCII: marks the file as one of ours."""
_PATIENCE_SECONDS = 20.0
"""How long another process may hold the file; an add of a large observation takes well under a second."""

_LOOKS, _LOOK_SECONDS = 3, 0.01

_CAUSES = (
    ("SQLITE_FULL", "the disk is full", "free some space; what was stored before is intact"),
    ("SQLITE_IOERR", "the disk cannot be written or read", "is it full? what was stored before is intact"),
    ("SQLITE_BUSY", "another program holds it", "wait for that one to end"),
    ("SQLITE_LOCKED", "another program holds it", "wait for that one to end"),
    ("SQLITE_READONLY", "it is read-only", "choose another with --store PATH"),
    ("SQLITE_CANTOPEN", "it cannot be opened", "does its folder exist, and may you write there?"),
    ("SQLITE_NOTADB", "it is not a store of fleet", "choose another with --store PATH"),
    ("SQLITE_CORRUPT", "it is damaged", "restore it from a copy, or move it away"),
)


class SqliteDatabase:
    """A connection to a file, made with its folder where it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._claims: dict[Path, int] = {}
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the store {path}: its folder cannot be made: {error.strerror}") from error
        with self._translated():
            self._connection = sqlite3.connect(path, timeout=_PATIENCE_SECONDS, isolation_level=None)
        try:
            with self._translated():
                self._prepare()
        except StoreError:
            self.close()
            raise

    def read(self, work: Callable[[Session], T]) -> T:
        """Do the work on one unchanging state of the database."""
        return self._transact("BEGIN", work)

    def write(self, work: Callable[[Session], T]) -> T:
        """Do the work wholly or not at all; on disk when this returns."""
        return self._transact("BEGIN IMMEDIATE", work)

    def claim(self, name: str) -> bool:
        """Hold a name: a locked file beside the store, which the kernel releases however the process ends."""
        path = self._claim_path(name)
        self._clear()
        while path not in self._claims:
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise StoreError(f"the store {self._path}: {path.name} cannot be made: {error.strerror}") from error
            if not _locked(descriptor):
                os.close(descriptor)
                return False
            if _is_at(path, descriptor):
                self._claims[path] = descriptor
            else:  # its last holder has just taken it away: nobody else would see it
                os.close(descriptor)
        return True

    def claimed(self, names: Sequence[str]) -> frozenset[str]:
        """Those of the names whose files are locked."""
        return frozenset(name for name in names if self._is_claimed(self._claim_path(name)))

    def close(self) -> None:
        """Close the file and give back what was claimed. Never raises."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        while self._claims:
            path, descriptor = self._claims.popitem()
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(descriptor)

    def _claim_path(self, name: str) -> Path:
        return self._path.with_name(f"{self._path.name}-{quote(name, safe='')}.claim")

    def _clear(self) -> None:
        """Take away the files of processes that were killed: those that nobody holds."""
        for path in self._path.parent.glob(f"{glob.escape(self._path.name)}-*.claim"):
            with contextlib.suppress(OSError):
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    if path not in self._claims and _locked(descriptor) and _is_at(path, descriptor):
                        path.unlink()
                finally:
                    os.close(descriptor)

    def _is_claimed(self, path: Path) -> bool:
        if path in self._claims:
            return True
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return not _locked(descriptor)
        finally:
            os.close(descriptor)

    def _prepare(self) -> None:
        connection = self._connection
        connection.execute("PRAGMA foreign_keys = ON")
        if self._pragma("application_id") == 0:
            self._transact("BEGIN IMMEDIATE", lambda _: self._make())
        version = self._pragma("user_version")
        if self._pragma("application_id") != _APPLICATION:
            raise StoreError(f"the store {self._path}: it is not a store of fleet", hint="choose another: --store PATH")
        if version > VERSION:
            raise StoreError(
                f"the store {self._path}: a newer fleet wrote it (version {version}, this one knows {VERSION})",
                hint="upgrade fleet, or choose another with --store PATH",
            )
        if version < VERSION:
            self._transact("BEGIN IMMEDIATE", lambda _: self._upgrade())
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    def _make(self) -> None:
        """Make the tables, unless another process has just done so, or the file is someone else's."""
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables:
            return
        for statement in definitions(_DIALECT):
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA user_version = {VERSION}")
        self._connection.execute(f"PRAGMA application_id = {_APPLICATION}")

    def _upgrade(self) -> None:
        """Bring the tables to this version, unless another process has just done so."""
        for statement in upgrades(self._pragma("user_version")):
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA user_version = {VERSION}")

    def _pragma(self, name: str) -> int:
        (value,) = self._connection.execute(f"PRAGMA {name}").fetchone()
        return int(value)

    def _transact(self, begin: str, work: Callable[[Session], T]) -> T:
        with self._translated():
            self._connection.execute(begin)
            try:
                result = work(_SqliteSession(self._connection))
                self._connection.execute("COMMIT")
            finally:
                with contextlib.suppress(sqlite3.Error):  # a failed COMMIT may have rolled back already
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
        return result

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            for prefix, what, hint in _CAUSES:
                if name.startswith(prefix):
                    raise StoreError(f"the store {self._path}: {what}", hint=hint) from error
            raise StoreError(f"the store {self._path}: {error}") from error


def _locked(descriptor: int) -> bool:
    """Lock a file, until it is closed, unless somebody has; who only looks holds it for an instant, so ask again."""
    for _ in range(_LOOKS):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(_LOOK_SECONDS)
    return False


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether this open file is still the one of that name."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


class _SqliteSession:
    """Statements on the connection of the running transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """What a statement gives."""
        return self._connection.execute(sql, values).fetchall()

    def change(self, sql: str, values: Sequence[Any]) -> int:
        """How many rows a statement changed."""
        return self._connection.execute(sql, values).rowcount

    def bulk(self, table: SampleTable, rows: Iterable[Row]) -> None:
        """Add many rows by one prepared statement."""
        marks = ", ".join("?" for _ in table.columns)
        sql = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({marks})"  # noqa: S608 (our own names)
        self._connection.executemany(sql, rows)
