"""How late a lab's emulated cards were in a trial, as the agents that stand in for Bento's say in their logs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.ports import Transport

_SECONDS = 30.0
# Each task's line is `… emulated: late 0.001 of 0.060 s`, in real seconds.
_SUMS = """\
since=$1; shift
for id do docker logs --since "$since" "$id" 2>/dev/null; done |
awk '/ emulated: late [0-9.]+ of [0-9.]+ s$/ { late += $(NF - 3); work += $(NF - 1) }
END { printf "%.6f %.6f", late, work }'
"""


def lateness(transport: Transport, host: Host, containers: Sequence[str], since: int) -> float | None:
    """Of the agents' time at work, the part beyond what was declared for it; None where nobody says. HostError.

    `containers`: those on the host that are looked at; `since`: Unix seconds of its clock.
    """
    words = ("/bin/sh", "-c", _SUMS, "sh", str(since), *containers)
    done = transport.run(host, Command(argv=words, timeout=_SECONDS, sudo=host.login.sudo))
    sums = re.fullmatch(r"([0-9]{1,9}\.[0-9]{6}) ([0-9]{1,9}\.[0-9]{6})", done.stdout.decode(errors="replace"))
    return float(sums[1]) / float(sums[2]) if sums is not None and float(sums[2]) else None
