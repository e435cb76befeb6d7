"""Whether the agents of every host of a layout had part in a job, as their logs tell: no task names its agent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.ports import Transport

_SECONDS = 30.0
# Whose log names a job has taken a task of it. What is no container's number is a Compose project's name.
_COUNT = """\
since=$1; jobs=$2; shift 2
case $1 in project=*) set -- $(docker ps -aq --filter "label=com.docker.compose.$1") ;; esac
for id do docker logs --since "$since" "$id" 2>&1; done | grep -a -c -F "$jobs"
exit 0
"""


def absent(
    transport: Transport, agents: Iterable[tuple[Host, Sequence[str]]], jobs: Sequence[UUID], seconds: float
) -> tuple[str, ...]:
    """The hosts whose agents took no task of the jobs; none where no host's logs name a job at all. HostError.

    `agents`: each host with its proving agents' containers, or `project=NAME`; `seconds`: how long ago it began.
    """
    named: dict[str, bool] = {}
    for host, which in agents:
        if which:
            words = ("/bin/sh", "-c", _COUNT, "sh", f"{seconds:.1f}s", "\n".join(map(str, jobs)), *which)
            done = transport.run(host, Command(argv=words, timeout=_SECONDS, sudo=host.login.sudo))
            named[host.name] = done.stdout.strip() not in {b"0", b""}
    return tuple(name for name, there in named.items() if not there) if any(named.values()) else ()
