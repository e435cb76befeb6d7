"""A run for other tools: each format is read by the tool that it is for, or by what the format's owners publish."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf.json_format import Parse
from model_values import observation, run_log
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from pyarrow import parquet
from typed_commands import Typed, typed

from fleet.model.command import CommandSettings, Knob
from fleet.model.facts import Failure
from fleet.model.record import Outcome, RunLog
from fleet.pipeline import conclude
from fleet.report.export.measurements import measurements
from fleet.report.export.otlp import otlp_json
from fleet.report.export.prometheus import prometheus_text
from fleet.report.export.superbench import results_summary
from fleet.report.export.tables import TABLES, Exported, tables
from fleet.store import open_store


def exported(log: RunLog | None = None) -> Exported:
    log = run_log(observations=3) if log is None else log
    return Exported(log=log, report=conclude(log, None).report)


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """A new user's home with one run in the store."""
    log = run_log(observations=3)
    with closing(open_store(str(tmp_path / "fleet.db"))) as store:
        store.create(log)
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "FLEET_STORE": str(tmp_path / "fleet.db")}


def fleet(home: dict[str, str], *words: str) -> Typed:
    return typed(home, *words)


def test_prometheus_reads_the_text_file() -> None:
    """Every family is a gauge with help; labels with quotes, backslashes and breaks come back as they were."""
    named = run_log(observations=3)
    odd = 'a "b"\\\nc'
    named = replace(named, version=odd)
    text = prometheus_text(measurements(exported(named)))
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert {family.type for family in families.values()} == {"gauge"}
    assert all(family.documentation for family in families.values())
    assert families["fleet_run_info"].samples[0].labels["version"] == odd
    rate = families["fleet_layout_work_per_second"].samples[0]
    assert rate.value == pytest.approx(2**21)
    assert (rate.labels["unit"], rate.labels["emulated"], rate.labels["setting"]) == ("cycles", "true", "po2 20")
    keys = [(s.name, tuple(sorted(s.labels.items()))) for family in families.values() for s in family.samples]
    assert len(keys) == len(set(keys))


def test_promtool_finds_nothing() -> None:
    """Prometheus' own linter: names, units, help."""
    promtool = shutil.which("promtool")
    if promtool is None:
        assert os.environ.get("CI") != "true", "promtool is missing"
        pytest.skip("promtool is not installed: apt-get install prometheus")
    text = prometheus_text(measurements(exported()))
    found = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_otlp_is_what_the_published_protocol_says() -> None:
    """The message reads as ExportMetricsServiceRequest without an unknown field, with every point and its time."""
    one = exported()
    request = Parse(otlp_json(one, measurements(one)), ExportMetricsServiceRequest(), ignore_unknown_fields=False)
    (resource,) = request.resource_metrics
    (scope,) = resource.scope_metrics
    assert {each.name: len(each.gauge.data_points) for each in scope.metrics} == {
        each.name: len(each.points) for each in measurements(one)
    }
    point = scope.metrics[0].gauge.data_points[0]
    assert point.start_time_unix_nano == 1_750_000_000 * 10**9
    assert point.time_unix_nano > point.start_time_unix_nano
    assert {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"] == "fleet"


def test_tables_agree_with_the_run() -> None:
    """Every row has every cell; tasks, samples and trials are all there; an unknown is empty, never 0."""
    log = run_log(observations=3)
    found = {table.name: table for table in tables(exported(log))}
    assert all(len(row) == len(table.fields) for table in found.values() for row in table.rows)
    assert len(found["trials"].rows) == 3
    assert len(found["tasks"].rows) == sum(len(job.tasks) for seen in log.observations for job in seen.jobs)
    samples = sum(len(seen.telemetry.samples) for seen in log.observations)
    assert len(found["host_samples"].rows) + len(found["device_samples"].rows) == samples
    names = [field.name for field in found["device_samples"].fields]
    assert {row[names.index("power")] for row in found["device_samples"].rows} == {None}


def test_the_command_line_writes_csv_and_parquet_alike(home: dict[str, str], tmp_path: Path) -> None:
    """Both hold the same cells with their types; what is there is overwritten only when asked."""
    assert fleet(home, "export", "latest", "-o", str(tmp_path / "out")).returncode == 0
    assert fleet(home, "export", "--format", "parquet", "-o", str(tmp_path / "out")).returncode == 0
    for name in TABLES:
        with (tmp_path / "out" / f"{name}.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        data = parquet.read_table(tmp_path / "out" / f"{name}.parquet").to_pylist()
        assert len(rows) == len(data)
        for text, value in zip(rows, data, strict=True):
            assert list(text) == list(value)
            for key, cell in value.items():
                same = text[key] == ("" if cell is None else str(cell).lower() if isinstance(cell, bool) else str(cell))
                assert same or math.isclose(float(text[key]), cell)
    again = fleet(home, "export", "-o", str(tmp_path / "out"))
    assert again.returncode == 2
    assert "run.csv is there already" in again.stderr
    assert fleet(home, "export", "-o", str(tmp_path / "out"), "--force").returncode == 0
    one = fleet(home, "export", "--table", "trials")
    assert [row["outcome"] for row in csv.DictReader(io.StringIO(one.stdout))] == ["ok", "ok", "ok"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["export", "nothing", "--table", "run"], 6, "nothing"),
        (["export", "--table", "cats"], 2, "there is no table 'cats'"),
        (["export"], 2, "several tables need a folder"),
        (["export", "--format", "parquet"], 2, "several tables need a folder"),
        (["export", "--format", "otlp", "--table", "run"], 2, "--table does not go with --format otlp"),
        (["export", "--format", "xml"], 2, "xml"),
        (["export", "-o", "/dev/null/x"], 2, "is no folder that can be made"),
        (["export", "--format", "otlp", "-o", "/proc/nowhere/x"], 2, "/proc/nowhere/x cannot be written"),
    ],
)
def test_what_cannot_be_exported_is_said(home: dict[str, str], words: list[str], code: int, said: str) -> None:
    """Its exit code, and a line without a traceback."""
    done = fleet({**home, "COLUMNS": "200"}, *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_superbench_gets_a_line_for_each_host() -> None:
    """`node` and `benchmark/metric:rank`; a host that failed has a return code and no figures."""
    log = run_log(observations=2)
    host = log.inventory.hosts[0]
    inventory = replace(log.inventory, hosts=(host, replace(host, name="far")))
    survey = replace(log.survey, failures=(Failure(host="far", stage="survey", message="no route"),))
    log = replace(log, inventory=inventory, survey=survey)
    box, far = map(json.loads, results_summary(exported(log)).splitlines())
    assert (box["node"], box["fleet/return_code"], far) == ("box", 0, {"node": "far", "fleet/return_code": 1})
    assert box["fleet/prove_seconds:0"] == pytest.approx(1 / 3)
    assert box["fleet/agent_work_per_second:0"] == pytest.approx(2**21)
    assert "fleet/prove_seconds:1" not in box


def test_a_commands_figures_are_in_its_unit() -> None:
    """Rates are in the operator's unit, and what failed the gate is in no figure."""
    log = run_log()
    command = CommandSettings(words=("x", "{b}"), unit="frames", knobs=(Knob(name="b", values=("1",) * 21),))
    failed = replace(observation(2), outcome=Outcome.FAILED, cause="x")
    seen = (observation(0), observation(1), failed)
    one = exported(replace(log, inventory=replace(log.inventory, command=command), observations=seen))
    assert one.unit == "frames"
    assert one.rate(2**21) == pytest.approx(2**21 / 1000)
    trials = TABLES["trials"](one)
    names = [field.name for field in trials.fields]
    rates = [row[names.index("rate")] for row in trials.rows]
    assert rates == [pytest.approx(2097.152), pytest.approx(2097.152), None]
    assert [row[names.index("refused")] for row in trials.rows] == [None, None, "failed"]
