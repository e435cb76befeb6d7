"""Jobs that fleet submitted on a head, written down there, so that whoever comes next can end those of a killed run.

What runs bento_cli keeps the line in which it names its job, in a file of the run's. So exactly these can be ended, and
no job of the operator's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from uuid import UUID

from fleet.errors import CommandError
from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.model.record import TaskState
from fleet.plan.shell.journal import folder_of
from fleet.ports import Transport
from fleet.workload.bento.logs import job_of
from fleet.workload.bento.records.reading import AnyLookout

KILLED = "given up by fleet: the run that it was of was killed"
"""What stands in the task database with jobs that were found like this."""

_SECONDS = 30.0
_MOST = 2**20
_RUN = re.compile(r"([0-9]{8}T[0-9]{12}-[0-9a-f]{8}):(.*)")
# It is written down whether or not anybody still listens; after that there is nothing to be kept.
_RECORDING = """\
record=$1; shift
trap '' PIPE
umask 077
mkdir -p -- "${record%/*}" 2>&1 || exit 1
"$@" 2>&1 </dev/null | {
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in *job_id*) printf '%s\\n' "$line" >>"$record" ;; esac
        printf '%s\\n' "$line"
        case $line in *job_id*) break ;; esac
    done
    exec cat
} 2>/dev/null
"""
# A run whose watch still waits for it may be alive. Of very many jobs the last count: a run is at one trial at a time.
_LEFT = """\
cd -- "$1" 2>/dev/null || exit 0
for run in *; do
    [ -f "$run" ] || continue
    [ "$2" = every ] || [ ! -d "../watch-$run/beats" ] || continue
    grep -aH job_id "$run" | tail -n 100
done | cut -c 1-1000 | tail -n 1000
exit 0
"""
_FORGET = """\
cd -- "$1" 2>/dev/null || exit 0
shift
rm -f -- "$@"
cd .. && rmdir -- "$OLDPWD" 2>/dev/null
exit 0
"""


def _folder(head: Host) -> str:
    """Where the head keeps them: its user's, whoever Docker answers to."""
    return f"{folder_of(head, root=False)}/bento-jobs"


def recording(head: Host, run: str) -> tuple[str, ...]:
    """The words before those that run bento_cli on the head: both its streams come out, the job is kept for the run."""
    return ("/bin/sh", "-c", _RECORDING, "sh", f"{_folder(head)}/{run}")


def left(transport: Transport, head: Host, *, every: bool) -> Mapping[str, tuple[UUID, ...]]:
    """The jobs that were written down there, by their runs. `every`: also of runs that may be at work. HostError."""
    words = ("/bin/sh", "-c", _LEFT, "sh", _folder(head), "every" if every else "dead")
    done = transport.run(head, Command(argv=words, timeout=_SECONDS))
    if done.exit_status or len(done.stdout) > _MOST:
        raise CommandError("what runs of fleet have left there cannot be read", host=head.name)
    found: dict[str, tuple[UUID, ...]] = {}
    for line in done.stdout.decode(errors="replace").splitlines():
        if (match := _RUN.fullmatch(line)) is not None and (job := job_of(match[2])) is not None:
            found[match[1]] = (*found.get(match[1], ()), job)
    return found


def forget(transport: Transport, head: Host, runs: Sequence[str]) -> None:
    """Strike these runs out. HostError."""
    words = ("/bin/sh", "-c", _FORGET, "sh", _folder(head), *runs)
    transport.run(head, Command(argv=words, timeout=_SECONDS))


def at_work(lookout: AnyLookout, jobs: Sequence[UUID]) -> tuple[UUID, ...]:
    """Those of the jobs that are not over. DatabaseError."""
    states = lookout.states(jobs) if jobs else {}
    return tuple(job for job, (state, _) in states.items() if state == TaskState.RUNNING)


def end_left(transport: Transport, head: Host, lookout: AnyLookout, *, every: bool) -> tuple[UUID, ...]:
    """End what runs have left at work, and strike them out; the jobs that were ended. HostError, DatabaseError."""
    found = left(transport, head, every=every)
    if not found:
        return ()
    jobs = at_work(lookout, [job for named in found.values() for job in named])
    if jobs:
        lookout.give_up(jobs, KILLED)
    forget(transport, head, list(found))
    return jobs


def named(jobs: Sequence[UUID]) -> str:
    """The jobs as people are told of them."""
    what, whose = ("job", "it") if len(jobs) == 1 else ("jobs", "them")
    return f"{what} {', '.join(map(str, jobs))}: a run of fleet that was killed had left {whose} at work"
