"""Ansible's groups: who stands in which, and which variables a host has when all of them are folded.

The rules are ansible-core 2.19's (`inventory/data.py`, `inventory/group.py`, `vars/manager.py`): every group descends
from `all`; `ungrouped` holds hosts without another group; deeper groups win over shallower ones, then the higher
`ansible_group_priority`, then the later name; files beside the inventory win over what stands in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from fleet.codec.foreign.value import MAX_HOSTS, ForeignGroup, Plain, Variables

ALL = "all"
UNGROUPED = "ungrouped"
_PRIORITY = "ansible_group_priority"
_MAX_GROUPS = 4096

FileVariables = Callable[[str, str], Variables]
"""What the files beside the inventory say of a `group` or a `host` by its name."""


@dataclass(slots=True)
class _Group:
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    variables: dict[str, Plain] = field(default_factory=dict)
    priority: int = 1


@dataclass(slots=True)
class _Host:
    where: str
    variables: dict[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeHost:
    """A host, the groups above it (nearest first, without `all` and `ungrouped`), and its folded variables."""

    name: str
    where: str
    groups: tuple[str, ...]
    variables: Variables


class Tree:
    """Groups and hosts as a reader adds them. Every method raises ValueError for what cannot be."""

    def __init__(self) -> None:
        self._groups = {ALL: _Group(children={UNGROUPED: None}), UNGROUPED: _Group()}
        self._hosts: dict[str, _Host] = {}

    def has_group(self, name: str) -> bool:
        """Whether the group was added."""
        return name in self._groups

    def add_group(self, name: str) -> None:
        """Add a group, once."""
        if name not in self._groups and len(self._groups) == _MAX_GROUPS:
            raise ValueError(f"more than {_MAX_GROUPS:,} groups")
        self._groups.setdefault(name, _Group())

    def add_child(self, parent: str, child: str) -> None:
        """Put a group into a group."""
        if parent == child or parent in _closure(
            [child], {name: group.children for name, group in self._groups.items()}
        ):
            raise ValueError(f"the group {child} would contain itself")
        self._groups[parent].children[child] = None

    def add_host(self, name: str, group: str, port: int | None, where: str) -> None:
        """Put a host into a group; the port counts where it is named first."""
        if name not in self._hosts:
            if len(self._hosts) == MAX_HOSTS:
                raise ValueError(f"more than {MAX_HOSTS:,} hosts")
            self._hosts[name] = _Host(where=where, variables={"ansible_port": port} if port else {})
        self._groups[group].hosts[name] = None

    def set_host(self, name: str, variables: Variables) -> None:
        """Give a host variables, over those that it has. As in Ansible, a group of that name gets them instead."""
        for key, value in variables.items():
            if name in self._groups:
                self.set_group(name, key, value)
            else:
                self._hosts[name].variables[key] = value

    def set_group(self, name: str, key: str, value: Plain) -> None:
        """Give a group a variable."""
        if key != _PRIORITY:
            self._groups[name].variables[key] = value
        elif isinstance(value, bool | int | float) or (isinstance(value, str) and value.strip().isdecimal()):
            self._groups[name].priority = int(value)
        else:
            raise ValueError(f"{_PRIORITY}: expected a whole number")

    def finish(self, files: FileVariables) -> tuple[tuple[TreeHost, ...], tuple[ForeignGroup, ...]]:
        """The hosts with all that holds for them, and the groups, once everything was added."""
        self._settle()
        ranks = {name: (depth, self._groups[name].priority, name) for name, depth in self._depths().items()}
        parents = _inverted({name: group.children for name, group in self._groups.items()})
        direct = _inverted({name: group.hosts for name, group in self._groups.items()})

        def ranked(names: Iterable[str]) -> list[str]:
            return sorted(set(names) - {ALL}, key=ranks.__getitem__)

        hosts = tuple(
            self._folded(name, ranked(direct[name]), ranked(_closure(direct[name], parents)), files)
            for name in self._hosts
        )
        groups = tuple(
            ForeignGroup(name=name, hosts=tuple(group.hosts), children=tuple(group.children))
            for name, group in self._groups.items()
        )
        return hosts, groups

    def _settle(self) -> None:
        """Hang loose groups below `all`, and put exactly the hosts without a group into `ungrouped`."""
        parents = {child for group in self._groups.values() for child in group.children}
        for name in self._groups:
            if name != ALL and name not in parents:
                self._groups[ALL].children[name] = None
        grouped = {host for name, group in self._groups.items() if name not in {ALL, UNGROUPED} for host in group.hosts}
        loose = self._groups[UNGROUPED].hosts
        self._groups[UNGROUPED].hosts = {name: None for name in (*loose, *self._hosts) if name not in grouped}

    def _folded(self, name: str, own: list[str], above: list[str], files: FileVariables) -> TreeHost:
        """A host with its variables; its `own` groups and all `above` it except `all`, the weakest first."""
        host = self._hosts[name]
        layers: list[Variables] = [
            self._groups[ALL].variables,
            *(self._groups[group].variables for group in above),
            files("group", ALL),
            *(files("group", group) for group in above),
            host.variables,
            files("host", name),
        ]
        nearest = dict.fromkeys([*reversed(own), *reversed(above)])
        return TreeHost(
            name=name,
            where=host.where,
            groups=tuple(group for group in nearest if group not in {ALL, UNGROUPED}),
            variables={key: value for layer in layers for key, value in layer.items()},
        )

    def _depths(self) -> dict[str, int]:
        """The longest way from `all` to each group."""
        depths = dict.fromkeys(self._groups, 0)
        level: Iterable[str] = [ALL]
        depth = 0
        while level:
            depth += 1
            level = {child for group in level for child in self._groups[group].children}
            depths |= dict.fromkeys(level, depth)
        return depths


def _inverted(members: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Who has each member."""
    owners: dict[str, list[str]] = {}
    for owner, names in members.items():
        for name in names:
            owners.setdefault(name, []).append(owner)
    return owners


def _closure(start: Iterable[str], edges: Mapping[str, Iterable[str]]) -> set[str]:
    """All that can be reached."""
    seen: set[str] = set()
    left = list(start)
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left += edges.get(name, ())
    return seen
