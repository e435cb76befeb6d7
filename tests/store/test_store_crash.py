"""Writers that are killed, and writers side by side, on both databases."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from model_values import observation, run_log

from fleet.store import open_store

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store is."""
    if request.param == "sqlite":
        return str(tmp_path / "fleet.db")
    server, name = request.getfixturevalue("postgres"), request.getfixturevalue("database")
    return str(server.url(name))


def test_kill_loses_at_most_the_running_observation(target: str, start_adder: Start, tmp_path: Path) -> None:
    """After kill -9 at any moment every observation whose add had returned is there, whole, and adding goes on."""
    stored = 0
    for lines in (1, 4, 2, 7):
        adder = start_adder(target, "r", stored, 10_000)
        assert adder.stdout is not None
        seen = [int(adder.stdout.readline()) for _ in range(lines)]
        with closing(open_store(target)) as watching:
            assert watching.runs()[0].running
        adder.send_signal(signal.SIGKILL)
        rest, complaint = adder.communicate()
        assert complaint == ""
        seen += [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        store = open_store(target)
        log, running = store.load("r"), store.runs()[0].running
        store.close()
        assert not running
        assert log.observations == tuple(observation(number, samples=200) for number in range(len(log.observations)))
        assert seen[-1] + 1 <= len(log.observations) <= seen[-1] + 2
        assert not log.finished
        stored = len(log.observations)
    with closing(open_store(target)) as store:
        store.create(run_log("next"))
        store.claim("next")
        assert not list(tmp_path.glob("*-r.claim")), "what a killed process held is cleared away at the next start"
        with closing(open_store(target)) as other:
            other.create(run_log("another"))
            other.claim("another")
            assert other.load("next").running, "what a living one holds is not"
    assert not list(tmp_path.glob("*.claim"))


def test_side_by_side(target: str, start_adder: Start) -> None:
    """Processes that open a new store at once and write different runs to it do not disturb each other."""
    runs = ("one", "two", "three")
    adders = [start_adder(target, run, 0, 12) for run in runs]
    for adder in adders:
        added, complaint = adder.communicate()
        assert (adder.returncode, complaint, len(added.splitlines())) == (0, "", 12)
    store = open_store(target)
    expected = tuple(observation(number, samples=200) for number in range(12))
    assert {summary.id for summary in store.runs()} == set(runs)
    for run in runs:
        assert store.load(run).observations == expected
    store.close()


def test_reading_while_writing(target: str, start_adder: Start) -> None:
    """A reader sees whole observations only, in order, while another process adds."""
    store = open_store(target)
    store.create(run_log("r"))
    store.add("r", observation(0, samples=200))
    adder = start_adder(target, "r", 1, 15)
    seen = 0
    while adder.poll() is None:
        observations = store.load("r").observations
        assert observations == tuple(observation(number, samples=200) for number in range(len(observations)))
        assert len(observations) >= seen
        seen = len(observations)
    assert adder.returncode == 0
    assert len(store.load("r").observations) == 16
    store.close()
