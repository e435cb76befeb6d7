"""A run's hold on a cluster: isolated once, the operator's agents set aside once, then layout after layout."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from fleet.errors import CommandError
from fleet.model.bento import ALIVE, BentoSettings, Deployment, Part, Tuning
from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.model.trial import Layout
from fleet.plan.bento import changes
from fleet.plan.bento.override import LABEL
from fleet.plan.bento.rivals import Rivals
from fleet.plan.shell.program import Piece
from fleet.ports import Transport
from fleet.workload.bento.configuration import Configured, configured
from fleet.workload.bento.discover import ask, discover
from fleet.workload.bento.guard import Custody, Guard
from fleet.workload.bento.isolation import Consent, isolated
from fleet.workload.bento.means import Rig

_SECONDS = 60.0
_LINE = re.compile(r"([0-9a-f]{64}) ([\x21-\x7e]{0,200})")
_LIST = """\
docker ps -a --no-trunc --filter "label=com.docker.compose.project=$1" --format '{{.ID}} {{.Label "LABEL"}}'
""".replace("LABEL", LABEL)
_BESIDE = frozenset({Part.POSTGRES, Part.REDIS, Part.API, Part.FILES})
_CLEAR = """\
ids=$(docker ps -aq --filter "label=com.docker.compose.project=$1") || exit 1
if [ -n "$ids" ]; then docker rm -f $ids >/dev/null; fi
"""


@contextmanager
def held(
    transport: Transport, head: Host, settings: BentoSettings, custody: Custody, consent: Consent
) -> Iterator[Rig]:
    """The hold, for as long as this lasts; then all is put back.

    ConfigurationError without consent; ProvisionError, HostError.
    """
    found = discover(transport, head, settings)
    executing = sum(one.alive for one in found.services if one.part is Part.EXECUTE)
    tuning = Tuning(executors=max(1, executing))
    with (
        Guard(transport, head, custody) as guard,
        isolated(guard, found, consent) as rivals,
        ExitStack() as kept,
    ):
        yield _Rig(guard, found, tuning, rivals, kept)


class _Rig:
    """Layouts one after the other. The first sets the operator's agents aside; they are back when `kept` is left."""

    def __init__(self, guard: Guard, deployment: Deployment, tuning: Tuning, found: Rivals, kept: ExitStack) -> None:
        self._guard = guard
        self._deployment = deployment
        self._tuning = tuning
        self._stopped = {one.id: one.name for one in found.containers}
        self._kept = kept
        self._later = kept
        self._running: Configured | None = None
        self._first = True

    @property
    def run(self) -> str:
        """What the head calls this hold, in its journal and beside it."""
        return self._guard.run

    @property
    def intact(self) -> bool:
        """Whether the hold still is one: the host puts everything back by itself when it has lost us."""
        return self._guard.intact

    @property
    def why(self) -> str:
        """Why it is not."""
        return self._guard.why

    def arrange(self, layout: Layout) -> None:
        """Have exactly the layout's agents run. HostError, ProvisionError, ConfigurationError."""
        change = configured(self._guard, self._deployment, layout, self._tuning, self._running)
        if self._running is None:
            self._running = self._kept.enter_context(change)
            return
        # The one before goes first; the first of all stays in the journal, as it knows whom it set aside.
        if self._first:
            self._first, self._later = False, self._kept.enter_context(ExitStack())
        self._later.close()
        self._run(_CLEAR, self._running.project)
        self._running = self._later.enter_context(change)

    def containers(self) -> Mapping[str, str]:
        """The containers of the layout that runs: id → agent, "" where it is a helper."""
        if self._running is None:
            return {}
        said = self._run(_LIST, self._running.project)
        found = (_LINE.fullmatch(line) for line in said.splitlines())
        return {match[1]: match[2] for match in found if match}

    def beside(self) -> tuple[str, ...]:
        """The ids of the containers that the agents work with, and that no layout changes."""
        services = self._deployment.services
        return tuple(one.container for one in services if one.container and one.alive and one.part in _BESIDE)

    @property
    def project(self) -> str | None:
        """Compose's project of the layout that runs; None before the first."""
        return None if self._running is None else self._running.project

    def rivals(self) -> tuple[str, ...]:
        """What was stopped and runs again."""
        if not self._stopped:
            return ()
        text = changes.states(list(self._stopped))
        answer = ask(self._guard.transport, self._guard.host, [Piece(label="states", text=text)]).get("states")
        if answer is None:
            raise CommandError("it did not say whether the broker runs", host=self._guard.host.name)
        pairs = [line.split() for line in answer.text.splitlines()]
        return tuple(
            self._stopped[words[0]] for words in pairs if words and words[0] in self._stopped and words[-1] in ALIVE
        )

    def _run(self, script: str, *words: str) -> str:
        host = self._guard.host
        command = Command(argv=("/bin/sh", "-c", script, "sh", *words), timeout=_SECONDS, sudo=host.login.sudo)
        done = self._guard.transport.run(host, command)
        if done.exit_status:
            said = " ".join(done.stderr.decode(errors="replace").split())[:300]
            raise CommandError("its containers cannot be seen to", host=host.name, hint=said or None)
        return done.stdout.decode(errors="replace")
