"""Ansible's YAML inventories, and what `ansible-inventory --list` prints, into a tree."""

from __future__ import annotations

from fleet.codec.foreign.ansible_tree import ALL, UNGROUPED, Tree
from fleet.codec.foreign.hostpattern import expand
from fleet.codec.foreign.typed import Typed
from fleet.codec.foreign.value import Lost, Plain, Variables
from fleet.codec.problems import Path, clip, show_path
from fleet.errors import ConfigurationError

_SECTIONS = ("vars", "children", "hosts")
_LISTED = "_meta"


def read_tree(typed: Typed) -> tuple[Tree, tuple[Lost, ...]]:
    """The tree of a YAML inventory, and what of it was skipped. ConfigurationError with file and line."""
    value = typed.value
    if not isinstance(value, dict):
        raise ConfigurationError(f"{typed.path}: expected groups with `hosts`, found no mapping")
    if value.get("plugin"):
        plugin = clip(str(value["plugin"]))
        raise ConfigurationError(
            f"{typed.where(('plugin',))}: a dynamic inventory (plugin {plugin}): fleet runs no plugin",
            hint=f"ansible-inventory -i {typed.path} --list > hosts.json, then import that",
        )
    reader = _Reader(typed)
    if _LISTED in value:
        reader.listing(value)
    else:
        for name in value:
            reader.group(name, value[name], (name,))
    return reader.tree, tuple(reader.lost)


class _Reader:
    """Walks groups into a tree, noting what it skips."""

    def __init__(self, typed: Typed) -> None:
        self.tree = Tree()
        self.lost: list[Lost] = []
        self._typed = typed

    def group(self, name: str, value: Plain, path: Path) -> bool:
        """A group with its hosts, variables and children; False where it is none."""
        if value is not None and not isinstance(value, dict):
            self._skip(path, "is no group: expected a mapping")
            return False
        try:
            self.tree.add_group(name)
            for key, section in (value or {}).items():
                self._section(name, key, section, (*path, key))
        except ValueError as error:
            raise ConfigurationError(f"{self._typed.where(path)}: {show_path(path)}: {clip(str(error), 200)}") from None
        return True

    def _section(self, group: str, key: str, value: Plain, path: Path) -> None:
        if key not in _SECTIONS:
            self._skip(path, f"only {', '.join(_SECTIONS)} belong to a group")
            return
        if isinstance(value, str):
            value = {value: None}
        if value is None:
            return
        if not isinstance(value, dict):
            raise ConfigurationError(f"{self._typed.where(path)}: {show_path(path)}: expected a mapping")
        for name, item in value.items():
            match key:
                case "vars":
                    self.tree.set_group(group, name, item)
                case "children":
                    if self.group(name, item, (*path, name)):
                        self.tree.add_child(group, name)
                case _:
                    self._hosts(group, name, item, (*path, name))

    def _hosts(self, group: str, pattern: str, value: Plain, path: Path) -> None:
        if value and not isinstance(value, dict):
            raise ConfigurationError(f"{self._typed.where(path)}: {show_path(path)}: expected a mapping of variables")
        names, port = expand(pattern)
        for name in names:
            self.tree.add_host(name, group, port, self._typed.where(path))
            self.tree.set_host(name, value if isinstance(value, dict) else {})

    def listing(self, value: dict[str, Plain]) -> None:
        """What `ansible-inventory --list` or a dynamic inventory script prints: groups as lists, variables by host."""
        try:
            groups = {name: item for name, item in value.items() if name != _LISTED}
            for name in groups:
                self.tree.add_group(name)
            for name, item in groups.items():
                self._listed(name, item)
            for host, variables in _mapping(_mapping(value[_LISTED]).get("hostvars")).items():
                self.tree.add_host(host, UNGROUPED, None, self._typed.where((_LISTED, "hostvars", host)))
                self.tree.set_host(host, _mapping(variables))
        except ValueError as error:
            raise ConfigurationError(f"{self._typed.path}: {clip(str(error), 200)}") from None

    def _listed(self, group: str, value: Plain) -> None:
        hosts = value if isinstance(value, list) else _mapping(value).get("hosts")
        for at, host in enumerate(_texts(hosts)):
            self.tree.add_host(host, group, None, self._typed.where((group, "hosts", at)))
        if isinstance(value, list):
            return
        for child in _texts(_mapping(value).get("children")):
            self.tree.add_group(child)
            if (group, child) != (ALL, UNGROUPED):
                self.tree.add_child(group, child)
        for key, item in _mapping(_mapping(value).get("vars")).items():
            self.tree.set_group(group, key, item)

    def _skip(self, path: Path, why: str) -> None:
        self.lost.append(Lost(where=self._typed.where(path), what=show_path(path), why=why))


def _mapping(value: Plain) -> Variables:
    return value if isinstance(value, dict) else {}


def _texts(value: Plain) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
