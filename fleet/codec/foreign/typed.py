"""YAML with the types that YAML 1.1 gives it, as other tools read it; tags are listed as lost, never constructed.

Bounded as fleet's own files are (see document.py): size, depth, and aliases that multiply.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from fleet.codec.document import MAX_VALUES, compose
from fleet.codec.foreign.value import Lost, Plain
from fleet.codec.problems import Path, show_path
from fleet.errors import ConfigurationError

MAX_DEPTH = 48
"""Nested groups take two levels each."""

_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(_TAG + kind for kind in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value"))
_MERGE = f"{_TAG}merge"
_UNSAFE = "!unsafe"
_RESOLVER: Any = yaml.resolver.Resolver()
"""Which type a plain scalar has by its look."""
_VAULTS = frozenset({"!vault", "!vault-encrypted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A text's content, the line of each path in it, and the values that were left out of it."""

    path: str
    value: Plain
    lines: Mapping[Path, int]
    lost: tuple[Lost, ...]

    def where(self, path: Path) -> str:
        """`file:line` of a path, or of the nearest thing above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.path}:{self.lines.get(path, 1)}"


def read_typed(text: str, path: str) -> Typed:
    """The content of a YAML or JSON text. ConfigurationError with its line where it is neither, or too large."""
    root = compose(text, path)
    reader = _Reader(path)
    value = None if root is None else reader.read(root, ())
    return Typed(path=path, value=None if value is _LEFT_OUT else value, lines=reader.lines, lost=tuple(reader.lost))


_LEFT_OUT: Plain = ["left out"]
"""Stands, by its identity, for a value that is not carried over."""


class _Reader:
    """Turns nodes into values; counts what it makes, so that aliases cannot multiply without bound."""

    def __init__(self, path: str) -> None:
        self.lines: dict[Path, int] = {(): 1}
        self.lost: list[Lost] = []
        self._path = path
        self._count = 0

    def read(self, node: Node, path: Path) -> Plain:
        self._count += 1
        if self._count > MAX_VALUES or len(path) > MAX_DEPTH:
            limit = f"more than {MAX_VALUES:,} values" if self._count > MAX_VALUES else f"nested beyond {MAX_DEPTH}"
            raise ConfigurationError(f"{self._where(node)}: {limit}")
        if node.tag in _VAULTS:
            return self._lose(node, path, "encrypted by ansible-vault: fleet does not decrypt it")
        match node:
            case MappingNode() if node.tag in {f"{_TAG}map", _UNSAFE}:
                return self._mapping(node, path)
            case SequenceNode() if node.tag in {f"{_TAG}seq", _UNSAFE}:
                items = [self._noted(item, (*path, at)) for at, item in enumerate(node.value)]
                return [item for item in items if item is not _LEFT_OUT]
            case ScalarNode() if node.tag in _SCALARS or node.tag == _UNSAFE:
                return self._scalar(node, path)
        return self._lose(node, path, f"the tag {node.tag.removeprefix(_TAG)} is not carried over")

    def _noted(self, node: Node, path: Path) -> Plain:
        self.lines[path] = node.start_mark.line + 1
        return self.read(node, path)

    def _mapping(self, node: MappingNode, path: Path) -> Plain:
        merged: dict[str, Plain] = {}
        own: dict[str, Plain] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                for below in self._merged(value, path):
                    merged = {**below, **merged}
                continue
            name = self._name(key, path)
            if name is None:
                self._lose(key, path, "its name is no plain text")
                continue
            if name in own:
                self._lose(key, (*path, name), "given twice: the last one counts")
            self.lines[*path, name] = key.start_mark.line + 1
            found = self.read(value, (*path, name))
            if found is not _LEFT_OUT:
                own[name] = found
        return {**merged, **own}

    def _merged(self, node: Node, path: Path) -> Iterator[dict[str, Plain]]:
        """The mappings behind `<<`, the strongest first."""
        for item in node.value if isinstance(node, SequenceNode) else [node]:
            found = self.read(item, (*path, "<<"))
            if isinstance(found, dict):
                yield found
            else:
                self._lose(item, (*path, "<<"), "expected a mapping to merge")

    def _name(self, node: Node, path: Path) -> str | None:
        value = self.read(node, path)
        match value:
            case str():
                return value
            case None:
                return "null"
            case bool():
                return str(value).lower()
            case int() | float():
                return str(value)
            case _:
                return None

    def _scalar(self, node: ScalarNode, path: Path) -> Plain:
        tag = node.tag
        if tag == _UNSAFE:
            tag = _RESOLVER.resolve(ScalarNode, node.value, (True, False))
        if tag in {f"{_TAG}merge", f"{_TAG}value"}:
            return str(node.value)
        try:
            value = yaml.SafeLoader("").construct_object(ScalarNode(tag, node.value, node.start_mark, node.end_mark))
        except (ValueError, KeyError, AttributeError, IndexError, OverflowError, yaml.YAMLError):
            return self._lose(node, path, f"is no {tag.removeprefix(_TAG)}")
        if isinstance(value, dt.date):
            return value.isoformat()
        return value if isinstance(value, bool | int | float | str) else None

    def _lose(self, node: Node, path: Path, why: str) -> Plain:
        self.lost.append(Lost(where=self._where(node), what=show_path(path) or "the file", why=why))
        return _LEFT_OUT

    def _where(self, node: Node) -> str:
        return f"{self._path}:{node.start_mark.line + 1}"
