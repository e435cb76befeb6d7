"""A job as the REST API tells of it: what it says is taken, what is none of its answers is one line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import UUID

import pytest

from fleet.errors import ConfigurationError
from fleet.workload.bento.past import DatabaseError
from fleet.workload.bento.sessions import Session, SessionState, session

JOB = UUID("077270bd-18e0-4824-8035-20758b6dce49")


@contextmanager
def api(status: int, body: bytes) -> Iterator[tuple[str, list[str]]]:
    """The URL of a server that answers every GET alike, and the paths that were asked for."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            serving.join()


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
    with api(200, json.dumps(told).encode()) as (url, asked):
        assert session(f"{url}/", JOB) == found
    assert asked == [f"/sessions/status/{JOB}"]


def test_a_job_that_it_does_not_know() -> None:
    with api(404, b"no such job") as (url, _):
        assert session(url, JOB) is None


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
    with api(status, body) as (url, _), pytest.raises(DatabaseError, match="no answer of Bento's API") as caught:
        session(url, JOB)
    assert str(caught.value).isprintable()


def test_nobody_there_and_no_url() -> None:
    with pytest.raises(DatabaseError, match="does not answer"):
        session("http://127.0.0.1:1", JOB)
    for text in ("127.0.0.1:8081", "ftp://x", "http://user:hunter2@x"):
        with pytest.raises(ConfigurationError, match="expected the API's URL") as caught:
            session(text, JOB)
        assert "hunter2" not in str(caught.value)
        assert caught.value.exit_code == 2
