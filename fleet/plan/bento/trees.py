"""Foreign JSON, read strictly: what a compose file or the engine holds, with a word for what was expected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

Tree = Mapping[str, object]
"""A mapping of a compose file as it stands there: texts, numbers, lists and mappings."""
EMPTY: Tree = MappingProxyType({})


def parsed(text: str, what: str) -> object:
    """The value of a JSON text. ValueError for what is none, or has no bounds to its depth."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{what}: expected JSON") from None


def mapping(value: object, what: str) -> Tree:
    """A mapping of names; nothing is an empty one. ValueError for anything else."""
    if value is None:
        return EMPTY
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{what}: expected a mapping")
    return value


def items(value: object, what: str) -> tuple[object, ...]:
    """A list; nothing is an empty one. ValueError for anything else."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError(f"{what}: expected a list")  # noqa: TRY004 (a host wrote it: its value is wrong)
    return tuple(value)


def text(value: object, what: str) -> str:
    """A text; nothing is an empty one. ValueError for anything else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{what}: expected a text")  # noqa: TRY004 (a host wrote it: its value is wrong)
    return value


def whole(value: object, what: str) -> int:
    """A whole number; nothing is 0. ValueError for anything else."""
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{what}: expected a whole number")  # noqa: TRY004 (a host wrote it: its value is wrong)
    return value


def words(value: object, what: str) -> tuple[str, ...]:
    """A command as Compose has it: a list of words, or one text that a shell would split. ValueError otherwise."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(text(item, what) for item in items(value, what))
