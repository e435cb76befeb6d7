"""How late a lab's emulated cards were in a trial, as the agents that stand in for Bento's say in their logs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.ports import Transport

_SECONDS = 30.0
# Each task's line is `… emulated: late 0.001 of 0.060 s`, in real seconds.
_SUMS = """\
for id in $(docker ps -aq --filter "label=com.docker.compose.project=$1"); do
    docker logs --since "$2" "$id" 2>/dev/null
done |
    awk '/ emulated: late [0-9.]+ of [0-9.]+ s$/ { late += $(NF - 3); work += $(NF - 1) }
        END { printf "%.6f %.6f", late, work }'
"""
_SAID = re.compile(r"([0-9]{1,9}\.[0-9]{6}) ([0-9]{1,9}\.[0-9]{6})")


def lateness(transport: Transport, projects: Iterable[tuple[Host, str]], seconds: float) -> float | None:
    """Of all agents' time at work, the part beyond what was declared for it; None where nobody says. HostError.

    `projects`: each host, and the Compose project of its agents; `seconds`: how long ago the trial began.
    """
    late = work = 0.0
    for host, project in projects:
        words = ("/bin/sh", "-c", _SUMS, "sh", project, f"{seconds:.1f}s")
        done = transport.run(host, Command(argv=words, timeout=_SECONDS, sudo=host.login.sudo))
        if said := _SAID.fullmatch(done.stdout.decode(errors="replace")):
            late, work = late + float(said[1]), work + float(said[2])
    return late / work if work else None
