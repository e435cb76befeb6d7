"""bento_cli on the head: found in a container or on the host, started, and its log followed to its end."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from fleet.errors import CommandError, ConfigurationError, HostError
from fleet.model.bento import BentoSettings
from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.model.trial import Load
from fleet.plan.shell.quoting import tame
from fleet.ports import Channel, Transport
from fleet.workload.bento.logs import DONE, job_of
from fleet.workload.bento.unfinished import recording

_HEARD = 40
"""Lines of its log that are kept, from the end."""
_LISTEN = 0.5
_FIND_SECONDS = 60.0
_DOWN = 75
"""Exit status of what looks for it, where a container could not be looked into; it says which. (EX_TEMPFAIL.)"""
# A client on the host is asked for first only where a program of the host's is to be proved: no container has its file.
_FIND = """\
own=$1; shift
if [ "$own" = host ]; then command -v bento_cli && exit; fi
for container do
    for program in /app/bento_cli /usr/local/bin/bento_cli /usr/bin/bento_cli; do
        if docker exec "$container" test -x "$program" 2>/dev/null; then echo "$container $program"; exit; fi
    done
done
if [ "$own" != host ]; then command -v bento_cli && exit; fi
for container do
    state=$(docker inspect --format '{{.State.Status}} {{.RestartCount}}' "$container" 2>/dev/null)
    if [ "$state" != 'running 0' ]; then echo "$container ${state:-gone}"; exit DOWN; fi
done
""".replace("DOWN", str(_DOWN))


def client_words(
    transport: Transport, head: Host, settings: BentoSettings, containers: Sequence[str]
) -> tuple[str, ...]:
    """The words that run bento_cli on the head. `containers`: where it is looked for, of the layout that was just made.

    ConfigurationError where it is nowhere; CommandError where one of them does not stay up, so that nobody can tell.
    """
    if settings.cli is not None:
        return settings.cli
    own = "host" if settings.elf is not None else "container"
    words = ("/bin/sh", "-c", _FIND, "sh", own, *containers)
    find = Command(argv=words, timeout=_FIND_SECONDS, sudo=head.login.sudo)
    done = transport.run(head, find)
    said = [tame(word, 200) for word in done.stdout.decode(errors="replace").split()]
    match said:
        case [name, state, *times] if done.exit_status == _DOWN:
            often = f", started again {times[0]} times" if times else ""
            hint = f"`docker logs {name[:12]}` on the head says why"
            raise CommandError(
                f"container {name[:12]} does not stay up: it is {state}{often}", host=head.name, hint=hint
            )
        case [container, program]:
            root = (
                ("sudo", "-n") if head.login.sudo else ()
            )  # a program with open streams cannot be asked for a password
            return (*root, "docker", "exec", "-i", container, program)
        case [program]:
            return (program,)
        case _:
            raise ConfigurationError(
                "there is no bento_cli in the containers, and none on the head's path",
                host=head.name,
                hint="name it in the inventory, `bento: {cli: /path/to/bento_cli}`, or run the miner's image, "
                "which has it: `bento: {cli: [docker, run, --rm, -i, --network, host, IMAGE, /app/bento_cli]}`",
            )


def arguments(settings: BentoSettings, load: Load) -> tuple[str, ...]:
    """What bento_cli is to prove: the operator's program, else so many iterations of the synthetic guest."""
    if settings.elf is not None and settings.stdin is not None:
        return ("-f", settings.elf, "-i", settings.stdin)
    return ("-c", str(load.iterations))


class Submission:
    """One bento_cli at work, and a thread that follows its log. `run`: of whose jobs the head keeps account."""

    def __init__(self, transport: Transport, head: Host, words: Sequence[str], run: str) -> None:
        self._host = head.name
        self._channel: Channel = transport.open(head, (*recording(head, run), *words))
        self._changed = threading.Condition()
        self._lines: deque[str] = deque(maxlen=_HEARD)
        self._job: UUID | None = None
        self._ended = False
        self._went_well = False
        self._follower = threading.Thread(target=self._follow, name="bento_cli", daemon=True)
        self._follower.start()

    @property
    def ended(self) -> bool:
        """Whether its log has ended."""
        with self._changed:
            return self._ended

    @property
    def went_well(self) -> bool:
        """Whether it said so."""
        with self._changed:
            return self._went_well

    @property
    def lines(self) -> tuple[str, ...]:
        """The end of its log, fit for a screen."""
        with self._changed:
            return tuple(self._lines)

    def answered(self, patience: float) -> bool:
        """Whether it has named its job, or ended, within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._job is not None or self._ended, patience)

    def job(self, patience: float) -> UUID:
        """The job that it has submitted, once it says so. CommandError where it ends, or says nothing of it in time."""
        self.answered(patience)
        with self._changed:
            if self._job is not None:
                return self._job
            said = self._lines[-1] if self._lines else "nothing"
            what = "has ended without a job" if self._ended else "has named no job yet"
        raise CommandError(f"bento_cli {what}; it said: {said}", host=self._host, hint="is the REST API up?")

    def wait(self, patience: float) -> bool:
        """Whether it has ended within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ended, patience)

    def close(self) -> None:
        """Let go of it. Never raises, may be called twice."""
        self._channel.close()

    def _follow(self) -> None:
        with suppress(HostError):
            while (line := self._next()) is not None:
                if line:
                    self._take(line)
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _next(self) -> str | None:
        """The next line; empty where there is none yet."""
        began = time.monotonic()
        try:
            return self._channel.receive(_LISTEN)
        except CommandError:
            if time.monotonic() - began < _LISTEN:
                raise
            return ""

    def _take(self, line: str) -> None:
        job = job_of(line)
        with self._changed:
            self._lines.append(tame(line, 300))
            self._went_well = self._went_well or DONE in line
            if job is not None and self._job is None:
                self._job = job
            self._changed.notify_all()
