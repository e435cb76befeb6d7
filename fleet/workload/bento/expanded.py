"""A Bento cluster with workers elsewhere, measured: their agents run for the layouts that have them, for no others.

When the measuring is over they run, as they were found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

from fleet.errors import CommandError
from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.model.record import Observation
from fleet.model.trial import Trial
from fleet.ports import Transport, Workload

_SECONDS = 120.0
# An agent that has only just begun to ask for work would miss the first tasks.
_START = """\
ids=$(docker ps -aq --filter "label=com.docker.compose.project=$1") && [ -n "$ids" ] || exit 1
docker start $ids >/dev/null && sleep 3
"""
_STOP = """\
ids=$(docker ps -q --filter "label=com.docker.compose.project=$1") || exit 1
if [ -n "$ids" ]; then docker stop -t 100 $ids >/dev/null; fi
"""


def have_run(transport: Transport, host: Host, project: str, *, running: bool) -> None:
    """Start a worker's agents, or stop them: they finish the task that they are at. HostError where one cannot be."""
    argv = ("/bin/sh", "-c", _START if running else _STOP, "sh", project)
    done = transport.run(host, Command(argv=argv, timeout=_SECONDS, sudo=host.login.sudo))
    if done.exit_status:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[:200]
        verb = "started" if running else "stopped"
        raise CommandError(f"its agents cannot be {verb}", host=host.name, hint=said or None)


class WithWorkers:
    """A cluster's workload, and the workers whose agents come and go with its layouts."""

    def __init__(self, inner: Workload, transport: Transport, workers: Sequence[Host], project: str) -> None:
        self._inner = inner
        self._transport = transport
        self._workers = tuple(workers)
        self._project = project
        self._running = frozenset(host.name for host in workers)

    def __enter__(self) -> Self:
        """Enter the cluster. FleetError as it has it."""
        self._inner.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        """Have every worker's agents run again, and leave the cluster, whatever a worker says."""
        try:
            self._have_run(frozenset(host.name for host in self._workers))
        finally:
            self._inner.__exit__(*exc)

    def alive(self) -> frozenset[str]:
        """The head and the workers, while the cluster is held."""
        alive = self._inner.alive()
        return alive | {host.name for host in self._workers} if alive else alive

    def run(self, trial: Trial, progress: Callable[[int, int], None]) -> Observation:
        """Run one trial with the workers of its layout and no other. HostError where one cannot be made so."""
        self._have_run(frozenset(agent.host for agent in trial.layout.agents))
        return self._inner.run(trial, progress)

    def _have_run(self, wanted: frozenset[str]) -> None:
        for host in self._workers:
            if (host.name in wanted) is (host.name in self._running):
                continue
            have_run(self._transport, host, self._project, running=host.name in wanted)
            self._running ^= {host.name}
