"""What a step brings along from the controller: known by its SHA-256 before any host is touched, sent where it differs.

A file goes to a host over the stdin of one command, into the host's work folder, and from there to its place by the
step's own change, which looks at the SHA-256 again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fleet.errors import CommandError, ConfigurationError
from fleet.model.hoststeps import ArchiveStep
from fleet.model.inventory import Host
from fleet.model.playbook import Command, Step
from fleet.plan.steps.archives import sent_as
from fleet.plan.steps.outcome import Decision
from fleet.ports import Transport
from fleet.transport.hearsay import in_brief

LIMIT = 512 * 2**20
"""Bytes of a file that a step may bring along."""
SLOWEST_LINK = 2.5e5
"""Bytes per second that any link to a host is taken to carry."""

# What comes in is named after the process that takes it, so that two may bring it at once; what one that was killed has
# left goes.
_PUT = """\
umask 077
mkdir -p -- "${1%/*}" || exit 1
for old in "$1".part.*; do
    [ -e "$old" ] && ! kill -0 "${old##*.}" 2>/dev/null && rm -f -- "$old"
done
part=$1.part.$$
cat >"$part" && [ "$(wc -c <"$part")" -eq "$2" ] && mv -f -- "$part" "$1" && exit 0
rm -f -- "$part"
exit 1
"""


class Sources:
    """Files of the controller's, each read once for all hosts of a playbook. `folder`: where relative paths begin."""

    def __init__(self, playbook: str) -> None:
        self._playbook = playbook
        self._read: dict[str, tuple[str, bytes]] = {}

    def attached(self, steps: Sequence[Step], host: Host) -> tuple[Step, ...]:
        """The steps, told which SHA-256 and which place on the host a source of theirs has.

        ConfigurationError where one cannot be read or is another than the step wants.
        """
        return tuple(
            self._attached(step, host) if isinstance(step, ArchiveStep) and step.source else step for step in steps
        )

    def _attached(self, step: ArchiveStep, host: Host) -> ArchiveStep:
        where = f"{self._playbook}: step `{step.name}`"
        try:
            sha256, _ = self._of(step.source or "")
        except ValueError as error:
            raise ConfigurationError(f"{where}: {error}") from None
        if step.sha256 not in {None, sha256}:
            raise ConfigurationError(f"{where}: {step.source} is another one: its SHA-256 is {sha256}")
        known = replace(step, sha256=sha256)
        return replace(known, archive=sent_as(known, host.work_dir))

    def _of(self, source: str) -> tuple[str, bytes]:
        if source not in self._read:
            try:
                with (Path(self._playbook).parent / source).open("rb") as stream:
                    data = stream.read(LIMIT + 1)
            except OSError as error:
                raise ValueError(f"{source} cannot be read: {error.strerror}") from None
            if len(data) > LIMIT:
                raise ValueError(f"{source} is larger than {LIMIT // 2**20} MiB: bring it to the hosts yourself")
            self._read[source] = (hashlib.sha256(data).hexdigest(), data)
        return self._read[source]

    def send(self, transport: Transport, host: Host, decisions: Sequence[Decision]) -> None:
        """Bring a host what the changes among the decisions need. HostError."""
        for decision in decisions:
            step = decision.step
            if decision.change is None or not isinstance(step, ArchiveStep) or not step.source or not step.archive:
                continue
            _, data = self._of(step.source)
            words = (step.archive, str(len(data)))
            timeout = 60.0 + len(data) / SLOWEST_LINK
            command = Command(argv=("/bin/sh", "-c", _PUT, "sh", *words), stdin=data, timeout=timeout)
            done = transport.run(host, command)
            if done.exit_status != 0:
                said = in_brief(done.stderr) or f"exit status {done.exit_status}"
                raise CommandError(f"{step.source} cannot be brought there: {said}", host=host.name)
