"""`bento_cli -c N` or `-f ELF -i INPUT`: stands in for Bento's own; submits a job, waits for it, logs as it does.

An input that is a program's is the number of the synthetic guest's iterations here.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from fleet.lab.bento import plane
from fleet.lab.bento.says import say

_POLL = 0.1


def main() -> int:
    """Submit, wait; 1 where the job fails."""
    parser = argparse.ArgumentParser(prog="bento_cli", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("-c", "--iter-count", type=int)
    which.add_argument("-f", "--elf-file", type=Path)
    parser.add_argument("-i", "--input-file", type=Path)
    options = parser.parse_args()
    iterations = options.iter_count or int(options.input_file.read_text("ascii"))
    with plane.connected() as database:
        job = plane.submitted(database, iterations)
        say(f"STARK job_id: {job}")
        while (state := plane.state_of(database, job))[0] == "running":
            time.sleep(_POLL)
    if state[0] != "done":
        say(f"Job failed: {state[1]}", "ERROR")
        return 1
    say("Job done!")
    return 0


if __name__ == "__main__":
    sys.exit(main())
