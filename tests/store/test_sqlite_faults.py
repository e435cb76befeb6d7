"""SQLite files that are full, held, read-only, foreign, damaged or from the future."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from model_values import observation, run_log
from store_refusal import refusal

from fleet.errors import ConfigurationError, StoreError
from fleet.ports import Store
from fleet.store import open_store, sqlite
from fleet.store.open import default_path
from fleet.store.schema import VERSION

Start = Callable[..., "subprocess.Popen[str]"]


def fill(store: Store, run: str) -> int:
    """Add observations until the store refuses; how many it took before."""
    for number in range(10_000):
        try:
            store.add(run, observation(number, samples=200))
        except StoreError:
            return number
    raise AssertionError("the disk never got full")


def test_full_disk(disk: Callable[..., Path]) -> None:
    """On a full disk adding is refused in one line, all that was added stays, and goes on once there is room."""
    folder = disk(2**20)
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(2**18))
    store = open_store(str(folder / "fleet.db"))
    store.create(run_log("r"))
    taken = fill(store, "r")
    assert taken > 0
    message = refusal(lambda: store.add("r", observation(taken, samples=200)))
    assert "the disk is full (free some space; what was stored before is intact)" in message
    assert store.load("r").observations == tuple(observation(number, samples=200) for number in range(taken))
    ballast.unlink()
    store.add("r", observation(taken, samples=200))
    store.close()
    again = open_store(str(folder / "fleet.db"))
    assert len(again.load("r").observations) == taken + 1
    again.close()


def test_file_size_limit(tmp_path: Path, start_adder: Start) -> None:
    """Where the system refuses to let the file grow, a process of its own ends with code 6 and loses nothing."""
    path = str(tmp_path / "fleet.db")
    adder = start_adder(path, "r", 0, 10_000, file_size=2**19)
    added, complaint = adder.communicate()
    assert adder.returncode == 6, complaint
    assert "what was stored before is intact" in complaint
    assert "Traceback" not in complaint
    store = open_store(path)
    assert len(store.load("r").observations) == len(added.splitlines()) > 0
    store.close()


def test_held_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program writes for too long, adding is refused and reading goes on."""
    monkeypatch.setattr(sqlite, "_PATIENCE_SECONDS", 0.05)
    path = tmp_path / "fleet.db"
    store = open_store(str(path))
    store.create(run_log("r"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "another program holds it" in refusal(lambda: store.add("r", observation(0)))
    assert store.load("r").observations == ()
    other.execute("ROLLBACK")
    other.close()
    store.add("r", observation(0))
    store.close()


def test_read_only(disk: Callable[..., Path]) -> None:
    """A store on a disk that cannot be written is told as such."""
    folder = disk(2**22)
    store = open_store(str(folder / "fleet.db"))
    store.create(run_log("r"))
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=False, capture_output=True)
    store.close()
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    message = refusal(lambda: open_store(str(folder / "fleet.db")))
    assert "it is read-only" in message or "it cannot be opened" in message
    assert "it cannot be opened" in refusal(lambda: open_store(str(folder / "new.db")))
    assert "its folder cannot be made: Read-only file system" in refusal(lambda: open_store(str(folder / "a" / "b.db")))


def test_not_a_store(tmp_path: Path) -> None:
    """Other files are left as they are."""
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to look at\n" * 50, encoding="utf-8")
    before = text.read_bytes()
    assert "it is not a store of fleet" in refusal(lambda: open_store(str(text)))
    assert text.read_bytes() == before
    foreign = tmp_path / "foreign.db"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE runs (x)")
    connection.close()
    before = foreign.read_bytes()
    assert "it is not a store of fleet (choose another: --store PATH)" in refusal(lambda: open_store(str(foreign)))
    assert foreign.read_bytes() == before
    assert "it cannot be opened" in refusal(lambda: open_store(str(tmp_path)))
    assert "its folder cannot be made" in refusal(lambda: open_store(str(text / "fleet.db")))


def test_a_newer_version(tmp_path: Path) -> None:
    """A file that a newer fleet wrote is not touched."""
    path = tmp_path / "fleet.db"
    open_store(str(path)).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    message = refusal(lambda: open_store(str(path)))
    assert f"a newer fleet wrote it (version {VERSION + 1}, this one knows {VERSION}) (upgrade fleet" in message


def test_damage(tmp_path: Path) -> None:
    """A damaged file and a damaged observation are told apart, both in one line."""
    path = tmp_path / "fleet.db"
    store = open_store(str(path))
    store.create(run_log("r", observations=2))
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE observations SET body = replace(body, 'elapsed', 'elapsd') WHERE seq = 2")
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    store = open_store(str(path))
    message = refusal(lambda: store.load("r"))
    assert "run r cannot be read: elapsd: unknown field; did you mean `elapsed`?" in message
    store.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    assert "it is damaged" in refusal(lambda: open_store(str(path)).load("latest"))


def test_where_the_default_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under XDG_DATA_HOME, or ~/.local/share where that is not set or relative; its folder is for the user only."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert default_path() == tmp_path / ".local/share/fleet/fleet.db"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert default_path() == tmp_path / ".local/share/fleet/fleet.db"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    open_store(None).close()
    assert (tmp_path / "data/fleet/fleet.db").is_file()
    assert (tmp_path / "data/fleet").stat().st_mode & 0o777 == 0o700
    open_store("~/own.db").close()
    assert (tmp_path / "own.db").is_file()


def test_unknown_kind_of_store() -> None:
    """A URL of another database is a mistake in the options; its password is not repeated."""
    with pytest.raises(ConfigurationError, match=r"found mysql://…") as caught:
        open_store("mysql://me:hunter2@host/db")
    assert "hunter2" not in str(caught.value)


def test_settings(tmp_path: Path) -> None:
    """Every commit reaches the disk, and readers do not wait for writers."""
    database = sqlite.SqliteDatabase(tmp_path / "fleet.db")
    ((mode,),) = database.read(lambda session: session.rows("PRAGMA journal_mode"))
    ((full,),) = database.read(lambda session: session.rows("PRAGMA synchronous"))
    ((keys,),) = database.read(lambda session: session.rows("PRAGMA foreign_keys"))
    assert (mode, full, keys) == ("wal", 2, 1)
    database.close()
