"""What every catalogue must do: the same tests over SQLite and over a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from kept_runs import UNDER, digest
from model_values import layout, run_log, values_of

from fleet.errors import StoreError
from fleet.model.catalogue import Circumstance, Digest
from fleet.model.estimate import Estimate
from fleet.model.verdict import Choice
from fleet.ports import Catalogue
from fleet.store import open_catalogue, open_store

Open = Callable[[], Catalogue]
RUNS = ("20260701-aa", "20260702-bb", "20260703-cc")


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store with three runs of one fleet, a day apart."""
    if request.param == "sqlite":
        where = str(tmp_path / "fleet.db")
    else:
        where = request.getfixturevalue("postgres").url(request.getfixturevalue("database"))
    store = open_store(where)
    for day, run in enumerate(RUNS):
        store.create(run_log(run, created=float(day), observations=day))
    store.close()
    return where


@pytest.fixture
def reopen(target: str) -> Iterator[Open]:
    """Opens one and the same catalogue, as often as it is called; all are closed in the end."""
    opened: list[Catalogue] = []

    def open_it() -> Catalogue:
        opened.append(open_catalogue(target))
        return opened[-1]

    yield open_it
    for one in opened:
        one.close()


@pytest.fixture
def catalogue(reopen: Open) -> Catalogue:
    """One to write to."""
    return reopen()


def test_tags_are_given_and_taken_and_name_the_newest_run_that_has_them(
    catalogue: Catalogue, reopen: Open, target: str
) -> None:
    """A tag given twice is there once; one that is not there can be taken away; an id is stronger than a tag."""
    assert catalogue.tag("20260701", ["baseline", "nightly"], []).tags == ("baseline", "nightly")
    assert catalogue.tag("latest", ["baseline", "baseline"], ["none"]).tags == ("baseline",)
    store = open_store(target)
    assert (store.load("baseline").id, store.load("nightly").id) == (RUNS[2], RUNS[0])
    catalogue.tag("baseline", [], ["baseline"])
    assert store.load("baseline").id == RUNS[0]
    catalogue.tag(RUNS[1], [RUNS[0]], [])
    assert store.load(RUNS[0]).id == RUNS[0]
    assert [entry.tags for entry in reopen().entries()] == [(), (RUNS[0],), ("baseline", "nightly")]
    with pytest.raises(StoreError, match="there is no run `basline` \\(did you mean baseline\\?\\)"):
        store.load("basline")
    store.close()


def test_a_note_replaces_the_earlier_one(catalogue: Catalogue, reopen: Open) -> None:
    """And None takes it away."""
    catalogue.annotate("latest", "before the new driver")
    assert catalogue.annotate(RUNS[2], "'; DROP TABLE runs; -- 50 % ?").note == "'; DROP TABLE runs; -- 50 % ?"
    assert reopen().entries()[0].note == "'; DROP TABLE runs; -- 50 % ?"
    assert catalogue.annotate("latest", None).note is None
    assert [entry.note for entry in reopen().entries()] == [None, None, None]


def test_digests_are_read_back_oldest_first_and_by_fleet(catalogue: Catalogue, reopen: Open) -> None:
    """With their figures in order; keeping again replaces."""
    wide = replace(layout(), po2=22)
    last = digest(RUNS[2], (layout(), (1e5,)), (wide, (2e5, 2.1e5)), created=2.0)
    catalogue.keep(last, UNDER)
    catalogue.keep(digest(RUNS[0]), UNDER)
    gain = Estimate(value=0.5, low=0.4, high=0.6, n=3, unit="")
    first = digest(RUNS[0], (wide, (3e5,)), choice=Choice.HOLD)
    first = replace(first, answer=replace(first.answer, gain=gain))
    catalogue.keep(first, (*UNDER, Circumstance(name="clock", value="1.4 GHz", amount=1.4e9)))
    seen = reopen()
    assert seen.digests("lab") == (first, last)
    assert seen.digests("another") == ()
    assert [entry.answer for entry in seen.entries()] == [last.answer, None, first.answer]
    assert seen.circumstances(RUNS[2]) == UNDER
    assert seen.circumstances(RUNS[0])[-1].amount == 1.4e9
    assert seen.circumstances(RUNS[1]) == ()


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(any_digest=values_of(Digest), under=values_of(Circumstance))
def test_any_digest_reads_back_or_is_refused(catalogue: Catalogue, any_digest: Digest, under: Circumstance) -> None:
    """Whatever the vocabulary can say is kept to the letter, or refused, and then what was kept before stays."""
    catalogue.keep(digest(RUNS[0]), UNDER)
    agents = any_digest.current.agents or layout().agents
    figures = tuple(
        replace(one, layout=replace(one.layout, agents=agents), rates=tuple(abs(r) + 1 for r in one.rates) or (1.0,))
        for one in any_digest.figures
    )
    wanted = replace(any_digest, run=RUNS[0], inventory="lab", figures=figures)
    try:
        catalogue.keep(wanted, (under,))
    except StoreError:
        assert catalogue.digests("lab") == (digest(RUNS[0]),)
    else:
        assert catalogue.digests("lab") == (wanted,)
        assert catalogue.circumstances(RUNS[0]) == (under,)


def test_nothing_is_kept_of_a_run_that_is_not_there(catalogue: Catalogue) -> None:
    """In one line."""
    with pytest.raises(StoreError) as caught:
        catalogue.keep(digest("20270101-zz"), UNDER)
    assert len(str(caught.value).splitlines()) == 1
    assert catalogue.digests("lab") == ()
