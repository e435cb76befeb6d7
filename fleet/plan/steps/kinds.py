"""The kinds of step: one module each, one line each in the table. Nothing else need know a kind by its name.

A module of this room is the home of one kind `S` and is pure:

- `question(step) -> str`: POSIX shell text. Exit status 0 = right as it is; what it says tells how it is otherwise.
  ValueError for a step that can be asked of no host. It changes nothing, ever: dry runs and second looks ask it, too.
- `change(step, answer) -> Change`: what answers an answer of non-zero status. ProvisionError where nothing helps.
- `undo(step, answer) -> Undo`: what puts back what the question had found (`fleet.model.playbook.Undo`).

All texts run in a subshell with stdin at its end, as root where the step says `sudo: true`, in the user's home. What is
not ours is called as `briefly PROGRAM ARGUMENT…` (only the end of its output is kept). Words from a step go through
`shlex.quote` or `fleet.plan.shell.quoting.path`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from fleet.model.hoststeps import ArchiveStep, GroupStep, LineStep, PackageStep, SysctlStep, UnitStep, UserStep
from fleet.model.playbook import Change, DirectoryStep, FileStep, PythonStep, ScriptStep, Step, Undo
from fleet.model.stacksteps import ComposeStep, DockerStep, FirewallStep, NvidiaStep, WireguardStep
from fleet.plan.shell.program import Answer
from fleet.plan.steps import (
    archives,
    composes,
    directories,
    dockers,
    files,
    firewalls,
    groups,
    lines,
    nvidias,
    packages,
    pythons,
    scripts,
    sysctls,
    units,
    users,
    wireguards,
)


class Home(Protocol):
    """What a module of a kind has. A step of another kind is never handed to it."""

    def question(self, step: Any, /) -> str:
        """Shell text that asks whether the step is right."""

    def change(self, step: Any, answer: Answer, /) -> Change:
        """What answers the answer, whose status is not 0."""

    def undo(self, step: Any, answer: Answer, /) -> Undo:
        """What puts back what the answer tells."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The module of a kind, and how its fields are filled.

    `scripts`: fields that are shell text, where a value comes as one quoted word. `template`: fields that are whole
    templates, with loops and conditions; in all others `{{ … }}` is filled and nothing else.
    """

    home: Home
    scripts: frozenset[str] = frozenset()
    template: frozenset[str] = frozenset()


KINDS: Mapping[type[Step], Kind] = MappingProxyType(
    {
        DirectoryStep: Kind(directories),
        FileStep: Kind(files, template=frozenset({"content"})),
        PythonStep: Kind(pythons),
        ScriptStep: Kind(scripts, scripts=frozenset({"unless", "run", "undo"})),
        PackageStep: Kind(packages),
        LineStep: Kind(lines),
        GroupStep: Kind(groups),
        UserStep: Kind(users),
        SysctlStep: Kind(sysctls),
        UnitStep: Kind(units),
        ArchiveStep: Kind(archives),
        DockerStep: Kind(dockers),
        NvidiaStep: Kind(nvidias),
        ComposeStep: Kind(composes),
        FirewallStep: Kind(firewalls),
        WireguardStep: Kind(wireguards),
    }
)
