"""`rest_api`: stands in for Bento's REST API as far as jobs go. No login, as the real one has none of its own.

Both stacks' clients make jobs by it and ask how they stand; the current one's proving agents get their work by it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from fleet.lab.bento import plane, scene
from fleet.lab.bento.hashes import Hashes
from fleet.lab.bento.plane import Claim, Office
from fleet.lab.bento.says import say

_STATES = {"running": "RUNNING", "done": "SUCCEEDED", "failed": "FAILED"}
_LONGEST_WAIT = 30.0

Answer = tuple[int, object]
_NONE: Answer = (404, {"type": "not_found", "msg": "no such thing in this lab"})


def _health(_office: Callable[[], Office], _words: tuple[str, ...], _body: bytes) -> Answer:
    return 200, {}


def _create(office: Callable[[], Office], _words: tuple[str, ...], body: bytes) -> Answer:
    """Make a job. The real `input` names what was uploaded before; here it is the number of iterations itself."""
    return 200, {"uuid": office().submitted(int(json.loads(body)["input"]))}


def _status(office: Callable[[], Office], words: tuple[str, ...], _body: bytes) -> Answer:
    found = office().state_of(words[0])
    if found is None:
        return _NONE
    state, error = found
    told = {"status": _STATES[state], "error_msg": error or None, "elapsed_time": None, "receipt_url": None}
    figures = office().figures_of(words[0]) if state == "done" else {}
    names = {"cycles": "user_cycles", "segments": "segments", "total_cycles": "total_cycles"}
    stats = {name: figures.get(figure) for name, figure in names.items()} if figures else None
    return 200, told | {"stats": stats}


def _claim(office: Callable[[], Office], words: tuple[str, ...], _body: bytes) -> Answer:
    """Hand out a task, or wait for one as long as the agent says (its seconds are real ones)."""
    stream, query = words
    wait = float(parse_qs(query).get("wait_timeout_secs", ["0"])[0])
    found = _hashes(office).asked(stream, min(wait, _LONGEST_WAIT))
    if found is None:
        return 200, None
    job, task, said, before = found
    return 200, {"job_id": job, "task_id": task, "task_def": json.loads(said), "prereqs": json.loads(before)}


def _done(office: Callable[[], Office], words: tuple[str, ...], body: bytes) -> Answer:
    office().finished(_named(words), json.loads(body)["output"])
    return 200, {"updated": True}


def _failed(office: Callable[[], Office], words: tuple[str, ...], body: bytes) -> Answer:
    office().failed(_named(words), str(json.loads(body)["error"]))
    return 200, {"updated": True}


def _left(office: Callable[[], Office], words: tuple[str, ...], _body: bytes) -> Answer:
    found = _hashes(office).left(words[0])
    return _NONE if found is None else (200, found)


def _leave(office: Callable[[], Office], words: tuple[str, ...], body: bytes) -> Answer:
    _hashes(office).leave(words[0], body)
    return 204, b""


def _named(words: tuple[str, ...]) -> Claim:
    job, task = words
    return Claim(job=job, task=task, kind="", iterations=0, index=0, po2=0, inputs=())


def _hashes(office: Callable[[], Office]) -> Hashes:
    found = office()
    if not isinstance(found, Hashes):
        raise TypeError("the legacy stack's agents ask the database")
    return found


_JOB, _TASK = r"([0-9a-f-]{36})", r"([\w.-]{1,64})"
_ROUTES: tuple[tuple[str, re.Pattern[str], Callable[[Callable[[], Office], tuple[str, ...], bytes], Answer]], ...] = (
    ("GET", re.compile("/health"), _health),
    ("POST", re.compile("/sessions/create"), _create),
    ("GET", re.compile(f"/sessions/status/{_JOB}"), _status),
    ("POST", re.compile(r"/worker/gpu/tasks/claim/([a-z]{1,20})\?(.{0,100})"), _claim),
    ("POST", re.compile(f"/worker/gpu/tasks/{_JOB}/{_TASK}/done"), _done),
    ("POST", re.compile(f"/worker/gpu/tasks/{_JOB}/{_TASK}/failed"), _failed),
    ("GET", re.compile(r"/worker/hot/([\w:.-]{1,200})"), _left),
    ("PUT", re.compile(r"/worker/hot/([\w:.-]{1,200})"), _leave),
)


class _Door(BaseHTTPRequestHandler):
    """One connection, with a way to the task database of its own as soon as it asks for something there."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Ask."""
        self._answer()

    def do_POST(self) -> None:
        """Have something done."""
        self._answer()

    def do_PUT(self) -> None:
        """Leave something."""
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's own signature)
        """Say nothing of each request."""

    @cached_property
    def _office(self) -> Office:
        return plane.office(scene.read().time_scale)

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        routes = ((path.fullmatch(self.path), route) for method, path, route in _ROUTES if method == self.command)
        matched = ((found, route) for found, route in routes if found)
        status, what = next(
            (route(lambda: self._office, tuple(found.groups()), body) for found, route in matched), _NONE
        )
        raw = isinstance(what, bytes)
        said = what if isinstance(what, bytes) else json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream" if raw else "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)


def main() -> int:
    """Serve until it is ended."""
    host, _, port = (os.environ.get("API_LISTEN") or "127.0.0.1:8081").rpartition(":")
    say(f"REST API on {host}:{port} (a stand-in of fleet's lab)")
    ThreadingHTTPServer((host, int(port)), _Door).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
