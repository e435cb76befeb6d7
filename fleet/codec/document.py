"""YAML as text with positions: every scalar stays the text that was written until its field says what it is.

So `python: 3.10` is no number, `on` no boolean and `0700` no octal. Refused with their line: duplicate keys, tags,
empty values, keys that are no plain text, more than 1 MiB, deep nesting, and aliases that multiply.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, TypeVar

import yaml
from pydantic_core import ValidationError
from typing_extensions import TypeForm
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from fleet.codec.problems import Path, Problem, clip, problems, show
from fleet.codec.schema import validator_for
from fleet.errors import ConfigurationError

T = TypeVar("T")

MAX_BYTES = 2**20
_SUFFIXES = {"YAML": (".yaml", ".yml"), "JSON": (".json", ".jsonl")}
MAX_VALUES = 100_000
MAX_DEPTH = 16

_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(
    _TAG + kind for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value")
)
_AGREED = re.compile(r"[A-Za-z0-9 \n:{}\[\],#'\"/=._~()+;$<^-]*+")
_OPENERS = 5000
"""Signs that may begin something inside of something else: libyaml's stack bears four times as deep."""
_BRACES = 'text with braces or a colon in it stands in quotes: "{{ … }}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file's content as texts, lists and mappings, with the line of each path in it."""

    path: str
    value: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of a path, or of the nearest thing above it where the path does not exist."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def error(self, path: Path, text: str, *, hint: str | None = None) -> ConfigurationError:
        """`inventory/lab.yaml:12: hosts.box.bus: text`."""
        where = f"{self.path}:{self.line(path)}"
        return ConfigurationError(f"{where}: {show(Problem(path=path, text=text))}", hint=hint)


def home_expanded(path: str) -> str:
    """The path with `~` filled in; as it is where there is no such user."""
    return os.path.expanduser(path)  # noqa: PTH111 (pathlib's raises where there is no such user)


def read_file(path: str, *, kind: str = "YAML", most: int = MAX_BYTES) -> str:
    """The text of a file. ConfigurationError where it is none, has more than `most` bytes, or is not UTF-8."""
    file = FilePath(home_expanded(path))
    try:
        if not file.is_file():
            found = "a folder" if file.is_dir() else "no file"
            raise ConfigurationError(f"{path}: expected a {kind} file, found {found}", hint=_siblings(file, kind))
        with file.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > most:
        raise ConfigurationError(f"{path}: larger than {most >> 20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigurationError(f"{path}:{line}: expected UTF-8 text") from error


def parse_document(text: str, path: str) -> Document:
    """The content of a YAML text; `path` is for messages. ConfigurationError with its line where it is no YAML."""
    root = _quickly(text) or compose(text, path)
    if root is None:
        raise ConfigurationError(f"{path}: is empty")
    lines: dict[Path, int] = {(): 1}
    return Document(path=path, value=_Reader(path, lines).read(root, ()), lines=lines)


def _quickly(text: str) -> Node | None:
    """The nodes of a text as libyaml has them, ten times as fast; None where there are none, or it might disagree.

    Beyond these characters it reads some texts otherwise than PyYAML does, or takes what that refuses; what it refuses
    itself is PyYAML's to judge, and to explain.
    """
    shallow = sum(map(text.count, "[{-")) <= _OPENERS
    if not (yaml.__with_libyaml__ and shallow and len(text) <= MAX_BYTES and _AGREED.fullmatch(text)):
        return None
    try:
        root: Node | None = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return None
    # An empty text is elsewhere for each of them; nothing that people write is a scalar as a whole.
    return None if isinstance(root, ScalarNode) else root


def compose(text: str, path: str) -> Node | None:
    """The nodes of a YAML text, None where it holds nothing. ConfigurationError with its line where it is no YAML."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise ConfigurationError(f"{path}: larger than 1 MiB")
    try:
        root: Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, path) from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise ConfigurationError(f"{path}:{line}: character U+{error.character:04X} is not allowed") from None
    except RecursionError:
        raise ConfigurationError(f"{path}: nested more than {MAX_DEPTH} levels deep") from None
    return root


def read_as(type_: TypeForm[T], document: Document) -> T:
    """The form that a document holds. ConfigurationError for what is wrong first in the file."""
    wanted: Any = type_
    # Not strict: the scalars of a document are texts, whatever they will be.
    try:
        form: T = validator_for(wanted).validate_json(json.dumps(document.value), strict=False)
    except ValidationError as error:
        first = min(problems(wanted, error), key=lambda problem: (not problem.misnamed, document.line(problem.path)))
        raise document.error(first.path, first.text) from None
    return form


class _Reader:
    """Turns nodes into values, noting lines; counts what it makes, so that aliases cannot multiply without bound."""

    def __init__(self, path: str, lines: dict[Path, int]) -> None:
        self._path = path
        self._lines = lines
        self._count = 0

    def read(self, node: Node, path: Path) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            raise self._error(node, path, f"more than {MAX_VALUES:,} values")
        if len(path) > MAX_DEPTH:
            raise self._error(node, path[:2], f"nested more than {MAX_DEPTH} levels deep")
        if node.tag not in _PLAIN_TAGS:
            raise self._error(node, path, f"tags such as {clip(node.tag)} are not allowed")
        match node:
            case MappingNode():
                return {key: self.read(value, (*path, key)) for key, value in self._pairs(node, path)}
            case SequenceNode():
                return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
            case ScalarNode():
                return self._text(node, path)
        raise self._error(node, path, "cannot be read")

    def _pairs(self, node: MappingNode, path: Path) -> Iterator[tuple[str, Node]]:
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                raise self._error(key, path, "expected a name before the colon", hint=_BRACES)
            name = self._text(key, path)
            where = (*path, name)
            if name in seen:
                raise self._error(key, where, f"given twice, first on line {self._lines[where]}")
            seen.add(name)
            self._lines[where] = key.start_mark.line + 1
            yield name, value

    def _item(self, node: Node, path: Path) -> Any:
        self._lines[path] = node.start_mark.line + 1
        return self.read(node, path)

    def _text(self, node: ScalarNode, path: Path) -> str:
        if node.tag == f"{_TAG}null":
            raise self._error(node, path, "is empty: give a value, or leave the field out")
        return str(node.value)

    def _error(self, node: Node, path: Path, text: str, hint: str | None = None) -> ConfigurationError:
        where = f"{self._path}:{node.start_mark.line + 1}"
        return ConfigurationError(f"{where}: {show(Problem(path=path, text=text))}", hint=hint)


def _syntax_error(error: yaml.MarkedYAMLError, path: str) -> ConfigurationError:
    mark = error.problem_mark or error.context_mark
    where = f"{path}:{mark.line + 1}" if mark else path
    text = f"not YAML: {clip(error.problem or 'cannot be read', 120)}"
    if error.context:
        begun = f", begun on line {error.context_mark.line + 1}" if error.context_mark else ""
        text += f" ({error.context}{begun})"
    hint = None
    if "'\\t'" in text:
        hint = "indent with spaces, not tabs"
    elif any(sign in text for sign in ("flow mapping", "<scalar>", "mapping values")):
        hint = _BRACES
    return ConfigurationError(f"{where}: {text}", hint=hint)


def _siblings(file: FilePath, kind: str) -> str | None:
    folder = file if file.is_dir() else file.parent
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.suffix in _SUFFIXES[kind])
    except OSError:
        return f"there is no folder {folder}"
    shown = ", ".join(str(folder / name) for name in names[:8])
    return f"there is {shown}" if shown else f"no {_SUFFIXES[kind][0]} file in {folder}"
