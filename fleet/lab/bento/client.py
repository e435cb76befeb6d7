"""`bento_cli -c N` or `-f ELF -i INPUT`: stands in for Bento's own; submits a job, waits for it, logs as it does.

It knows the REST API only. An input that is a program's is the number of the synthetic guest's iterations here.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fleet.lab.bento.says import say

_POLL = 0.1
_PATIENCE = 60.0
_OK = 200


def main() -> int:
    """Submit, wait; 1 where the job fails."""
    parser = argparse.ArgumentParser(prog="bento_cli", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("-c", "--iter-count", type=int)
    which.add_argument("-f", "--elf-file", type=Path)
    parser.add_argument("-i", "--input-file", type=Path)
    parser.add_argument("-t", "--endpoint", default=os.environ.get("BENTO_API_URL") or "http://localhost:8081")
    options = parser.parse_args()
    iterations = options.iter_count or int(options.input_file.read_text("ascii"))
    place = urlsplit(options.endpoint)
    line = http.client.HTTPConnection(place.hostname or "", place.port or 80, timeout=_PATIENCE)
    try:
        job = _asked(line, "POST", "/sessions/create", {"img": "", "input": str(iterations), "priority": "low"})["uuid"]
        say(f"STARK job_id: {job}")
        while (told := _asked(line, "GET", f"/sessions/status/{job}"))["status"] == "RUNNING":
            time.sleep(_POLL)
    except (OSError, http.client.HTTPException) as error:
        say(f"Failed to get STARK status: {error}", "ERROR")
        return 1
    if told["status"] != "SUCCEEDED":
        say(f"Job failed: {job} - {told['error_msg']}", "ERROR")
        return 1
    say("Job done!")
    return 0


def _asked(line: http.client.HTTPConnection, method: str, path: str, what: object = None) -> dict[str, Any]:
    """What the API answers. OSError where it does not, or not to that."""
    line.request(method, path, None if what is None else json.dumps(what), {"Content-Type": "application/json"})
    answer = line.getresponse()
    said = answer.read()
    if answer.status != _OK:
        raise OSError(f"{path}: status {answer.status}")
    return dict(json.loads(said))


if __name__ == "__main__":
    sys.exit(main())
