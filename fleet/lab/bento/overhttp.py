"""The current stack's work as its proving agents get it: asked of the REST API, which lets them wait for it.

They need nothing but that one port: what comes of a task travels over it, too.
"""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

from fleet.lab.bento.hashes import claim_of, hot_key
from fleet.lab.bento.plane import Claim

_OK = range(200, 300)
_PATIENCE = 60.0


class OverHttp:
    """A connection to the API, kept open. OSError where it does not answer."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._line = http.client.HTTPConnection(place.hostname or "", place.port or 80, timeout=_PATIENCE)

    def claimed(self, stream: str, pause: float) -> Claim | None:
        """A task, and what those before it left; None where the API had none for so long."""
        found = json.loads(self._ask("POST", f"/worker/gpu/tasks/claim/{stream}?wait_timeout_secs={pause:.4f}"))
        if found is None:
            return None
        job, task = str(found["job_id"]), str(found["task_id"])
        inputs = [self._ask("GET", f"/worker/hot/{hot_key(job, each)}") for each in found["prereqs"]]
        return claim_of(job, task, found["task_def"], inputs)

    def finished(self, claim: Claim, output: dict[str, object]) -> None:
        """Leave what came of a task to those who wait for it, then say that it is done."""
        left = json.dumps(output["digest"]).encode()
        self._ask("PUT", f"/worker/hot/{hot_key(claim.job, claim.task)}", left)
        self._ask("POST", f"/worker/gpu/tasks/{claim.job}/{claim.task}/done", json.dumps({"output": output}).encode())

    def failed(self, claim: Claim, why: str) -> None:
        """Say that a task cannot be done."""
        self._ask("POST", f"/worker/gpu/tasks/{claim.job}/{claim.task}/failed", json.dumps({"error": why}).encode())

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._line.request(method, path, body, {"Content-Type": "application/json"})
        answer = self._line.getresponse()
        said = answer.read()
        if answer.status not in _OK:
            raise OSError(f"{path}: status {answer.status}")
        return said
