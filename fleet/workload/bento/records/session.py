"""A read-only session on a task database: bounded in time, sure to use its indices, its errors in one line.

The database belongs to a cluster at work: one transaction that can change nothing, waits for no lock, and whose
statements are ended by the server when they take too long. psycopg's second home beside fleet/store/.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from fleet.errors import ConfigurationError, FleetError
from fleet.workload.bento.records.past import DatabaseError

Connection = psycopg.Connection[TupleRow]

STATEMENT_SECONDS = 30
"""No statement may take longer: the database has other things to do."""

_CONNECT_SECONDS = 10
_SILENCE_MS = 20_000
"""A server that says nothing at all for so long is gone."""

SETTINGS = (
    f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'",
    "SET LOCAL lock_timeout = '1s'",
    "SET LOCAL idle_in_transaction_session_timeout = '120s'",
    "SET LOCAL client_encoding = 'UTF8'",
    # Its tables are unlogged and seldom analysed: without figures the planner would read all of them.
    "SET LOCAL enable_seqscan = off",
    "SET LOCAL jit = off",
    "SET LOCAL max_parallel_workers_per_gather = 0",
)

_STATES = (
    ("57014", f"no answer within {STATEMENT_SECONDS} s", "ask about fewer jobs (--last, --job)"),
    ("55P03", "its tables are locked", "somebody is changing them; try again in a moment"),
    ("42501", "the user may not read them", "GRANT SELECT ON jobs, tasks, streams TO the user"),
    ("57P01", "the server was shut down", "try again when it is up"),
    ("57P02", "the server crashed", "try again when it is up"),
)
_FAILURES = (
    ("password authentication failed", "wrong user or password", "set it in PGPASSWORD, ~/.pgpass or PGPASSFILE"),
    ("no password supplied", "it wants a password", "set it in PGPASSWORD, ~/.pgpass or PGPASSFILE"),
    ("does not exist", "there is no such database or user", "Bento's are `taskdb` and `worker`, if not changed"),
    ("refused", "no server answers there", "the legacy stack's PostgreSQL listens on port 5432 of the head"),
    ("No such file or directory", "no server answers there", "is it running? Try: pg_isready -h HOST -p PORT"),
    ("timeout", f"no answer within {_CONNECT_SECONDS} s", "is it reachable from here? An INVENTORY goes by SSH"),
    ("resolve", "its host name is unknown", None),
    ("translate host name", "its host name is unknown", None),
    ("pg_hba.conf", "it does not let this user or address in", "see pg_hba.conf on the server"),
    ("starting up", "it is still starting", "try again in a moment"),
    ("too many", "it has no connection left", "wait until one is free"),
    ("server closed the connection", "the server closed the connection", "look at its log"),
)

FORM = "postgresql://worker@HOST:5432/taskdb"
"""What an address looks like; the password comes from elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a task database is. `conninfo` may hold a password and is never shown; `place` holds none."""

    conninfo: str
    place: str


def address_of(url: str, *, secret: bool) -> Address:
    """The address that a URL gives. `secret`: it came by a way on which a password may (not by the command line)."""
    login = url.partition("://")[2].rpartition("@")[0]
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        given = None
    if given is None or not url.startswith(("postgresql://", "postgres://")) or any(sign in login for sign in "@/?#"):
        hint = "special characters of a password are written as %40, %3A, %2F, …"
        raise ConfigurationError(f"the database's URL cannot be read: expected {FORM}", hint=hint)
    if given.get("password") and not secret:
        raise ConfigurationError(
            "a password on the command line can be read by everybody on this machine",
            hint="leave it out, and set PGPASSWORD or PGPASSFILE, or name a variable: --database-url-env NAME",
        )
    return Address(conninfo=make_conninfo(url), place=_place(given))


def address_at(*, host: str, port: int, user: str, password: str | None, database: str) -> Address:
    """An address by its parts, as a cluster's own settings give them."""
    given: dict[str, str | int | None] = {"host": host, "port": port, "user": user, "dbname": database}
    conninfo = make_conninfo(host=host, port=port, user=user, password=password, dbname=database)
    return Address(conninfo=conninfo, place=_place(given))


def with_password(address: Address, password: str | None) -> Address:
    """The address with a password that came from elsewhere."""
    return replace(address, conninfo=make_conninfo(address.conninfo, password=password)) if password else address


def through(address: Address, port: int, host: str) -> Address:
    """A host's database by a local port that leads to it; its name stays, for ~/.pgpass and for certificates."""
    given = conninfo_to_dict(address.conninfo)
    conninfo = make_conninfo(address.conninfo, host=given.get("host") or "localhost", hostaddr="127.0.0.1", port=port)
    return Address(conninfo=conninfo, place=f"{address.place} of {host}")


def endpoint(address: Address) -> tuple[str, int]:
    """Host and port as its own machine sees them."""
    given = conninfo_to_dict(address.conninfo)
    return str(given.get("host") or "127.0.0.1"), int(given.get("port") or 5432)


def kept(address: Address) -> Connection:
    """A connection to ask again and again by, each question a read-only transaction of its own. DatabaseError."""
    connection = _connected(address)
    try:
        with translated(address):
            connection.execute("SET default_transaction_read_only = on")
            for setting in SETTINGS:
                connection.execute(setting.replace("SET LOCAL", "SET"))
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def opened(address: Address) -> Iterator[Connection]:
    """A connection with a read-only transaction open, everything in it seen at one time. DatabaseError."""
    connection = _connected(address)
    try:
        with translated(address):
            # Ended by the connection's end: in the middle of a COPY no statement could end it.
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            for setting in SETTINGS:
                connection.execute(setting)
            yield connection
    finally:
        connection.close()


def _connected(address: Address) -> Connection:
    try:
        return psycopg.connect(
            address.conninfo,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            application_name="fleet",
            tcp_user_timeout=_SILENCE_MS,
            keepalives_idle=_SILENCE_MS // 2000,
        )
    except psycopg.Error as error:
        raise _connect_error(address, error) from None


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """What psycopg raises becomes one line without a password."""
    try:
        yield
    except psycopg.Error as error:
        for state, what, hint in _STATES:
            if error.sqlstate == state:
                raise DatabaseError(f"{address.place}: {what}", hint=hint) from None
        raise DatabaseError(f"{address.place}: {_first_line(error)}") from None


def _connect_error(address: Address, error: psycopg.Error) -> FleetError:
    text = str(error)
    for sign, what, hint in _FAILURES:
        if sign in text:
            return DatabaseError(f"{address.place}: {what}", hint=hint)
    # libpq repeats parts of what it was given; only the last part of its first line says what is wrong.
    return DatabaseError(f"{address.place}: cannot connect: {_first_line(error).rsplit(': ', 1)[-1]}")


def _first_line(error: psycopg.Error) -> str:
    return error.diag.message_primary or next(iter(str(error).splitlines()), type(error).__name__)


def _place(given: dict[str, str | int | None]) -> str:
    user = f"{given['user']}@" if given.get("user") else ""
    port = f":{given['port']}" if given.get("port") else ""
    return f"postgresql://{user}{given.get('host') or ''}{port}/{given.get('dbname') or ''}"
