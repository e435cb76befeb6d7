"""A job as the REST API tells of it: its state and what it came to, asked by one GET, read strictly.

Both stacks have it. It tells no time that a job took: for that the task database is read.
"""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit
from uuid import UUID

from fleet.errors import ConfigurationError
from fleet.plan.shell.quoting import tame
from fleet.workload.bento.records.past import DatabaseError

SECONDS = 10.0
"""The API has jobs to run: an answer that takes longer is none."""

_MOST = 64 * 2**10
_OK, _UNKNOWN = 200, 404


class SessionState(StrEnum):
    """The API's own words."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A job. Counts are None until its first task has told them; `error` is empty where there is none."""

    state: SessionState
    error: str
    segments: int | None
    user_cycles: int | None
    total_cycles: int | None


def session(api: str, job: UUID) -> Session | None:
    """The job as the API at a URL has it; None where it knows no such job.

    ConfigurationError for what is no URL; DatabaseError where nothing answers, or what answers is no such API.
    """
    url = urlsplit(api)
    if url.scheme not in ("http", "https") or not url.hostname or url.username or url.query:
        raise ConfigurationError("expected the API's URL, such as http://127.0.0.1:8081, without a user or a query")
    status, body = _asked(api, f"{url.path.rstrip('/')}/sessions/status/{job}")
    if status == _UNKNOWN:
        return None
    try:
        told = json.loads(body) if status == _OK and len(body) <= _MOST else None
    except (ValueError, RecursionError):
        told = None
    found = _session(told) if isinstance(told, dict) else None
    if found is None:
        raise DatabaseError(f"{api}: no answer of Bento's API, status {status}", hint="is `bento.api` its URL?")
    return found


def _asked(api: str, path: str) -> tuple[int, bytes]:
    url = urlsplit(api)
    host = url.hostname or ""
    line = (
        http.client.HTTPSConnection(host, url.port, timeout=SECONDS, context=ssl.create_default_context())
        if url.scheme == "https"
        else http.client.HTTPConnection(host, url.port, timeout=SECONDS)
    )
    with closing(line):
        try:
            line.request("GET", path, headers={"Accept": "application/json"})
            answer = line.getresponse()
            return answer.status, answer.read(_MOST + 1)
        except (OSError, http.client.HTTPException) as error:
            said = tame(str(error), 120) or type(error).__name__
            raise DatabaseError(f"{api}: Bento's API does not answer: {said}", hint="is rest_api up?") from None


def _session(told: dict[str, object]) -> Session | None:
    """What was told, where it is what the API tells."""
    state, error, stats = told.get("status"), told.get("error_msg"), told.get("stats")
    if state not in set(SessionState) or not isinstance(error, str | None) or not isinstance(stats, dict | None):
        return None
    counts = [(stats or {}).get(key) for key in ("segments", "cycles", "total_cycles")]
    if not all(count is None or (type(count) is int and 0 <= count < 2**63) for count in counts):
        return None
    segments, user_cycles, total_cycles = counts
    return Session(
        state=SessionState(str(state)),
        error=tame(error or "", 300),
        segments=segments,
        user_cycles=user_cycles,
        total_cycles=total_cycles,
    )
