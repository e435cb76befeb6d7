"""The containers that prove, watched while they do: how often each was started, and what their logs say of panics."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from fleet.errors import CommandError, HostError
from fleet.model.inventory import Host
from fleet.model.playbook import Command
from fleet.model.record import Outcome
from fleet.ports import Transport
from fleet.workload.bento.logs import NO_ROOM, SIGNS, Trouble, trouble_in

EVERY = 1.0
"""Seconds between two looks."""
LOGS_EVERY = 10
"""So many looks are taken until logs are read again; where a container was started anew they are read at once."""
_SECONDS = 30.0
_STATE = re.compile(r"=([0-9a-f]{64}) ([0-9]{1,9}) ([a-z]{1,20}) (true|false) (-?[0-9]{1,6}) ([0-9TZ:.+-]{1,40})")
# Logs are read from the trial's beginning by the engine's own clock; only lines that speak of an end leave the host.
_LOOK = """\
since=$1; signs=$2; room=$3; beside=$4; shift 4
docker inspect --format '={{.Id}} {{.RestartCount}} {{.State.Status}} {{.State.OOMKilled}} {{.State.ExitCode}} \
{{.State.StartedAt}}' "$@" 2>/dev/null
date +now=%s
[ -n "$since" ] || exit 0
logs() { docker logs --since "$since" --tail 2000 "$2" 2>&1 | grep -a -A 1 -E "$1" | tail -n 12 | cut -c 1-300; }
for id do logs "$signs" "$id"; done
for id in $beside; do logs "$room" "$id"; done
exit 0
"""

# Asked of the engine, as a container's processes may have other numbers within it.
_PROCESSES = """\
ids=$(docker ps -q --filter "label=com.docker.compose.project=$1") || exit 1
for id in $ids; do docker top "$id" -eo pid; done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """One container as it was at one look. `started`: when its program was started last, by the engine's clock."""

    id: str
    restarts: int
    state: str
    killed: bool
    started: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All containers at one time, the lines of their logs that speak of an end, and the host's Unix time."""

    wards: tuple[Ward, ...]
    lines: tuple[str, ...]
    now: int


def read(said: str) -> Look:
    """A look out of what the host said; lines that are neither state nor time are of logs."""
    wards, lines, now = [], [], 0
    for line in said.splitlines():
        if (state := _STATE.fullmatch(line)) is not None:
            wards.append(
                Ward(id=state[1], restarts=int(state[2]), state=state[3], killed=state[4] == "true", started=state[6])
            )
        elif (time_said := re.fullmatch(r"now=([0-9]{1,12})", line)) is not None:
            now = int(time_said[1])
        elif line != "--":
            lines.append(line)
    return Look(wards=tuple(wards), lines=tuple(lines), now=now)


def trouble(before: Look, after: Look) -> Trouble | None:
    """What became of the containers between two looks, if it spoils a trial: memory before anything else."""
    said = trouble_in(after.lines)
    if said is not None and said.outcome is Outcome.OUT_OF_MEMORY:
        return said
    known = {ward.id: ward for ward in before.wards}
    for ward in after.wards:
        if ward.killed and not known.get(ward.id, ward).killed:
            text = f"container {ward.id[:12]} was killed: it needed more memory than its mem_limit"
            return Trouble(outcome=Outcome.OUT_OF_MEMORY, cause=text)
    if said is not None:
        return said
    if again := restarted(before, after):
        # What it had claimed hangs until its timeout, and makes a retry of it then.
        times = sum(ward.restarts - known[ward.id].restarts for ward in after.wards if ward.id in again)
        text = f"container {again[0][:12]} ended and was started again ({times} restarts in all)"
        return Trouble(outcome=Outcome.FAILED, cause=text)
    gone = known.keys() - {ward.id for ward in after.wards}
    if gone:
        return Trouble(outcome=Outcome.FAILED, cause=f"container {min(gone)[:12]} is gone")
    return None


def restarted(before: Look, after: Look) -> tuple[str, ...]:
    """The containers whose program is not the one that it was: started again by the engine, or by somebody."""
    known = {ward.id: ward for ward in before.wards}
    return tuple(
        ward.id
        for ward in after.wards
        if ward.id in known and (ward.restarts, ward.started) != (known[ward.id].restarts, known[ward.id].started)
    )


def processes(transport: Transport, host: Host, project: str) -> frozenset[int]:
    """The processes in a Compose project's containers, by the numbers that the host has for them. HostError."""
    words = ("/bin/sh", "-c", _PROCESSES, "sh", project)
    done = transport.run(host, Command(argv=words, timeout=_SECONDS, sudo=host.login.sudo))
    if done.exit_status:
        raise CommandError("the processes of its containers are not known", host=host.name)
    return frozenset(int(line) for line in done.stdout.decode(errors="replace").split() if line.isdecimal())


class Wards:
    """Looks at these containers of a host about every second, in a thread, until it is closed.

    `beside`: containers whose logs only are asked, and only for a want of room: those that the agents work with.
    """

    def __init__(self, transport: Transport, host: Host, containers: Sequence[str], beside: Sequence[str] = ()) -> None:
        self._transport = transport
        self._host = host
        self._ids = tuple(containers)
        self._beside = " ".join(beside)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._first = self._look("")
        self._last = self._first
        self._thread = threading.Thread(target=self._watch, name="containers", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> Trouble | None:
        """What spoils the trial, as of the last look."""
        with self._lock:
            return trouble(self._first, self._last)

    @property
    def restarted(self) -> tuple[str, ...]:
        """The containers that were started again, by the beginning of their ids, as of the last look."""
        with self._lock:
            return tuple(name[:12] for name in restarted(self._first, self._last))

    @property
    def lines(self) -> tuple[str, ...]:
        """What their logs say of panics."""
        with self._lock:
            return self._last.lines[-20:]

    def look(self) -> None:
        """Look now, into the logs, too. HostError."""
        look = self._look(str(self._first.now))
        with self._lock:
            self._last = look

    def _glance(self) -> None:
        """Look at the containers; into their logs only where one was started anew. HostError."""
        look = self._look("")
        if trouble(self._first, look) is not None:
            self.look()

    def close(self) -> None:
        """Look no more. Never raises."""
        self._over.set()
        self._thread.join(_SECONDS)

    def _watch(self) -> None:
        looks = 0
        while not self._over.wait(EVERY):
            began = time.monotonic()
            looks += 1
            with suppress(HostError):  # the next look tells
                if looks % LOGS_EVERY:
                    self._glance()
                else:
                    self.look()
            self._over.wait(min(10.0, 2 * (time.monotonic() - began)))  # a slow head is not asked more than a third

    def _look(self, since: str) -> Look:
        words = ("/bin/sh", "-c", _LOOK, "sh", since, SIGNS, NO_ROOM, self._beside, *self._ids)
        done = self._transport.run(self._host, Command(argv=words, timeout=_SECONDS, sudo=self._host.login.sudo))
        return read(done.stdout.decode(errors="replace"))
