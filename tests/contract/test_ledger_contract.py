"""What every ledger must do: the same tests over SQLite and over a real PostgreSQL server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.model.journal import Entry, EntryState, Kept
from fleet.ports import Ledger
from fleet.store import open_ledger, open_store

Open = Callable[[], Ledger]
ENTRY = Entry(
    id="20261123T053829676296-2954d2d1-00001",
    host="box",
    playbook="p",
    step="naïve 'step'",
    summary="write /x",
    begun=1.5,
    status=1,
    digest="0" * 64,
)


@pytest.fixture(params=["sqlite", "postgres"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens one and the same ledger, as often as it is called; all are closed in the end."""
    if request.param == "sqlite":
        target = str(tmp_path / "fleet.db")
    else:
        server, name = request.getfixturevalue("postgres"), request.getfixturevalue("database")
        target = server.url(name)
    open_store(target).close()  # the runs of the same store are not in the way
    opened: list[Ledger] = []

    def open_it() -> Ledger:
        opened.append(open_ledger(target))
        return opened[-1]

    yield open_it
    for one in opened:
        one.close()


def test_a_change_is_there_for_another_process_as_soon_as_it_is_recorded(reopen: Open) -> None:
    """Newest first; what is put back is gone, and what another inventory's hosts had is not shown."""
    ledger = reopen()
    second = replace(ENTRY, id=ENTRY.id[:-1] + "2", root=True, undoable=False, reason="none")
    ledger.record("lab", [ENTRY, second])
    ledger.record("other", [ENTRY])
    kept = reopen().entries("lab")
    assert kept == (Kept(entry=second, state=EntryState.OPEN), Kept(entry=ENTRY, state=EntryState.OPEN))
    ledger.settle("lab", [ENTRY], EntryState.DONE)
    assert [one.state for one in reopen().entries("lab")] == [EntryState.OPEN, EntryState.DONE]
    ledger.settle("lab", [ENTRY, second], EntryState.RESTORED)
    assert reopen().entries("lab") == ()
    assert len(reopen().entries("other")) == 1


def test_the_hosts_that_failed_last_are_remembered_one_by_one(reopen: Open) -> None:
    ledger = reopen()
    ledger.provisioned("lab", {"a": True, "b": False, "c": False})
    ledger.provisioned("lab", {"b": True})
    ledger.provisioned("other", {"a": False})
    assert reopen().unready("lab") == ("c",)


def test_any_thread_may_record(reopen: Open) -> None:
    ledger = reopen()
    threads = [
        threading.Thread(target=ledger.record, args=("lab", [replace(ENTRY, host=f"host-{number}")]))
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.entry.host for one in reopen().entries("lab")} == {f"host-{number}" for number in range(16)}
