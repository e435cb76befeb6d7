"""Steps that ready a host's system: packages, lines, accounts, kernel settings, units, archives.

All have `name`, `tags` and `sudo` as every kind has (`fleet.model.playbook`); `sudo` is true where the system itself is
touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Presence(StrEnum):
    """Whether something is to be there."""

    PRESENT = "present"
    ABSENT = "absent"


class Activity(StrEnum):
    """Whether a unit is to run."""

    STARTED = "started"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageStep:
    """The packages are installed, or are not, by apt or dnf.

    A package may pin its version as its package manager writes it, with `*` for the rest: `jq=1.6*`.
    """

    name: str
    packages: tuple[str, ...]
    state: Presence = Presence.PRESENT
    tags: tuple[str, ...] = ()
    sudo: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LineStep:
    """A text file has the line, or has no such line; everything else in it stays, its mode and owner too.

    `match`, an extended regular expression: the last line that it finds becomes `line`, or every one of them goes
    where the state is absent. `create`: the mode of the file where there is none yet; None = there must be one.
    """

    name: str
    path: str
    line: str = ""
    match: str | None = None
    state: Presence = Presence.PRESENT
    create: str | None = None
    tags: tuple[str, ...] = ()
    sudo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStep:
    """The group exists, or does not. `system`: it gets a number of the system's range where it has to be made."""

    name: str
    group: str
    gid: int | None = None
    system: bool = False
    state: Presence = Presence.PRESENT
    tags: tuple[str, ...] = ()
    sudo: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UserStep:
    """The user exists, has this shell, and is in these groups besides others. None = as the host has it.

    A user that has to be made has no password and gets a home directory, a system user none. A user that is to be
    absent leaves its home directory behind.
    """

    name: str
    user: str
    groups: tuple[str, ...] = ()
    shell: str | None = None
    home: str | None = None
    system: bool = False
    state: Presence = Presence.PRESENT
    tags: tuple[str, ...] = ()
    sudo: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SysctlStep:
    """The kernel's setting has this value now, and after a restart by a file of its own in /etc/sysctl.d."""

    name: str
    key: str
    value: str
    tags: tuple[str, ...] = ()
    sudo: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStep:
    """The systemd unit has this content, starts (or does not) with the host, and runs (or does not). None = as it is.

    `masked`: it can be started by nothing and nobody. A unit whose content changes while it runs is restarted.
    """

    name: str
    unit: str
    content: str | None = None
    enabled: bool | None = None
    state: Activity | None = None
    masked: bool | None = None
    tags: tuple[str, ...] = ()
    sudo: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveStep:
    """The directory holds exactly what the archive (tar, tar.gz, tar.xz, zip) holds. It is replaced as a whole.

    `archive`: a file on the host, of this `sha256`; another one is never unpacked. Or `source`: a file of the
    controller, beside the playbook where its path is not absolute, which is sent to hosts that have not got what it
    holds; its `sha256` may be left out.
    """

    name: str
    path: str
    archive: str | None = None
    source: str | None = None
    sha256: str | None = None
    tags: tuple[str, ...] = ()
    sudo: bool = False
