"""What pydantic found wrong, said in one line: where, what was expected, what stands there, and the nearest name."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails, ValidationError

from fleet.codec.schema import follow

Path = tuple[str | int, ...]

_SHOWN = 40
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_EXPECTED = {
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bytes_invalid_encoding": "base64",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong: the path to it from the root, and a sentence without the path; `misnamed`: an unknown field."""

    path: Path
    text: str
    misnamed: bool = False


def problems(type_: Any, error: ValidationError) -> tuple[Problem, ...]:
    """All that pydantic found when it read a `type_`, at least one; a wrong name first: another may miss for it."""
    found = [_problem(type_, detail) for detail in error.errors(include_url=False)]
    return tuple(sorted(found, key=lambda problem: not problem.misnamed))


def show(problem: Problem) -> str:
    """`hosts[2].login.port: expected a whole number, found "x"`: one line, whatever a file holds."""
    text = _visible(problem.text)
    return f"{show_path(problem.path)}: {text}" if problem.path else text


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
    """`; did you mean X?` where a known word is near, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


def clip(text: str, length: int = _SHOWN) -> str:
    """The text, cut where it would flood a line, its control characters visible."""
    cut = text if len(text) <= length else f"{text[: length - 1]}…"
    return _visible(cut)


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _problem(type_: Any, detail: ErrorDetails) -> Problem:
    path, _ = follow(type_, detail["loc"])
    context = detail.get("ctx", {})
    match detail["type"]:
        case "unexpected_keyword_argument":
            _, form = follow(type_, detail["loc"][:-1])
            names = [field.name for field in dataclasses.fields(form)] if form else []
            return Problem(path=path, text=_unknown_field(str(path[-1]), names), misnamed=True)
        case "missing":
            return Problem(path=path, text="is missing")
        case "union_tag_not_found":
            return Problem(path=(*path, "kind"), text="is missing")
        case "union_tag_invalid":
            return Problem(path=(*path, "kind"), text=_wrong_choice(context["expected_tags"], context["tag"]))
        case "enum" | "literal_error":
            return Problem(path=path, text=_wrong_choice(context["expected"], detail["input"]))
        case "too_long":
            text = f"expected {context['max_length']} values, found {context['actual_length']}"
        case "json_invalid":
            text = f"not JSON: {context['error']}"
        case "value_error":
            # What was found is shown for scalars only: a secret's text must not get into a message.
            text = str(context["error"])
            text += f", found {_shown(detail['input'])}" if text.startswith("expected ") else ""
        case kind:
            expected = _EXPECTED.get(kind) or detail["msg"].removeprefix("Input should be ")
            text = f"expected {expected}, found {_shown(detail['input'])}"
    return Problem(path=path, text=text)


def _unknown_field(name: str, known: Sequence[str]) -> str:
    return f"unknown field{nearest(name, known) or '; known are ' + ', '.join(known)}"


def _wrong_choice(expected: str, found: object) -> str:
    names = re.findall("'([^']*)'", expected)
    near = nearest(found, names) if isinstance(found, str) else ""
    return f"expected {'one of ' if len(names) > 1 else ''}{', '.join(names)}, found {_shown(found)}{near}"


def _shown(value: object) -> str:
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
