"""The store on a PostgreSQL server, in a schema `fleet` of its own. The only home of psycopg."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg.types.string import TextLoader

from fleet.errors import ConfigurationError, StoreError
from fleet.store.database import Session
from fleet.store.schema import VERSION, Dialect, Row, SampleTable, definitions, upgrades

T = TypeVar("T")
_Connection = psycopg.Connection[TupleRow]

_DIALECT = Dialect(identity="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", json="JSON")
_CONNECT_SECONDS = 10
_STATEMENT_SECONDS = 60
_ATTEMPTS = 3
_CROSSED = frozenset({"40001", "40P01", "23505"})
"""Two writers have crossed: a serialization failure, a deadlock, the same key at the same time. Once more, then."""
_LOCK = 0x666C6565
"""Any number will do, if all of fleet agree: whoever makes the tables holds the advisory lock of this number."""

_CLAIM = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"
_CLAIMED = """
    SELECT name FROM unnest(%s::text[]) AS name WHERE EXISTS (
        SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE locktype = 'advisory' AND datname = current_database() AND granted AND objsubid = 2
        AND classid::bigint = %s AND objid::bigint = hashtext(name)::bigint & 4294967295)"""

_FORM = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE (special characters of a password as %40, %3A, %2F, …)"

_STATES = (
    ("53100", "the server's disk is full", "free some space there; what was stored before is intact"),
    ("25006", "the server is read-only", "name the primary server"),
    ("42501", "the user may not write there", "GRANT CREATE ON DATABASE … TO the user"),
    ("57014", f"no answer within {_STATEMENT_SECONDS} s", "is another transaction holding the tables?"),
    ("22021", "a text holds a character that PostgreSQL cannot keep", None),
)
_CONNECT_FAILURES = (
    ("password authentication failed", "wrong user or password", "set it in the URL, ~/.pgpass or PGPASSWORD"),
    ("no password supplied", "it wants a password", "set it in the URL, ~/.pgpass or PGPASSWORD"),
    ("does not exist", "there is no such database or user", "createdb DATABASE makes one"),
    ("refused", "no server answers", "is it running? Try: pg_isready -h HOST -p PORT"),
    ("No such file or directory", "no server answers", "is it running? Try: pg_isready -h HOST -p PORT"),
    ("timeout", f"no answer within {_CONNECT_SECONDS} s", "is it reachable from here? Try: pg_isready -h HOST"),
    ("resolve", "its host name is unknown", None),
    ("translate host name", "its host name is unknown", None),
    ("pg_hba.conf", "it does not let this user or address in", "see pg_hba.conf on the server"),
    ("starting up", "it is still starting", "try again in a moment"),
    ("too many", "it has no connection left", "close one, or raise max_connections"),
)


class PostgresDatabase:
    """A connection to a server. It is made anew once where it broke, so that a restart of the server costs nothing."""

    def __init__(self, url: str) -> None:
        self._conninfo, self._place = _parse(url)
        self._claims: set[str] = set()
        self._connection = self._connect()
        try:
            self.write(lambda _: self._prepare())
        except StoreError:
            self.close()
            raise

    def read(self, work: Callable[[Session], T]) -> T:
        """Do the work on one unchanging state of the database."""
        return self._transact("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", work)

    def write(self, work: Callable[[Session], T]) -> T:
        """Do the work wholly or not at all; on the server's disk when this returns."""
        return self._transact("SET LOCAL synchronous_commit = on", work)

    def claim(self, name: str) -> bool:
        """Hold a name by an advisory lock, which the server releases with the connection."""
        with self._translated():
            held = self._connection.execute(_CLAIM, (_LOCK, name)).fetchone() == (True,)
        if held:
            self._claims.add(name)
        return held

    def claimed(self, names: Sequence[str]) -> frozenset[str]:
        """Those of the names whose locks are held, by any client of the database."""
        with self._translated():
            return frozenset(name for (name,) in self._connection.execute(_CLAIMED, (list(names), _LOCK)))

    def close(self) -> None:
        """Give back what was claimed and close the connection. Never raises."""
        with contextlib.suppress(psycopg.Error):
            if self._claims:  # by itself the server does so some time after the connection has gone
                self._connection.execute("SELECT pg_advisory_unlock_all()")
        with contextlib.suppress(psycopg.Error):
            self._connection.close()

    def _connect(self) -> _Connection:
        try:
            connection = psycopg.connect(
                self._conninfo, autocommit=True, connect_timeout=_CONNECT_SECONDS, application_name="fleet"
            )
        except psycopg.Error as error:
            raise self._connect_error(error) from None
        connection.adapters.register_loader("json", TextLoader)  # the codec reads JSON, psycopg shall not
        with self._translated():
            connection.execute(f"SET statement_timeout = '{_STATEMENT_SECONDS}s'")
            connection.execute("SET client_encoding = 'UTF8'")
            connection.execute("SET search_path = fleet")
        return connection

    def _prepare(self) -> None:
        """Make the tables where they are missing; another process may be about to do the same."""
        connection = self._connection
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'fleet'").fetchone() is None:
            connection.execute("CREATE SCHEMA fleet")
            connection.execute("CREATE TABLE store (version BIGINT NOT NULL)")
            connection.execute("INSERT INTO store (version) VALUES (%s)", (VERSION,))
            for statement in definitions(_DIALECT):
                connection.execute(statement)
        elif connection.execute("SELECT to_regclass('fleet.store')").fetchone() == (None,):
            raise StoreError(f"{self._place}: its schema `fleet` is not a store of fleet", hint="name another database")
        found = connection.execute("SELECT version FROM store").fetchone()
        if found is None or found[0] > VERSION:
            version = found[0] if found else "unknown"
            raise StoreError(
                f"{self._place}: a newer fleet made the store (version {version}, this one knows {VERSION})",
                hint="upgrade fleet, or name another database",
            )
        if found[0] < VERSION:
            for statement in upgrades(found[0]):
                connection.execute(statement)
            connection.execute("UPDATE store SET version = %s", (VERSION,))

    def _transact(self, begin: str, work: Callable[[Session], T]) -> T:
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._attempt(begin, work)
            except StoreError as error:
                crossed = isinstance(error.__cause__, psycopg.Error) and error.__cause__.sqlstate in _CROSSED
                if not (crossed or self._connection.broken):
                    raise
            if self._connection.broken:
                self.close()
                self._connection = self._connect()
                for name in self._claims:
                    self.claim(name)
        return self._attempt(begin, work)

    def _attempt(self, begin: str, work: Callable[[Session], T]) -> T:
        with self._translated(), self._connection.transaction():
            self._connection.execute(begin)
            return work(_PostgresSession(self._connection))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            for state, what, hint in _STATES:
                if error.sqlstate == state:
                    raise StoreError(f"{self._place}: {what}", hint=hint) from error
            raise StoreError(f"{self._place}: {_first_line(error)}") from error

    def _connect_error(self, error: psycopg.Error) -> StoreError:
        text = str(error)
        for sign, what, hint in _CONNECT_FAILURES:
            if sign in text:
                return StoreError(f"{self._place}: {what}", hint=hint)
        # libpq repeats parts of what it was given; only the last part of its first line says what is wrong.
        return StoreError(f"{self._place}: cannot connect: {_first_line(error).rsplit(': ', 1)[-1]}")


class _PostgresSession:
    """Statements on the connection of the running transaction."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """What a statement gives."""
        return self._connection.execute(sql.replace("?", "%s"), values).fetchall()

    def change(self, sql: str, values: Sequence[Any]) -> int:
        """How many rows a statement changed."""
        return self._connection.execute(sql.replace("?", "%s"), values).rowcount

    def bulk(self, table: SampleTable, rows: Iterable[Row]) -> None:
        """Add many rows by COPY."""
        copy = f"COPY {table.name} ({', '.join(table.columns)}) FROM STDIN"
        with self._connection.cursor() as cursor, cursor.copy(copy) as stream:
            for row in rows:
                stream.write_row(row)


def _parse(url: str) -> tuple[str, str]:
    """The connection string, and what to call the place: the URL without a password. ConfigurationError."""
    malformed = ConfigurationError(f"the store's URL cannot be read: expected {_FORM}")
    login = url.partition("://")[2].rpartition("@")[0]
    if any(sign in login for sign in "@/?#"):  # libpq would take a part of the password for the host or the database
        raise malformed
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise malformed from None
    user = f"{given['user']}@" if "user" in given else ""
    port = f":{given['port']}" if "port" in given else ""
    place = f"postgresql://{user}{given.get('host', '')}{port}/{given.get('dbname', '')}"
    return make_conninfo(url), place


def _first_line(error: psycopg.Error) -> str:
    return error.diag.message_primary or next(iter(str(error).splitlines()), type(error).__name__)
