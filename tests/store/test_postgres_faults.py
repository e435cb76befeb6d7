"""PostgreSQL servers that are down, refuse, restart, are full, read-only, foreign or from the future."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg  # noqa: TID251 (a second client, to disturb the first)
import pytest
from model_values import observation, run_log

from fleet.errors import ConfigurationError, FleetError, StoreError
from fleet.ports import Store
from fleet.store import open_store
from fleet.store import postgres as adapter
from fleet.store.schema import VERSION

PASSWORD = "hunter2-X"  # noqa: S105 (it opens nothing)


def refusal(work: Callable[[], object]) -> str:
    """The one line that a store says about what it cannot do; it never holds the password."""
    with pytest.raises(FleetError) as caught:
        work()
    assert isinstance(caught.value, StoreError | ConfigurationError)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert "hunter2" not in message
    return message


@pytest.fixture
def member(postgres: Any, numbers: Iterator[int]) -> str:
    """A user with a password."""
    name = f"member{next(numbers)}"
    postgres.sql("postgres", f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    return name


def by_tcp(server: Any, user: str, password: str, database: str) -> str:
    """Where a database is for those who need a password."""
    return f"postgresql://{user}:{password}@127.0.0.1:{server.port}/{database}"


def test_by_password(postgres: Any, database: str, member: str) -> None:
    """With the right password the store works like any other."""
    postgres.sql(database, f"GRANT CREATE ON DATABASE {database} TO {member}")
    store = open_store(by_tcp(postgres, member, PASSWORD, database))
    store.create(run_log("r", observations=1))
    assert len(store.load("r").observations) == 1
    store.close()


def test_refused(postgres: Any, database: str, member: str) -> None:
    """A wrong password, none, no such database and no right to write are told apart."""
    place = f"postgresql://{member}@127.0.0.1:{postgres.port}/{database}"
    wrong = refusal(lambda: open_store(by_tcp(postgres, member, "hunter2-Y", database)))
    assert wrong == f"{place}: wrong user or password (set it in the URL, ~/.pgpass or PGPASSWORD)"
    assert "it wants a password" in refusal(lambda: open_store(place))
    missing = refusal(lambda: open_store(by_tcp(postgres, member, PASSWORD, "nowhere")))
    assert "/nowhere: there is no such database or user (createdb DATABASE makes one)" in missing
    rights = refusal(lambda: open_store(by_tcp(postgres, member, PASSWORD, database)))
    assert "the user may not write there (GRANT CREATE ON DATABASE … TO the user)" in rights


def test_nobody_there(tmp_path: Path) -> None:
    """A server that is down, by TCP and by socket, and a host that does not exist."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but nobody listens
        port = unused.getsockname()[1]
        message = refusal(lambda: open_store(f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/db"))
    assert message.startswith(f"postgresql://me@127.0.0.1:{port}/db: no server answers (is it running?")
    assert "no server answers" in refusal(lambda: open_store(f"postgresql://me@/db?host={tmp_path}"))
    assert "its host name is unknown" in refusal(lambda: open_store(f"postgresql://me:{PASSWORD}@no.invalid/db"))


def test_silent_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and says nothing is given up."""
    monkeypatch.setattr(adapter, "_CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "no answer within" in refusal(lambda: open_store(f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/db"))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{PASSWORD}@part@127.0.0.1/db",
        f"postgresql://me:{PASSWORD}@127.0.0.1:port/db",
        f"postgresql://me:{PASSWORD}@[::1/db",
        f"postgresql://me:{PASSWORD}@127.0.0.1/db?nonsense=1",
        f"postgresql://me:{PASSWORD}%zz@127.0.0.1/db",
        f"postgresql://me:/{PASSWORD}@127.0.0.1:1/db",
    ],
)
def test_mistyped_urls(url: str) -> None:
    """A URL that cannot be read is refused without a part of the password."""
    assert refusal(lambda: open_store(url))


def test_a_restart_costs_nothing(postgres: Any, database: str) -> None:
    """When the server was restarted between two trials, the store connects again and goes on."""
    store = open_store(postgres.url(database))
    store.create(run_log("r", observations=1))
    postgres.control("-m", "fast", "restart")
    store.add("r", observation(1))
    assert len(store.load("r").observations) == 2
    postgres.control("-m", "fast", "stop")
    try:
        assert "no server answers" in refusal(lambda: store.add("r", observation(2)))
    finally:
        postgres.control("start")
    store.add("r", observation(2))
    assert len(store.load("r").observations) == 3
    store.close()


def test_a_held_table(postgres: Any, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another transaction holds the tables, adding is given up after a while, and works when they are free."""
    open_store(postgres.url(database)).close()
    monkeypatch.setattr(adapter, "_STATEMENT_SECONDS", 1)
    store = open_store(postgres.url(database))
    store.create(run_log("r"))
    with psycopg.connect(postgres.url(database)) as other:
        other.execute("LOCK TABLE fleet.observations")
        assert "is another transaction holding the tables?" in refusal(lambda: store.add("r", observation(0)))
    store.add("r", observation(0))
    store.close()


def test_read_only(postgres: Any, database: str) -> None:
    """A server that is a read-only copy is told as such, at once or when it becomes one."""
    postgres.sql("postgres", f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    assert "the server is read-only" in refusal(lambda: open_store(postgres.url(database)))
    postgres.sql("postgres", f"ALTER DATABASE {database} RESET default_transaction_read_only")
    open_store(postgres.url(database)).close()
    postgres.sql("postgres", f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    store = open_store(postgres.url(database))
    assert store.runs() == ()
    assert "the server is read-only" in refusal(lambda: store.create(run_log("r")))
    store.close()


def test_other_schemas(postgres: Any, database: str) -> None:
    """A schema of someone else's is left alone; a store of a newer fleet too; a half-made one is no store."""
    postgres.sql(database, "CREATE SCHEMA fleet")
    assert "its schema `fleet` is not a store of fleet" in refusal(lambda: open_store(postgres.url(database)))
    postgres.sql(database, "DROP SCHEMA fleet")
    open_store(postgres.url(database)).close()
    postgres.sql(database, "UPDATE fleet.store SET version = version + 1")
    message = refusal(lambda: open_store(postgres.url(database)))
    assert f"a newer fleet made the store (version {VERSION + 1}, this one knows {VERSION})" in message


def test_full_disk(postgres: Any, numbers: Iterator[int], disk: Callable[..., Path]) -> None:
    """On a server whose disk is full adding is refused, all that was added stays, and goes on once there is room."""
    folder = disk(2**24, postgres.folder)
    space = folder / "space"
    space.mkdir()
    shutil.chown(space, postgres.owner)
    name = f"full{next(numbers)}"
    postgres.sql("postgres", f"CREATE TABLESPACE {name} LOCATION '{space}'")
    postgres.sql("postgres", f"CREATE DATABASE {name} TABLESPACE {name}")
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(2**21))
    store = open_store(postgres.url(name))
    try:
        store.create(run_log("r"))
        taken = fill(store)
        assert taken > 0
        full = refusal(lambda: store.add("r", observation(taken, samples=500)))
        assert "the server's disk is full (free some space there; what was stored before is intact)" in full
        assert len(store.load("r").observations) == taken
        ballast.unlink()
        store.add("r", observation(taken, samples=500))
        assert len(store.load("r").observations) == taken + 1
    finally:
        store.close()
        postgres.sql("postgres", f"DROP DATABASE {name}")
        postgres.sql("postgres", f"DROP TABLESPACE {name}")


def fill(store: Store) -> int:
    """Add observations until the store refuses; how many it took before."""
    for number in range(10_000):
        try:
            store.add("r", observation(number, samples=500))
        except StoreError:
            return number
    raise AssertionError("the disk never got full")
