"""`rest_api`: stands in for Bento's REST API as far as a session's state goes. No login, as the real one has none."""

from __future__ import annotations

import json
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fleet.lab.bento import plane
from fleet.lab.bento.says import say

_STATUS = re.compile(r"/sessions/status/([0-9a-f-]{36})")
_STATES = {"running": "RUNNING", "done": "SUCCEEDED", "failed": "FAILED"}


class _Door(BaseHTTPRequestHandler):
    """Answers GET /health and GET /sessions/status/ID."""

    def do_GET(self) -> None:
        """One answer."""
        if self.path == "/health":
            self._answer(200, {})
        elif found := _STATUS.fullmatch(self.path):
            with plane.connected() as database:
                state, error = plane.state_of(database, found[1])
            self._answer(200, {"status": _STATES[state], "error_msg": error or None, "elapsed_time": None})
        else:
            self._answer(404, {"error": "no such thing in this lab"})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's own signature)
        """Say nothing of each request."""

    def _answer(self, status: int, what: object) -> None:
        body = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> int:
    """Serve until it is ended."""
    host, _, port = (os.environ.get("API_LISTEN") or "127.0.0.1:8081").rpartition(":")
    say(f"REST API on {host}:{port} (a stand-in of fleet's lab)")
    ThreadingHTTPServer((host, int(port)), _Door).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
