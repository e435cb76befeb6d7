"""What every store must do: the same tests over SQLite and over a real PostgreSQL server."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from model_values import observation, run_log, values_of
from store_refusal import refusal

from fleet.errors import ConfigurationError, StoreError
from fleet.model.record import Observation, Outcome, RunSummary
from fleet.model.samples import AgentSample, DeviceSample, HostSample, Telemetry
from fleet.ports import Store
from fleet.store import open_store
from fleet.store.database import Session
from fleet.store.schema import SAMPLE_TABLES
from fleet.store.sql import SqlStore

Open = Callable[[], Store]


@pytest.fixture(params=["sqlite", "postgres"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens one and the same store, as often as it is called; all are closed in the end."""
    if request.param == "sqlite":
        target = str(tmp_path / "fleet.db")
    else:
        server, name = request.getfixturevalue("postgres"), request.getfixturevalue("database")
        target = server.url(name)
    opened: list[Store] = []

    def open_it() -> Store:
        opened.append(open_store(target))
        return opened[-1]

    yield open_it
    for one in opened:
        one.close()


@pytest.fixture
def store(reopen: Open) -> Store:
    """A new, empty store."""
    return reopen()


def test_a_run_reads_back(store: Store, reopen: Open) -> None:
    """What was stored observation by observation is read back by another process as it was, samples included."""
    log = run_log()
    store.create(log)
    seen = tuple(observation(number, samples=7) for number in range(3))
    for one in seen:
        store.add(log.id, one)
    assert reopen().load(log.id) == replace(log, observations=seen)
    store.finish(log.id)
    assert reopen().load(log.id) == replace(log, observations=seen, finished=True)


def test_a_run_is_created_whole(store: Store) -> None:
    """A run that has observations already, as one that is copied from another store, keeps them all."""
    log = replace(run_log(observations=3), finished=True)
    store.create(log)
    assert store.load(log.id) == log


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(seen=values_of(Observation))
def test_any_observation_reads_back(store: Store, numbers: Iterator[int], seen: Observation) -> None:
    """Whatever the vocabulary can say is kept to the letter, or refused, and then nothing of it is kept."""
    log = run_log(f"run-{next(numbers)}")
    store.create(log)
    try:
        store.add(log.id, seen)
    except StoreError:
        assert "\x00" in sample_texts(seen)
        assert store.load(log.id) == log
    else:
        assert store.load(log.id) == replace(log, observations=(seen,))


def sample_texts(seen: Observation) -> str:
    """The texts in the columns of samples, where PostgreSQL keeps everything but NUL."""
    return "".join(sample.host + getattr(sample, "device", "") for sample in seen.telemetry.samples)


def test_the_same_trial_replaces(store: Store) -> None:
    """A trial that is run again takes the place of the earlier observation, samples and all, at the end."""
    log = run_log()
    store.create(log)
    for number in range(3):
        store.add(log.id, observation(number, samples=5))
    again = replace(observation(0, samples=2, elapsed=9.0), cause="run again")
    store.add(log.id, again)
    loaded = store.load(log.id).observations
    assert loaded == (observation(1, samples=5), observation(2, samples=5), again)
    assert store.runs()[0].observations == 3


def test_the_same_trial_of_another_run_stays(store: Store) -> None:
    """Trials are replaced within a run only."""
    for name in ("one", "two"):
        store.create(run_log(name))
        store.add(name, replace(observation(0), cause=name))
    assert [store.load(name).observations[0].cause for name in ("one", "two")] == ["one", "two"]


def test_failures_are_kept(store: Store) -> None:
    """Every outcome is stored, with its cause and without a job."""
    store.create(run_log("r"))
    failed = [
        replace(observation(number), outcome=outcome, jobs=(), cause="why", lost=("box",), telemetry=Telemetry())
        for number, outcome in enumerate(Outcome)
        if outcome is not Outcome.OK
    ]
    for one in failed:
        store.add("r", one)
    assert store.load("r").observations == tuple(failed)


def test_summaries(store: Store) -> None:
    """`runs` lists all, newest first, with what `fleet runs` shows."""
    assert store.runs() == ()
    store.create(run_log("old", created=100.0))
    store.create(run_log("new", created=300.5, observations=2))
    store.create(run_log("mid", created=200.0))
    store.finish("mid")
    assert [run.id for run in store.runs()] == ["new", "mid", "old"]
    assert store.runs()[0] == RunSummary(
        id="new", created=300.5, inventory="lab", emulated=True, observations=2, finished=False
    )
    assert store.runs()[1].finished


def test_a_run_that_somebody_is_at_is_marked(store: Store, reopen: Open) -> None:
    """By whoever looks, not in what is kept, until its process is done with the store; a second one is refused."""
    for name in ("run", "dead/run", "done"):
        store.create(replace(run_log(name), running=True))
    other = reopen()
    for name in ("run", "done", "run"):
        other.claim(name)
    other.finish("done")
    for looking in (store, other):
        assert {run.id: run.running for run in looking.runs()} == {"run": True, "dead/run": False, "done": False}
        assert [looking.load(name).running for name in ("run", "dead/run", "done")] == [True, False, False]
    with pytest.raises(ConfigurationError, match="run run is under way in another process"):
        store.claim("run")
    other.close()
    assert not any(run.running for run in store.runs())
    store.claim("run")
    assert [run.id for run in reopen().runs() if run.running] == ["run"]


def test_which_run_is_meant(store: Store) -> None:
    """`latest` is the newest; a beginning will do where only one run begins so."""
    for number, name in enumerate(["20260701-aa", "20260702-ab", "20260702-b"]):
        store.create(run_log(name, created=float(number)))
    assert store.load("latest").id == "20260702-b"
    assert store.load("20260701").id == "20260701-aa"
    assert store.load("20260702-ab").id == "20260702-ab"
    assert "`20260702` is the beginning of 2 runs: 20260702-b, 20260702-ab" in refusal(lambda: store.load("20260702"))
    assert "there is no run `20260702-bb` (did you mean 20260702-b?)" in refusal(lambda: store.load("20260702-bb"))
    assert "the latest are 20260702-b, 20260702-ab, 20260701-aa" in refusal(lambda: store.load("%"))
    assert "there is no run ``" in refusal(lambda: store.load(""))


def test_an_exact_id_wins(store: Store) -> None:
    """A run whose id is the beginning of another's can still be named."""
    store.create(run_log("a"))
    store.create(run_log("ab"))
    assert store.load("a").id == "a"


def test_an_empty_store_says_so(store: Store) -> None:
    """Without any run the hint is to make one."""
    assert "the store holds no run yet" in refusal(lambda: store.load("latest"))


def test_a_run_is_created_once(store: Store) -> None:
    """A second run of the same id is refused and changes nothing."""
    store.create(run_log("r", observations=1))
    assert "run r exists already" in refusal(lambda: store.create(run_log("r")))
    assert len(store.load("r").observations) == 1


def test_nothing_is_added_to_no_run(store: Store) -> None:
    """An observation needs its run, by its whole id; so does the end of one."""
    store.create(run_log("run"))
    assert "there is no run ru" in refusal(lambda: store.add("ru", observation(0)))
    assert "there is no run latest" in refusal(lambda: store.finish("latest"))


@pytest.mark.parametrize(
    "sample",
    [
        HostSample(host="box", time=math.nan),
        HostSample(host="box", time=0.0, cpu_busy=math.inf),
        HostSample(host="box", time=0.0, memory_used=2**63),
        HostSample(host="\ud800", time=0.0),
    ],
    ids=["nan", "infinity", "more than 64 bits", "surrogate"],
)
def test_what_no_store_can_keep(store: Store, sample: HostSample) -> None:
    """A sample that no database can hold is refused; the observation before it and the one after are kept."""
    store.create(run_log("r"))
    store.add("r", observation(0))
    broken = replace(observation(1), telemetry=Telemetry(samples=(HostSample(host="box", time=0.0), sample)))
    assert refusal(lambda: store.add("r", broken))
    store.add("r", observation(2))
    assert store.load("r").observations == (observation(0), observation(2))


def test_a_wrong_value_is_refused(store: Store) -> None:
    """What the codec would not read back is not stored."""
    store.create(run_log("r"))
    assert "elapsed: expected a finite number" in refusal(lambda: store.add("r", observation(0, elapsed=math.nan)))
    assert store.load("r").observations == ()


def test_large_observations(store: Store) -> None:
    """Some thousand tasks and samples are one observation like any other."""
    store.create(run_log("r"))
    large = observation(0, tasks=3000, samples=20000)
    store.add("r", large)
    assert store.load("r").observations == (large,)


def test_the_body_holds_no_samples(store: Store) -> None:
    """Samples are columns: what is stored as JSON stays small."""
    assert isinstance(store, SqlStore)
    store.create(run_log("r"))
    store.add("r", observation(0, samples=500))
    ((body,),) = store._database.read(lambda session: session.rows("SELECT body FROM observations"))
    kept = json.loads(body)["telemetry"]
    assert (kept["samples"], kept["missed"]) == ([], 1)


OLD_FIELDS = {HostSample: 10, DeviceSample: 11}
"""How many fields the samples had in version 1 of the store."""


def test_a_store_of_the_first_version_is_brought_up_to_date(store: Store, reopen: Open) -> None:
    """Its runs are read as they were, what was not sampled then is not available, and new samples find their place."""
    assert isinstance(store, SqlStore)
    store.create(run_log("r"))
    store.add("r", observation(0, samples=6))
    store._database.write(take_back)
    store.close()
    newer = reopen()
    assert newer.load("r").observations == (observation(0, samples=6),)
    agent = AgentSample(host="box", device="gpu0", pid=7, time=3.0, cpu=0.5)
    card = DeviceSample(host="box", device="gpu0", time=3.0, emulated=False, pcie_width=16, xids=(79, 48))
    seen = replace(observation(1), telemetry=Telemetry(samples=(card, agent)))
    newer.add("r", seen)
    assert reopen().load("r").observations[1] == seen


def take_back(session: Session) -> None:
    """Make the tables what they were in version 1."""
    for table in SAMPLE_TABLES:
        if table.sample not in OLD_FIELDS:
            session.change(f"DROP TABLE {table.name}", ())
            continue
        for field in table.fields[OLD_FIELDS[table.sample] :]:
            session.change(f"ALTER TABLE {table.name} DROP COLUMN {field}", ())
    sqlite = type(session).__name__ == "_SqliteSession"
    session.change("PRAGMA user_version = 1" if sqlite else "UPDATE store SET version = 1", ())


def test_two_connections_see_each_other(store: Store, reopen: Open) -> None:
    """What one process has added, another sees; both may add, to different runs and to the same."""
    other = reopen()
    store.create(run_log("one"))
    other.create(run_log("two"))
    store.add("two", observation(0))
    other.add("two", observation(1))
    assert len(store.load("two").observations) == len(other.load("two").observations) == 2


def test_close_twice(store: Store) -> None:
    """Closing never fails; what comes after it is told."""
    store.close()
    store.close()
    refusal(store.runs)
