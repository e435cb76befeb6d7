"""Ansible's INI inventories into a tree: sections of hosts, `:children` and `:vars`, values as Python literals.

Follows `plugins/inventory/ini.py` of ansible-core 2.19, line by line.
"""

from __future__ import annotations

import ast
import re
import shlex
import warnings

from fleet.codec.foreign.ansible_tree import UNGROUPED, Tree
from fleet.codec.foreign.hostpattern import expand
from fleet.codec.foreign.value import Plain
from fleet.codec.problems import clip
from fleet.errors import ConfigurationError

_SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?\Z")
_GROUP = re.compile(r"([^:\]\s]+)\s*(?:#.*)?\Z")
_KINDS = ("hosts", "children", "vars")
_LONGEST_LITERAL = 65_536
_DEEPEST = 48


def read_ini(text: str, path: str) -> Tree:
    """The tree of an INI inventory. ConfigurationError with file and line."""
    reader = _Reader(path)
    line_number = 0
    try:
        for line_number, line in enumerate(text.splitlines(), 1):
            reader.line(line.strip(), f"{path}:{line_number}")
    except ValueError as error:
        raise ConfigurationError(f"{path}:{line_number}: {clip(str(error), 200)}") from None
    reader.finish()
    return reader.tree


class _Reader:
    """Reads line by line: a child may be named before its group is declared, so what is awaited is remembered."""

    def __init__(self, path: str) -> None:
        self.tree = Tree()
        self._path = path
        self._group = UNGROUPED
        self._kind = "hosts"
        self._parents: dict[str, list[tuple[str, str]]] = {}
        self._only_vars: dict[str, str] = {}

    def line(self, line: str, where: str) -> None:
        """One line of the file. ValueError says what is wrong with it."""
        if not line or line[0] in "#;":
            return
        if match := _SECTION.match(line):
            self._section(match[1], match[2] or "hosts", where)
        elif line.startswith("[") and line.endswith("]"):
            raise ValueError(f"expected a section such as [group] or [group:vars], found {line}")
        elif self._kind == "hosts":
            self._host(line, where)
        elif self._kind == "vars":
            key, sign, value = line.partition("=")
            if not sign:
                raise ValueError(f"expected key=value, found {line}")
            self.tree.set_group(self._group, key.strip(), read_value(value.strip()))
        else:
            self._child(line, where)

    def finish(self) -> None:
        """Whatever was awaited must have come."""
        for child, parents in self._parents.items():
            parent, where = parents[0]
            text = f"[{parent}:children] names the group {clip(child)}, which has no section"
            raise ConfigurationError(f"{where}: {text}")
        for group, where in self._only_vars.items():
            raise ConfigurationError(f"{where}: [{clip(group)}:vars] belongs to a group that has no section")

    def _section(self, group: str, kind: str, where: str) -> None:
        if kind not in _KINDS:
            raise ValueError(f"expected one of {', '.join(_KINDS)} after the colon, found {kind}")
        self._group, self._kind = group, kind
        if not self.tree.has_group(group) and kind == "vars" and group not in self._parents:
            self._only_vars[group] = where
        self.tree.add_group(group)
        if kind != "vars":
            self._only_vars.pop(group, None)
            for parent, _ in self._parents.pop(group, ()):
                self.tree.add_child(parent, group)

    def _host(self, line: str, where: str) -> None:
        words = shlex.split(line, comments=True)
        if words[0].strip() == "---":
            raise ValueError("this is YAML: name the file *.yaml")
        names, port = expand(words[0])
        variables: dict[str, Plain] = {}
        for word in words[1:]:
            key, sign, value = word.partition("=")
            if not sign:
                raise ValueError(f"expected key=value after the host, found {clip(word)}")
            variables[key] = read_value(value)
        for name in names:
            self.tree.add_host(name, self._group, port, where)
            self.tree.set_host(name, variables)

    def _child(self, line: str, where: str) -> None:
        match = _GROUP.match(line)
        if match is None:
            raise ValueError(f"expected the name of a group, found {line}")
        if self.tree.has_group(match[1]) and match[1] not in self._parents:
            self.tree.add_child(self._group, match[1])
        else:
            self._parents.setdefault(match[1], []).append((self._group, where))


def read_value(text: str) -> Plain:
    """A Python literal's value where the text is one (`5`, `True`, `['a']`), else the text. Nothing is run."""
    if len(text) > _LONGEST_LITERAL:
        return text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            value = ast.literal_eval(text)
        return _plain(value, 0)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _plain(value: object, depth: int) -> Plain:
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple() | set():
            return [_plain(item, depth + 1) for item in value]
        case dict():
            return {str(key): _plain(item, depth + 1) for key, item in value.items()}
        case bytes():
            return value.decode("utf-8", "surrogateescape")
        case _:
            return "..." if value is ... else str(value)
