"""What every foreign inventory becomes: hosts with fields, groups and variables, and what could not be carried over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fleet.codec.forms import HostForm
from fleet.codec.problems import clip

MAX_HOSTS = 4096
"""More hosts than this is a range gone wrong, not a fleet."""

Plain = bool | int | float | str | list["Plain"] | dict[str, "Plain"] | None
Variables = Mapping[str, Plain]


class Format(StrEnum):
    """Whose inventory it is."""

    ANSIBLE = "ansible"
    SSH = "ssh"
    SUPERBENCH = "superbench"
    RAY = "ray"
    SKYPILOT = "skypilot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A text and the path that messages call it by."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Something that was not carried over: where it stands (`file:line`), its name, and why. Never its value."""

    where: str
    what: str
    why: str

    @property
    def text(self) -> str:
        """`hosts.ini:12: ansible_password: a secret is never copied`, in one printable line."""
        return f"{clip(self.where, 200)}: {clip(self.what, 200)}: {clip(self.why, 200)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignHost:
    """A host by the name it has there, its fields as fleet reads them, its groups (nearest first) and variables.

    `jump`: others are reached through it.
    """

    name: str
    where: str
    form: HostForm
    groups: tuple[str, ...] = ()
    variables: Variables = field(default_factory=dict)
    remark: str = ""
    jump: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignGroup:
    """A group with the hosts and groups that stand in it directly."""

    name: str
    hosts: tuple[str, ...] = ()
    children: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """An inventory of another tool, read. `name`: what its fleet may be called."""

    format: Format
    path: str
    name: str
    hosts: tuple[ForeignHost, ...]
    groups: tuple[ForeignGroup, ...] = ()
    lost: tuple[Lost, ...] = ()
