"""Whether the agents of every host of a layout had part in jobs, as their logs tell: no task names its agent.

A good trial must not be lost to a log: a host is called absent only where the logs together name the jobs for every
segment, and its own is one that would. Terse logs, unreadable ones, and hosts that do not answer tell nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from uuid import UUID

from fleet.errors import HostError
from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.ports import Transport

SEGMENTS_EACH = 2
"""Segments for each agent; of jobs with fewer, some agents may come away empty-handed."""
_SECONDS = 30.0
# How many lines name a job: Bento says a word of each segment that is begun, at the level INFO. What is no container's
# number is a Compose project's name. The second look is for a clock that was set meanwhile, and for whether such words
# are in the log at all: an agent says some as it starts.
_COUNT = """\
since=$1; jobs=$2; shift 2
case $1 in project=*)
    ids=$(docker ps -aq --filter "label=com.docker.compose.$1") || exit 1
    set -- $ids
esac
said() { how=$1; shift; for id do docker logs "$how" "$id" 2>&1; done; }
count=$(said "--since=$since" "$@" | grep -a -c -F -e "$jobs")
if [ "$count" -eq 0 ] && [ "$#" -gt 0 ]; then
    count=$(said --tail=2000 "$@" | grep -a -c -F -e "$jobs")
    if [ "$count" -eq 0 ]; then said --tail=2000 "$@" | grep -a -q -F -e INFO || exit 1; fi
fi
echo "$count"
"""


def absent(
    transport: Transport,
    agents: Iterable[tuple[Host, Sequence[str]]],
    jobs: Sequence[UUID],
    segments: int,
    seconds: float,
) -> tuple[str, ...]:
    """The hosts whose agents took no task of the jobs, of `segments` together; none where that cannot be told.

    `agents`: each host with its proving agents' containers, or `project=NAME`; `seconds`: how long ago they began.
    """
    named: dict[str, int] = {}
    for host, which in agents:
        words = ("/bin/sh", "-c", _COUNT, "sh", f"{seconds:.1f}s", "\n".join(map(str, jobs)), *which)
        with suppress(HostError, ValueError):
            done = transport.run(host, Command(argv=words, timeout=_SECONDS, sudo=host.login.sudo))
            named[host.name] = int(done.stdout)
    return tuple(name for name, lines in named.items() if not lines) if sum(named.values()) >= segments else ()
