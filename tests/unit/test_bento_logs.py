"""What Bento's logs and its containers' states are taken for."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.record import Outcome
from fleet.workload.bento.logs import job_of, trouble_in
from fleet.workload.bento.wards import Look, read, restarted, trouble

JOB = "077270bd-18e0-4824-8035-20758b6dce49"
ONE, TWO = "a" * 64, "b" * 64
SINCE, LATER = "2026-07-01T10:00:00.5Z", "2026-07-01T10:00:09.25Z"


def state(name: str, restarts: int = 0, status: str = "running", killed: str = "false", started: str = SINCE) -> str:
    return f"={name} {restarts} {status} {killed} 101 {started}\n"


def look(*lines: str) -> Look:
    return read("".join(lines) + "now=1782900000\n")


BEFORE = look(state(ONE), state(TWO))


@pytest.mark.parametrize(
    "line",
    [
        f"2026-07-01T10:00:00.1Z  INFO bento_cli: STARK job_id: {JOB}",
        f"\x1b[2m2026\x1b[0m \x1b[32mINFO\x1b[0m STARK job_id: {JOB.upper()}",
        f"STARK job_id: {JOB}, image 0xabc",
    ],
)
def test_a_job_is_named_once(line: str) -> None:
    assert job_of(line) == UUID(JOB)


@pytest.mark.parametrize(
    "line",
    [
        f"STARK job_id: {JOB}0",
        f"STARK job_id: {JOB[:-1]}",
        f"STARK job_id: {JOB.replace('-', '')}",
        f"STARK job_id: {{{JOB}}}",
        "STARK job_id: '; DROP TABLE jobs; --",
        f"SNARK job_id: {JOB}",
        f"job {JOB} done",
        "",
    ],
)
def test_what_is_no_job_is_none(line: str) -> None:
    assert job_of(line) is None


@given(st.text())
def test_whatever_a_log_says_it_is_a_job_or_none(text: str) -> None:
    found = job_of(f"STARK job_id: {text}")
    assert found is None or str(found) in text.lower()


@pytest.mark.parametrize(
    "lines",
    [
        ["thread 'main' panicked at prove.rs:57:", "called `Result::unwrap()` on an `Err` value: OutOfMemory"],
        ["called Result::unwrap() on an Err value: OutOfMemory"],
        ['panicked at hal/cuda.rs:1: cudaGetLastError() failed: "out of memory"'],
    ],
)
def test_memory_is_told_in_both_shapes(lines: list[str]) -> None:
    """A panic comes with it, and is not what it is called."""
    found = trouble_in(lines)
    assert found is not None
    assert found.outcome is Outcome.OUT_OF_MEMORY


def test_another_panic_is_a_failure() -> None:
    found = trouble_in(["INFO Starting proof", "thread 'main' panicked at src/lib.rs:3:9: no route to host\x07"])
    assert found is not None
    assert found.outcome is Outcome.FAILED
    assert found.cause == "an agent panicked at src/lib.rs:3:9: no route to host"
    assert trouble_in(["INFO Completed proof", "WARN memory is fine"]) is None


@pytest.mark.parametrize(
    "line",
    [
        'psycopg.errors.DiskFull: could not extend file "base/16384/16391": No space left on device',
        'ERROR: could not extend file "pg_tblspc/1/2_fsm": wrote only 4096 of 8192 bytes at block 0',
        "OOM command not allowed when used memory > 'maxmemory'.",
        "ERROR OOM: command not allowed when used memory > 'maxmemory'.",
        "redis.exceptions.OutOfMemoryError: command not allowed when used memory > 'maxmemory'.",
    ],
)
def test_a_task_database_without_room_is_no_cards_memory(line: str) -> None:
    """PostgreSQL's disk, Redis' memory: agents repeat what it says, and die of it."""
    found = trouble_in([line, "thread 'main' panicked at src/lib.rs:3:9: no room"])
    assert found is not None
    assert found.outcome is Outcome.FAILED
    assert found.cause == f"no room is left for the stack's work: {line}"


def test_containers_that_stay_as_they_are_are_no_trouble() -> None:
    assert trouble(BEFORE, look(state(TWO), state(ONE))) is None
    assert restarted(BEFORE, BEFORE) == ()


def test_a_restart_spoils_a_trial() -> None:
    """By the engine (its count), or by somebody (its start): what it had claimed hangs until it times out."""
    for after in (look(state(ONE, restarts=1), state(TWO)), look(state(ONE, started=LATER), state(TWO))):
        found = trouble(BEFORE, after)
        assert found is not None
        assert found.outcome is Outcome.FAILED
        assert restarted(BEFORE, after) == (ONE,)


def test_a_loop_out_of_memory_is_out_of_memory() -> None:
    said = [
        "thread 'main' panicked at prove.rs:\n",
        "called `Result::unwrap()` on an `Err` value: OutOfMemory\n",
        "--\n",
    ]
    found = trouble(BEFORE, look(state(ONE, restarts=4, status="restarting"), state(TWO), *said))
    assert found is not None
    assert found.outcome is Outcome.OUT_OF_MEMORY


def test_a_container_killed_for_its_limit_is_out_of_memory() -> None:
    found = trouble(BEFORE, look(state(ONE, restarts=1, killed="true"), state(TWO)))
    assert found is not None
    assert found.outcome is Outcome.OUT_OF_MEMORY
    assert "mem_limit" in found.cause


def test_a_container_that_is_gone_spoils_a_trial() -> None:
    found = trouble(BEFORE, look(state(ONE)))
    assert found is not None
    assert found.cause == f"container {TWO[:12]} is gone"


def test_a_log_cannot_pass_for_a_state() -> None:
    """A line that only looks like one is a line of a log."""
    seen = read(f"={ONE} 0 running false 0 {SINCE} and more\n={ONE[:-1]} 0 running false 0 {SINCE}\nnow=x\n")
    assert seen.wards == ()
    assert len(seen.lines) == 3
