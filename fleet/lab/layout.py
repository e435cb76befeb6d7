"""Where a lab keeps its keys and homes, and an inventory completed with them."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fleet.errors import ConfigurationError
from fleet.lab.account import user_name
from fleet.lab.keys import ensure_key
from fleet.model.bento import BentoSettings
from fleet.model.inventory import Host, Inventory

SSH_PORT = 22


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one lab, all under a directory that is private to the user."""

    directory: Path

    @property
    def client_key(self) -> Path:
        """The private key that logs in on every host of the lab."""
        return self.directory / "id_ed25519"

    @property
    def authorized(self) -> Path:
        """Its public half."""
        return self.directory / "authorized_keys"

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys."""
        return self.directory / "known_hosts"

    @property
    def keeper(self) -> Path:
        """The identity of the keeper of a lab that is kept."""
        return self.directory / "keeper.pid"

    @property
    def keeper_log(self) -> Path:
        """What the keeper complains about."""
        return self.directory / "keeper.log"

    def home(self, host: str) -> Path:
        """The host's home directory, and fleet's work directory on it."""
        return self.directory / "hosts" / host

    def host_key(self, host: str) -> Path:
        """The host's private key."""
        return self.directory / "servers" / f"{host}.key"

    def config(self, host: str) -> Path:
        """The host's sshd_config."""
        return self.directory / "servers" / f"{host}.conf"

    def log(self, host: str) -> Path:
        """What the host's server says."""
        return self.directory / "servers" / f"{host}.log"


def lab_directory(inventory: Inventory) -> Path:
    """The lab of an inventory file under XDG's state home: two files whose fleets have one name share nothing.

    Its name is the fleet's and a digest of the file's path, however that is written.
    """
    name = _file_name(inventory.name)
    state = os.environ.get("XDG_STATE_HOME", "")
    home = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    file = hashlib.sha256(os.fsencode(Path(inventory.path).resolve())).hexdigest()[:8]
    return home / "fleet" / "lab" / f"{name}-{file}"


def dressed(inventory: Inventory, directory: Path) -> Inventory:
    """The inventory with each lab host completed: user, key, pinned host keys, this Python, a home of its own.

    A Bento of the lab's head lies in its home, too.
    """
    layout = Layout(directory.absolute())
    hosts = tuple(_dressed(host, layout) if host.lab else host for host in inventory.hosts)
    bento = inventory.bento
    if bento is not None and inventory.head.lab:
        bento = at_home(bento, layout.home(_file_name(inventory.head.name)))
    return replace(inventory, hosts=hosts, bento=bento)


def at_home(settings: BentoSettings, home: Path) -> BentoSettings:
    """The paths as they are on this machine: what an inventory says of a lab's head lies below its home."""

    def here(path: str | None) -> str | None:
        return None if path is None else f"{home}{path}"

    return replace(
        settings,
        compose=f"{home}{settings.compose}",
        env_file=here(settings.env_file),
        elf=here(settings.elf),
        stdin=here(settings.stdin),
    )


def _dressed(host: Host, layout: Layout) -> Host:
    login = replace(host.login, user=user_name(), key=str(layout.client_key), known_hosts=str(layout.known_hosts))
    return replace(host, login=login, python=sys.executable, work_dir=str(layout.home(_file_name(host.name))))


def prepare(hosts: Sequence[Host], layout: Layout) -> None:
    """Make keys and homes where there are none, and pin the host keys. ConfigurationError where that cannot be."""
    try:
        layout.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (layout.directory / "servers").mkdir(mode=0o700, exist_ok=True)
        for host in hosts:
            layout.home(_file_name(host.name)).mkdir(mode=0o700, parents=True, exist_ok=True)
        layout.authorized.write_text(f"{ensure_key(layout.client_key)}\n", "ascii")
        pins = [f"{_known_as(host)} {ensure_key(layout.host_key(host.name))}\n" for host in hosts]
        layout.known_hosts.write_text("".join(pins), "ascii")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the lab's files in {layout.directory} cannot be made: {error}",
            hint="remove the directory, or set XDG_STATE_HOME to a place that can be written",
        ) from error


def _known_as(host: Host) -> str:
    login = host.login
    return login.address if login.port == SSH_PORT else f"[{login.address}]:{login.port}"


def _file_name(name: str) -> str:
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise ConfigurationError(f"{name!r} cannot name a lab's directory", hint="use letters, digits, dots and dashes")
    return name
