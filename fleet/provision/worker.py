"""Workers come and go: unfinished additions, kept so that the next command goes on; who answers; the way back."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from fleet.codec import Malformed, dump, load
from fleet.errors import ConfigurationError, HostError, ProvisionError
from fleet.model.expansion import Joining
from fleet.model.inventory import Host, Inventory
from fleet.model.playbook import Command, StepReport, StepState
from fleet.ports import Observer, Transport
from fleet.provision.journal import Journal
from fleet.provision.restore import Wanted, restore
from fleet.transport.fanout import fanout

ASK_SECONDS = 20.0


def folder_of(inventory: Inventory) -> Path:
    """Where the additions to an inventory file are kept under XDG's state home, as a lab's folder is named."""
    state = os.environ.get("XDG_STATE_HOME", "")
    home = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    file = hashlib.sha256(os.fsencode(Path(inventory.path).resolve())).hexdigest()[:8]
    return home / "fleet" / "workers" / f"{inventory.name}-{file}"


@contextmanager
def alone(inventory: Inventory) -> Iterator[Path]:
    """The folder, while no other command of this user adds or removes workers of the fleet. ConfigurationError."""
    folder = folder_of(inventory)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be used: {error.strerror}", hint="set XDG_STATE_HOME") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    except BlockingIOError:
        message = f"another command adds or removes workers of {inventory.name}"
        raise ConfigurationError(message, hint="wait for it, or end it") from None
    finally:
        os.close(descriptor)


def remember(folder: Path, joining: Joining) -> None:
    """Keep how far an addition is: whole or not at all, and on the disk when this returns. ConfigurationError."""
    file = folder / f"{joining.host}.json"
    part = file.with_suffix(".part")
    try:
        with part.open("w", encoding="utf-8") as stream:
            stream.write(dump(joining))
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}", hint="make room there") from error


def forget(folder: Path, host: str) -> None:
    """The addition is finished or undone."""
    (folder / f"{host}.json").unlink(missing_ok=True)


def begun(folder: Path) -> Mapping[str, Joining]:
    """The additions that were not finished, by host. ConfigurationError where one cannot be read."""
    found: dict[str, Joining] = {}
    for file in sorted(folder.glob("*.json")):
        try:
            found[file.stem] = load(Joining, file.read_bytes())
        except (Malformed, OSError) as error:
            raise ConfigurationError(f"{file} cannot be read: {error}", hint="remove it") from error
    return found


def half_added(folder: Path, inventory: Inventory) -> Mapping[str, Joining]:
    """Of those, the ones of new hosts that the inventory does not have yet, and of candidates that still are some."""
    candidate = {host.name: host.candidate for host in inventory.hosts}
    return {
        name: one
        for name, one in begun(folder).items()
        if candidate.get(name, True) and (one.entry is None) == (name in candidate)
    }


def silent(transport: Transport, hosts: Sequence[Host]) -> Mapping[str, str]:
    """The hosts that do not answer, and why."""

    def ask(host: Host) -> None:
        transport.run(host, Command(argv=("true",), timeout=ASK_SECONDS))

    return {host.name: answer.message for host, answer in fanout(ask, hosts) if isinstance(answer, HostError)}


def put_back(
    transport: Transport, host: Host, observer: Observer, journal: Journal, since: str = "", playbook: str = ""
) -> tuple[StepReport, ...]:
    """Undo what provisioning changed on the host, from the run `since` on, or what one playbook did.

    ProvisionError where an undo failed.
    """
    reports = restore(transport, [host], observer, journal, Wanted(dry_run=False, since=since, playbook=playbook))
    for report in reports:
        if report.state is StepState.FAILED:
            hint = report.detail or "fleet restore shows what is left; the same command goes on with it"
            raise ProvisionError(f"{report.step}: {report.summary}", host=host.name, hint=hint)
    return reports
