"""A Grafana dashboard over the PostgreSQL store, as JSON to import: runs over time, and one run from near.

Its data source is asked for at the import. Times of samples are the controller's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from fleet.model.command import CYCLES_PER_UNIT

_TYPE = "grafana-postgresql-datasource"
_SOURCE = {"type": _TYPE, "uid": "${DS_FLEET}"}
_SCHEMA = 39
_WIDTH = 24

INVENTORIES = "SELECT DISTINCT inventory FROM fleet.runs ORDER BY inventory"
RUNS = "SELECT id FROM fleet.runs WHERE inventory IN (${inventory:sqlstring}) ORDER BY created DESC, id LIMIT 500"

_OWN_UNIT = "(r.body #>> '{inventory,command,unit}')"
"""What a run's command counts its work in; NULL where a prover was measured."""
_FIGURES = "FROM fleet.figures f JOIN fleet.runs r ON r.id = f.run"
_IN_RUN = "FROM fleet.{table} s JOIN fleet.observations o ON o.seq = s.observation WHERE o.run IN (${{run:sqlstring}})"


def _series(table: str, name: str, value: str) -> str:
    """A figure of samples over time, a line for each device or host of the run."""
    within = _IN_RUN.format(table=table)
    return (
        f"SELECT to_timestamp(s.time) AS time, {name} AS metric, {value} AS value {within} "
        f"AND $__timeFilter(to_timestamp(s.time)) AND {value} IS NOT NULL ORDER BY 1"
    )


def _rates(name: str, value: str, which: str) -> str:
    """Figures of one job over time, a line for each layout; `which` runs."""
    return (
        f"SELECT to_timestamp(r.created) AS time, {name} AS metric, {value} AS value {_FIGURES} "
        "WHERE r.inventory IN (${inventory:sqlstring}) "
        f"AND {which} AND f.jobs = 1 AND $__timeFilter(to_timestamp(r.created)) ORDER BY 1"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel: its query, how it is drawn, and its size on the grid of 24 columns. `unit` as Grafana names it."""

    title: str
    kind: str
    sql: str
    width: int
    height: int = 8
    unit: str = "short"
    as_series: bool = False
    options: Mapping[str, object] = field(default_factory=dict)


def _sampled(title: str, unit: str, sql: str, width: int = 12) -> Panel:
    """Samples of one run over time."""
    return Panel(title=title, kind="timeseries", unit=unit, as_series=True, sql=sql, width=width)


def _devices(what: str, unit: str, value: str, width: int = 12) -> Panel:
    """A figure of the devices, a line for each."""
    return _sampled(f"Devices: {what}", unit, _series("device_samples", "s.host || '/' || s.device", value), width)


PANELS = (
    Panel(
        title="Runs",
        kind="table",
        width=24,
        sql=(
            "SELECT to_timestamp(r.created) AS time, r.inventory, r.id AS run, r.emulated, r.finished, "
            "d.choice AS verdict, d.confidence, d.gain, d.answer, count(o.seq) AS trials "
            "FROM fleet.runs r LEFT JOIN fleet.digests d ON d.run = r.id "
            "LEFT JOIN fleet.observations o ON o.run = r.id "
            "WHERE r.inventory IN (${inventory:sqlstring}) AND $__timeFilter(to_timestamp(r.created)) "
            "GROUP BY r.id, d.run ORDER BY r.created DESC LIMIT 200"
        ),
    ),
    Panel(
        title="Rate of one job by layout, over runs",
        kind="timeseries",
        width=24,
        unit="hertz",
        as_series=True,
        sql=_rates("f.layout", "f.hz", f"{_OWN_UNIT} IS NULL"),
    ),
    Panel(
        title="Rate of a command by layout, over runs, in its own unit",
        kind="timeseries",
        width=24,
        as_series=True,
        sql=_rates(f"f.layout || ', ' || {_OWN_UNIT} || '/s'", f"f.hz / {CYCLES_PER_UNIT}.0", f"{_OWN_UNIT} <> ''"),
    ),
    Panel(
        title="Rates of the run, in Hz or a command's unit",
        kind="barchart",
        width=12,
        options={"xField": "layout", "orientation": "horizontal"},
        sql=(
            "SELECT f.layout || ', ' || coalesce(" + _OWN_UNIT + " || '/s', 'Hz') AS layout, "
            f"f.hz / CASE WHEN {_OWN_UNIT} IS NULL THEN 1.0 ELSE {CYCLES_PER_UNIT}.0 END AS rate "
            f"{_FIGURES} "
            "WHERE f.run IN (${run:sqlstring}) AND f.jobs = 1 ORDER BY f.position"
        ),
    ),
    Panel(
        title="Trials of the run",
        kind="table",
        width=12,
        sql=(
            "SELECT o.seq AS number, o.trial, o.experiment, o.outcome FROM fleet.observations o "
            "WHERE o.run IN (${run:sqlstring}) ORDER BY o.seq"
        ),
    ),
    _devices("busy", "percentunit", "s.busy"),
    _devices("memory in use", "bytes", "s.memory_used"),
    _devices("power", "watt", "s.power", width=8),
    _devices("temperature", "celsius", "s.temperature", width=8),
    _devices("SM clock", "hertz", "s.sm_clock", width=8),
    _devices("bus, busy", "percentunit", "s.bus_busy"),
    _sampled("Hosts: CPUs busy", "percentunit", _series("host_samples", "s.host", "s.cpu_busy")),
)


def dashboard() -> str:
    """The dashboard, indented JSON with a newline at its end."""
    panels, x, y = [], 0, 0
    for number, panel in enumerate(PANELS, start=1):
        if x + panel.width > _WIDTH:
            x, y = 0, y + panel.height
        panels.append(_panel(panel, number, x, y))
        x += panel.width
    return json.dumps(_shell(panels), indent=2) + "\n"


def _shell(panels: list[dict[str, object]]) -> dict[str, object]:
    asked = {
        "name": "DS_FLEET",
        "label": "fleet's store",
        "description": "The PostgreSQL database that `fleet --store postgresql://…` writes to",
        "type": "datasource",
        "pluginId": _TYPE,
        "pluginName": "PostgreSQL",
    }
    return {
        "__inputs": [asked],
        "__requires": [
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "11.0.0"},
            {"type": "datasource", "id": _TYPE, "name": "PostgreSQL", "version": "1.0.0"},
        ],
        "uid": "fleet-runs",
        "title": "fleet: runs and devices",
        "tags": ["fleet"],
        "timezone": "browser",
        "schemaVersion": _SCHEMA,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-90d", "to": "now"},
        "templating": {"list": [_variable("inventory", INVENTORIES, every=True), _variable("run", RUNS, every=False)]},
        "panels": panels,
    }


def _variable(name: str, sql: str, *, every: bool) -> dict[str, object]:
    """A choice at the top, filled by a query; `every`: several may be chosen, and all are at first."""
    return {
        "name": name,
        "label": name,
        "type": "query",
        "datasource": _SOURCE,
        "query": sql,
        "definition": sql,
        "refresh": 2,
        "sort": 0,
        "multi": every,
        "includeAll": every,
        "current": {"text": ["All"], "value": ["$__all"]} if every else {},
    }


def _panel(panel: Panel, number: int, x: int, y: int) -> dict[str, object]:
    target = {
        "refId": "A",
        "datasource": _SOURCE,
        "editorMode": "code",
        "rawQuery": True,
        "rawSql": panel.sql,
        "format": "time_series" if panel.as_series else "table",
    }
    return {
        "id": number,
        "title": panel.title,
        "type": panel.kind,
        "datasource": _SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": dict(panel.options),
        "targets": [target],
    }
