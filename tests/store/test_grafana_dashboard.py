"""The Grafana dashboard over the store: every query of it is run on a real PostgreSQL, as Grafana would send it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg  # noqa: TID251 (asks what Grafana would ask)
import pytest
from kept_runs import UNDER, digest
from model_values import observation, run_log

from fleet.model.command import CommandSettings
from fleet.model.samples import DeviceSample, Telemetry
from fleet.report.export.grafana import INVENTORIES, PANELS, RUNS, dashboard
from fleet.store import open_catalogue, open_store

CHOSEN = {"inventory": "'lab','o''brien'", "run": "'one'"}
MACRO = re.compile(r"\$__timeFilter\(((?:[^()]|\([^()]*\))*)\)")
SPAN = r"\1 BETWEEN '1970-01-01T00:00:00Z' AND '2100-01-01T00:00:00Z'"


@pytest.fixture
def connection(postgres: Any, database: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A store with two runs, one of them with its answer and samples that hold everything."""
    url = str(postgres.url(database))
    with closing(open_store(url)) as store, closing(open_catalogue(url)) as catalogue:
        seen = observation(0)
        full = tuple(
            replace(sample, memory_used=1, power=200.0, temperature=60.0, sm_clock=1.5e9, bus_busy=0.5)
            if isinstance(sample, DeviceSample)
            else sample
            for sample in seen.telemetry.samples
        )
        store.create(replace(run_log("one"), observations=(replace(seen, telemetry=Telemetry(samples=full)),)))
        other = run_log("two", created=1.76e9)
        command = CommandSettings(words=("x",), unit="frames")
        store.create(replace(other, inventory=replace(other.inventory, command=command)))
        for run in ("one", "two"):
            catalogue.keep(digest(run, inventory="lab"), UNDER)
    with psycopg.connect(url) as asking:
        yield asking


def expanded(sql: str) -> bytes:
    """With Grafana's macros and variables in place, as its PostgreSQL data source documents them."""
    for name, text in CHOSEN.items():
        sql = sql.replace(f"${{{name}:sqlstring}}", text)
    sql = MACRO.sub(SPAN, sql)
    assert "$" not in sql
    return sql.encode()


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_every_panel_finds_something(connection: psycopg.Connection[tuple[Any, ...]], panel: Any) -> None:
    """A series has a time, a name and a number; a table has rows."""
    cursor = connection.execute(expanded(panel.sql))
    rows = cursor.fetchall()
    names = [column.name for column in cursor.description or ()]
    assert rows
    if panel.as_series:
        assert names == ["time", "metric", "value"]
        assert all(isinstance(at, datetime) and isinstance(name, str) and value is not None for at, name, value in rows)
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    if panel.kind == "barchart":
        assert panel.options["xField"] in names


def test_a_command_is_drawn_in_its_own_unit(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Thousandths are what the store holds; a prover's run is in hertz, and neither is drawn among the other."""
    over_runs = [panel for panel in PANELS if panel.title.startswith("Rate of")]
    proved, ran = (connection.execute(expanded(panel.sql)).fetchall() for panel in over_runs)
    assert {name.rpartition(", ")[2] for _, name, _ in ran} == {"frames/s"}
    assert [float(value) * 1000 for *_, value in ran] == [value for *_, value in proved]
    (bars,) = (panel for panel in PANELS if panel.kind == "barchart")
    rates = {
        run: connection.execute(expanded(bars.sql.replace("${run:sqlstring}", f"'{run}'"))) for run in ("one", "two")
    }
    assert [[name.rpartition(", ")[2] for name, _ in rows] for rows in rates.values()] == [["Hz"], ["frames/s"]]


def test_the_choices_at_the_top_are_filled(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Inventories by name; runs of the chosen ones, newest first."""
    assert connection.execute(expanded(INVENTORIES)).fetchall() == [("lab",)]
    assert connection.execute(expanded(RUNS)).fetchall() == [("two",), ("one",)]


def test_the_dashboard_can_be_imported() -> None:
    """Every panel has its query and the data source asked for at import; none covers another."""
    found = json.loads(dashboard())
    (asked,) = found["__inputs"]
    assert [panel["targets"][0]["rawSql"] for panel in found["panels"]] == [panel.sql for panel in PANELS]
    taken: set[tuple[int, int]] = set()
    for panel in found["panels"]:
        assert panel["datasource"]["uid"] == panel["targets"][0]["datasource"]["uid"] == f"${{{asked['name']}}}"
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        taken |= cells
    assert [choice["query"] for choice in found["templating"]["list"]] == [INVENTORIES, RUNS]
