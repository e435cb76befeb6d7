"""fleet runs, tag, note, compare, trend and their exit codes, as they are typed, over a store of planted runs."""

from __future__ import annotations

import json
import os
import re
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from kept_runs import DAY, planted_run
from typed_commands import Typed, typed

from fleet.analyse import analyse
from fleet.cli.stored.regression import Question, answer, asked, remember
from fleet.errors import RegressionError
from fleet.model.record import RunLog
from fleet.report.build import build
from fleet.store import open_store

DAYS = 12
SLOW_FROM = 8


def run_of(day: int) -> RunLog:
    """The run of a day; from the eighth on all of it takes 12 % longer, and the kernel is another one."""
    slow = day >= SLOW_FROM
    log = planted_run(day, slower=0.12 if slow else 0.0)
    facts = tuple(replace(one, kernel="6.9" if slow else "6.1") for one in log.survey.facts)
    return replace(log, survey=replace(log.survey, facts=facts))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve finished runs, a day apart, and one that was interrupted, of another fleet."""
    target = tmp_path_factory.mktemp("history") / "fleet.db"
    store = open_store(str(target))
    for day in range(1, DAYS + 1):
        store.create(run_of(day))
        if day != DAYS:  # the last was stored by a fleet that kept no answers
            remember(store, str(target), build(run_of(day), analyse(run_of(day))))
    other = planted_run(1)
    other = replace(
        other, id="other", created=DAY / 2, finished=False, inventory=replace(other.inventory, name="elsewhere")
    )
    store.create(other)
    store.close()
    return target


def fleet(store: Path, *words: str, columns: int = 80) -> Typed:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(store.parent),
        "LANG": "C.UTF-8",
        "COLUMNS": str(columns),
        "FLEET_STORE": str(store),
    }
    return typed(environment, *words)


def listed(store: Path, *words: str) -> list[str]:
    return [run["run"] for run in json.loads(fleet(store, "runs", "--json", *words).stdout)["runs"]]


def test_runs_are_filtered_and_sorted(stored: Path) -> None:
    """By fleet, age, answer, outcome and tag; the newest first, or by trials."""
    days = [f"day-{day:03}" for day in range(DAYS, 0, -1)]
    assert listed(stored) == [*days, "other"]
    assert listed(stored, "--fleet", "planted", "-n", "2") == days[:2]
    assert listed(stored, "--since", "1970-01-11") == days[:3]
    assert listed(stored, "--since", "1d") == []
    assert listed(stored, "--outcome", "interrupted") == ["other"]
    with closing(open_store(str(stored))) as another:
        another.claim("other")
        assert listed(stored, "--outcome", "running") == ["other"]
        assert listed(stored, "--outcome", "interrupted") == []
        assert re.search(r"^other .* running +emulated$", fleet(stored, "runs").stdout, re.MULTILINE)
    assert listed(stored, "--choice", "hold") == []
    assert listed(stored, "--sort", "fleet")[0] == "other"
    told = json.loads(fleet(stored, "runs", "--json").stdout)["runs"]
    assert all(run["answer"]["choice"] for run in told[:-1])
    assert set(listed(stored, "--choice", told[0]["answer"]["choice"])) <= set(days)


def test_the_list_fits_eighty_columns_and_is_plain_where_it_is_piped(stored: Path) -> None:
    """Each run on a line of its own, marked as emulated."""
    lines = fleet(stored, "runs").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in "".join(lines)
    assert sum("emulated" in line for line in lines) == DAYS + 1
    assert any("interrupted" in line and "other" in line for line in lines)


def test_tags_and_notes_are_kept_and_name_a_run(stored: Path) -> None:
    """`-x` takes a tag and is no option; what is no tag is refused."""
    fleet(stored, "tag", "day-003", "+baseline", "-nightly", "release")
    assert "+baseline +release before it" in fleet(stored, "note", "baseline", "before it").stdout
    assert listed(stored, "--tag", "baseline", "--tag", "release") == ["day-003"]
    assert "+release" not in fleet(stored, "tag", "baseline", "-release").stdout
    assert "before it" not in fleet(stored, "note", "baseline", "").stdout
    assert listed(stored, "--tag", "release") == []
    for word in ("+", "-", "latest", "a b", "--", "+'"):
        assert fleet(stored, "tag", "day-003", word).returncode == 2
    assert fleet(stored, "tag", "nowhere", "+x").returncode == 6
    fleet(stored, "tag", "day-003", "-baseline")


def test_compare_says_what_differs_and_fails_where_it_is_asked_to(stored: Path) -> None:
    """12 % longer is a fall of 10.7 %: by more than 2 % for sure; nothing is to be told of 50 %."""
    done = fleet(stored, "compare", "day-001", "day-009", "--fail-on-regression", "2%")
    assert done.returncode == 7
    assert "Not as fast as was asked for" in done.stderr
    assert "box, far0, far1 kernel: 6.1 → 6.9" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert fleet(stored, "compare", "day-001", "day-009").returncode == 0
    assert fleet(stored, "compare", "day-001", "day-009", "--fail-on-regression", "50%", "--strict").returncode == 0
    told = json.loads(fleet(stored, "compare", "day-001", "day-002", "day-009", "--json").stdout)
    assert [run["run"] for run in told["runs"]] == ["day-002", "day-009"]
    assert told["run_to_run"] is not None
    assert {rate["finding"] for rate in told["runs"][0]["rates"]} <= {"same", "unknown"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("compare", "latest"), 2, "one run alone"),
        (("compare", "latest", "day-012"), 2, "are both run day-012"),
        (("compare", "day-001", "nowhere"), 6, "there is no run `nowhere`"),
        (("compare", "day-001", "day-002", "--strict"), 2, "--strict says how strict"),
        (
            ("compare", "day-001", "day-002", "--threshold", "2"),
            2,
            "where --threshold 2 why expected a share such as 5%",
        ),
        (("trend", "plantde"), 2, "did you mean planted?"),
        (("trend", "elsewhere"), 2, "no run of elsewhere is finished yet"),
        (("runs", "--since", "yesterday"), 2, "where --since yesterday why expected 7d"),
    ],
)
def test_a_mistake_is_one_clear_error(stored: Path, words: tuple[str, ...], code: int, said: str) -> None:
    """With its exit code and what to do."""
    done = fleet(stored, *words)
    assert done.returncode == code
    assert said in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("runs", ("runs",)),
        ("comparison", ("compare", "day-001", "day-002", "day-009", "--fail-on-regression", "50%")),
        ("comparison", ("compare", "day-001", "day-009")),
        ("trend", ("trend", "planted")),
    ],
)
def test_what_they_print_for_programs_is_as_its_schema_says(stored: Path, name: str, words: tuple[str, ...]) -> None:
    """Every field is described; one that is missing, new or of another type is found."""
    schema = json.loads(fleet(stored, "schema", name).stdout)
    Draft202012Validator.check_schema(schema)
    check = Draft202012Validator(schema)
    told = json.loads(fleet(stored, *words, "--json").stdout)
    check.validate(told)
    for key in told:
        assert not check.is_valid({other: value for other, value in told.items() if other != key})
    assert not check.is_valid({**told, "more": 1})


def test_the_trend_finds_the_eighth_day(stored: Path) -> None:
    """And names the kernel; the JSON has every point."""
    done = fleet(stored, "trend", "planted")
    assert "from day-008 (1970-01-09 00:00 UTC) on" in done.stdout
    assert "box, far0, far1 kernel: 6.1 → 6.9" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    told = json.loads(fleet(stored, "trend", "planted", "--json").stdout)
    serving = told["series"][0]
    assert [one["at"] for one in serving["change_points"]] == ["day-008"]
    assert serving["change_points"][0]["change"]["low"] < 1 / 1.12 - 1 < serving["change_points"][0]["change"]["high"]
    assert len(serving["points"]) == DAYS


def test_a_run_that_has_just_ended_is_held_against_another(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fleet bench --fail-on-regression`: against the latest like it, or a tag; without any, only --strict fails."""
    target = str(stored)
    store = open_store(target)
    assert asked(store, None, None, strict=False) is None
    base = asked(store, "day-001", "2%", strict=False)
    assert base == Question(base="day-001", allowed=0.02, strict=False)
    held = partial(answer, target=target, as_json=False)
    with pytest.raises(RegressionError, match="day-009 against day-001: fell by more than 2 %"):
        held(base, run="day-009")
    held(Question(base=None, allowed=0.02, strict=False), run="day-010")
    assert "day-009" in capsys.readouterr().out
    first = Question(base=None, allowed=0.02, strict=False)
    held(first, run="day-001")
    assert "no earlier run of planted is like day-001" in capsys.readouterr().err
    with pytest.raises(RegressionError, match="nothing to hold it against"):
        held(replace(first, strict=True), run="day-001")
    store.close()
