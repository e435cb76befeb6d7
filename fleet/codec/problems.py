"""What pydantic found wrong, said in one line: where, what was expected, what stands there, and the nearest name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic_core import ErrorDetails, ValidationError

from fleet.codec.schema import TAGS

Path = tuple[str | int, ...]

_SHOWN = 40
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong: the path to it from the root, a sentence without the path, and whether its key is at fault."""

    path: Path
    text: str
    at_key: bool = False


def problems(error: ValidationError) -> tuple[Problem, ...]:
    """All that pydantic found, in its order."""
    return tuple(_problem(detail) for detail in error.errors(include_url=False))


def first_problem(error: ValidationError) -> str:
    """`hosts[2].login.port: expected a valid integer, found "x"`."""
    found = problems(error)[0]
    return f"{show_path(found.path)}: {found.text}" if found.path else found.text


def show_path(path: Path) -> str:
    """`("hosts", 2, "memory")` → `hosts[2].memory`; a name with a dot in it is quoted."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        elif _PLAIN_NAME.match(part):
            shown += f".{part}"
        else:
            shown += f'."{clip(part)}"'
    return shown.removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or the known words where none is near; empty where nothing is known."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"; did you mean `{near[0]}`?"
    return f"; known: {', '.join(names)}" if names else ""


def clip(text: str) -> str:
    """The text, cut where it would flood a line, its control characters visible."""
    cut = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    return cut.encode("unicode_escape", "backslashreplace").decode() if not cut.isprintable() else cut


def _problem(detail: ErrorDetails) -> Problem:
    path = tuple(part for part in detail["loc"] if part not in TAGS)
    context = detail.get("ctx", {})
    match detail["type"]:
        case "unexpected_keyword_argument":
            return Problem(path=path, text="unknown field", at_key=True)
        case "missing":
            return Problem(path=path, text="is missing")
        case "union_tag_not_found":
            return Problem(path=(*path, "kind"), text="is missing")
        case "union_tag_invalid":
            tags = context["expected_tags"].replace("'", "")
            return Problem(path=(*path, "kind"), text=f"expected one of {tags}, found {_show(context['tag'])}")
        case "json_invalid":
            text = f"not JSON: {context['error']}"
        case "value_error":
            text = str(context["error"])
        case _:
            text = f"expected {detail['msg'].removeprefix('Input should be ')}, found {_show(detail['input'])}"
    return Problem(path=path, text=text)


def _show(value: object) -> str:
    match value:
        case str():
            return f'"{clip(value)}"'
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case None:
            return "nothing"
        case _:
            return clip(str(value))
