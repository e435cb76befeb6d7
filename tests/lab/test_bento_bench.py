"""A Bento on this machine, measured by the whole command: real Docker Engine, Compose, PostgreSQL; emulated cards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bento_labs
import compose_plugin
import psycopg  # noqa: TID251 (a second client of the database that is disturbed)
import pytest
from bento_labs import FLEET, Lab

from fleet.lab.bento import files

INVENTORY = Path(__file__).parents[2] / "inventory" / "bento-lab.yaml"
DATABASE = "bento-lab-postgres-1"
URL = f"postgresql://{files.USER}:{files.PASSWORD}@127.0.0.11:{files.DATABASE_PORT}/{files.DATABASE}"
AT_WORK = "SELECT FROM tasks WHERE task_id <> 'init' AND state IN ('pending', 'ready', 'running')"
STATE = "SELECT state::text FROM jobs WHERE id = %s"
NOTHING_ENDS = """
  CREATE OR REPLACE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
  CREATE OR REPLACE TRIGGER held BEFORE UPDATE ON tasks FOR EACH ROW WHEN ({}) EXECUTE FUNCTION held();
"""
DONE = "NEW.state = 'done'"
UNENDED = "SELECT id::text FROM jobs WHERE state = 'running'"
pytestmark = bento_labs.marks("psql", "postgresql")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The shipped inventory's lab, with Compose v2."""
    folder, plugin = tmp_path_factory.mktemp("bento-lab"), compose_plugin.got(request)
    with bento_labs.kept(folder, INVENTORY.read_text(), compose=plugin) as up:
        yield up


def within(seconds: float, lab: Lab, wanted: dict[str, tuple[str, str]]) -> bool:
    until = time.monotonic() + seconds
    while (found := lab.containers()) != wanted:
        if time.monotonic() > until:
            raise AssertionError((found, wanted))
        time.sleep(0.5)
    return True


def asked(question: str, *values: object) -> list[tuple[object, ...]]:
    with psycopg.connect(URL, autocommit=True) as database:
        return database.execute(question.encode(), values).fetchall()


def done(statement: str) -> None:
    with psycopg.connect(URL, autocommit=True) as database:
        database.execute(statement.encode())


def some(question: str, *values: object) -> list[tuple[object, ...]]:
    """The rows, once there are any."""
    until = time.monotonic() + 120
    while not (rows := asked(question, *values)):
        assert time.monotonic() < until, question
        time.sleep(0.05)
    return rows


@contextmanager
def little_room(lab: Lab) -> Iterator[None]:
    """The task database's disk is full but for a few rows: a job begins, and cannot go on."""
    words = ("nsenter", "-m", "-t", str(lab.main_process(DATABASE)), "sh", "-ec")
    full = "dd if=/dev/zero of=/tmp/filler bs=4k 2>/dev/null || truncate -s -16k /tmp/filler"
    subprocess.run(
        [*words, "mount -o remount,size=4m /tmp; mkdir /tmp/small; chown $(stat -c %u:%g /data) /tmp/small"], check=True
    )
    with psycopg.connect(URL, autocommit=True) as database:
        database.execute("CREATE TABLESPACE small LOCATION '/tmp/small'")
        database.execute("ALTER TABLE tasks SET (fillfactor = 10)")  # each row or two wants room of its own
        database.execute("ALTER TABLE tasks SET TABLESPACE small")
        database.execute("VACUUM FULL tasks")  # pages that earlier jobs have left empty would be room
    subprocess.run([*words, full], check=True)
    try:
        yield
    finally:
        subprocess.run([*words, "rm /tmp/filler"], check=True)


def test_a_bento_is_measured_to_the_known_verdict_and_put_back(lab: Lab) -> None:
    """Broker stopped and started, agents set aside and started, the same containers; the operator's files as before.

    Its head was sampled meanwhile, and nothing of that is left there.
    """
    before, texts = lab.containers(), lab.files()
    assert before["bento-lab-broker-1"][1] == "running"
    said = lab.fleet("bench", str(lab.inventory), "--json", "--repeats", "2", "--trials", "8")
    assert said.returncode == 0, said.stderr
    report = json.loads(said.stdout)
    assert report["verdict"]["choice"] == "tune", said.stdout[:2000]
    assert "out of memory: ceiling" in said.stderr
    assert "no telemetry" not in said.stderr
    assert not {line for line in report["caveats"] if "telemetry" in line}
    assert lab.containers() == before
    assert lab.files() == texts
    assert not [*(lab.hosts / "box").glob("fleet-*"), *(lab.hosts / "box").glob("spool")]


def test_a_controller_killed_in_a_trial_leaves_a_bento_that_is_put_back(lab: Lab) -> None:
    """Its job is ended, whose id the head has written down, and no job of anybody else's is.

    Its first trial has failed, in one clear line, as the task database was killed in the middle of its job.
    """
    before, texts = lab.containers(), lab.files()
    database = lab.main_process(DATABASE)
    words = [*FLEET, "bench", str(lab.inventory), "--trials", "4"]
    with subprocess.Popen(words, env=lab.home, stderr=subprocess.PIPE, text=True) as controller:
        assert controller.stderr is not None
        lines = []
        for line in controller.stderr:
            lines.append(line)
            if "trial 1: warm-up" in line:
                some(AT_WORK)
                os.kill(database, signal.SIGKILL)
            if "trial 2" in line:  # the first is over
                break
        done(NOTHING_ENDS.format(DONE))
        ((ours,),) = some(UNENDED)
        controller.send_signal(signal.SIGKILL)
    assert lab.containers()["bento-lab-broker-1"][1] == "exited"
    assert [line for line in lines if "failed: warm-up" in line and "the task database went away" in line], lines
    done(NOTHING_ENDS.format(f"{DONE} AND NEW.job_id = '{ours}'"))  # nor can it come to its own end meanwhile
    ((others,),) = asked('SELECT make_job(\'{"Executor": {"iterations": 32}}\')::text')
    refused = lab.fleet("restore", str(lab.inventory))  # nobody knows yet that it is dead
    assert (refused.returncode, "a run is under way on it" in refused.stderr + refused.stdout) == (3, True)
    said = lab.fleet("restore", str(lab.inventory), "--insist", "--json")
    assert said.returncode == 0, said.stderr + said.stdout
    ended = [report["summary"] for report in json.loads(said.stdout)["reports"] if "end job" in report["summary"]]
    assert ended == [f"end job {ours}, left by a run of fleet"]
    assert asked(STATE, ours) == [("failed",)]
    done("DROP FUNCTION held CASCADE")
    assert within(120, lab, before)
    assert some(f"{STATE} AND state <> 'running'", others) == [("done",)]
    assert lab.files() == texts


def test_a_full_database_ends_its_trial_with_what_happened(lab: Lab) -> None:
    """All is put back; jobs that could not be ended in it are named."""
    before, texts = lab.containers(), lab.files()
    with little_room(lab):
        said = lab.fleet("bench", str(lab.inventory), "--trials", "1")
        left = [str(job) for (job,) in asked(UNENDED)]
    failed = [line for line in said.stderr.splitlines() if "failed: warm-up" in line]
    assert len(failed) == 1, said.stderr
    assert "no room is left for the stack's work" in failed[0]
    assert "No space left on device" in failed[0]
    assert all(job in said.stderr for job in left), (left, said.stderr)
    assert within(120, lab, before)
    assert lab.files() == texts
