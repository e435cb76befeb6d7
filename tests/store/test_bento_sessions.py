"""A job as the REST API tells of it: what it says is taken, what is none of its answers is one line."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from http_answers import answering

from fleet.errors import ConfigurationError
from fleet.workload.bento.records.past import DatabaseError
from fleet.workload.bento.sessions import Session, SessionState, session

JOB = UUID("077270bd-18e0-4824-8035-20758b6dce49")


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (
            {
                "status": "SUCCEEDED",
                "receipt_url": "http://x",
                "error_msg": None,
                "elapsed_time": None,
                "stats": {"cycles": 7, "segments": 9, "total_cycles": 8_650_752},
            },
            Session(state=SessionState.SUCCEEDED, error="", segments=9, user_cycles=7, total_cycles=8_650_752),
        ),
        (
            {"status": "FAILED", "error_msg": "\x1b[31mOutOfMemory", "stats": None},
            Session(state=SessionState.FAILED, error="OutOfMemory", segments=None, user_cycles=None, total_cycles=None),
        ),
    ],
)
def test_what_it_tells(told: object, found: Session) -> None:
    """State and counts; an error without its control characters; one GET of the job's own path."""
    with answering(200, json.dumps(told).encode()) as (port, asked):
        assert session(f"http://127.0.0.1:{port}/", JOB) == found
    assert [line.split()[1] for line in asked] == [f"/sessions/status/{JOB}"]


def test_a_job_that_it_does_not_know() -> None:
    with answering(404, b"no such job") as (port, _):
        assert session(f"http://127.0.0.1:{port}", JOB) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (200, b"<html>"),
        (200, b"[" * 100_000),
        (200, b'{"status": "DANCING"}'),
        (200, b'{"status": "RUNNING", "stats": {"segments": -1}}'),
        (200, b'{"status": "RUNNING", "stats": {"segments": true}}'),
        (200, b'{"status": "RUNNING", "error_msg": 5}'),
        (200, b'{"status": "RUNNING", "error_msg": "' + b"x" * 100_000 + b'"}'),
    ],
)
def test_what_is_no_answer_of_it(status: int, body: bytes) -> None:
    """One line; nothing is made of it."""
    with answering(status, body) as (port, _), pytest.raises(DatabaseError, match="no answer of Bento's API") as caught:
        session(f"http://127.0.0.1:{port}", JOB)
    assert str(caught.value).isprintable()


def test_nobody_there_and_no_url() -> None:
    with pytest.raises(DatabaseError, match="does not answer"):
        session("http://127.0.0.1:1", JOB)
    for text in ("127.0.0.1:8081", "ftp://x", "http://user:hunter2@x"):
        with pytest.raises(ConfigurationError, match="expected the API's URL") as caught:
            session(text, JOB)
        assert "hunter2" not in str(caught.value)
        assert caught.value.exit_code == 2
